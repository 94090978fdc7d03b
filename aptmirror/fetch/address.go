package fetch

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// fileHost is the host of all files and folders.
const fileHost = "file"

// parseAddress reads what may stand in Job.URLs. Its errors do not repeat the
// address, for there may be a password in it.
func parseAddress(s string) (*url.URL, error) {
	if filepath.IsAbs(s) {
		return &url.URL{Scheme: "file", Path: filepath.ToSlash(s)}, nil
	}
	u, err := url.Parse(s)
	if err != nil {
		if e := (*url.Error)(nil); errors.As(err, &e) {
			err = e.Err
		}
		return nil, fmt.Errorf("reading the address: %w", err)
	}
	switch u.Scheme {
	case "http", "https":
		if u.Hostname() == "" || u.Opaque != "" {
			return nil, errors.New("reading the address: it names no host")
		}
	case "file":
		if u.Host != "" && u.Host != "localhost" || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") {
			return nil, errors.New("reading the address: want file:///absolute/path")
		}
	default:
		return nil, fmt.Errorf("reading the address: want http, https, file or an absolute path, not %q", u.Scheme)
	}
	return u, nil
}

// hostOf names the host whose load u counts for.
func hostOf(u *url.URL) string {
	if u.Scheme == "file" {
		return fileHost
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}

// sameOrigin tells whether b may see the credentials that were meant for a.
func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && hostOf(a) == hostOf(b) }

// redact spells u for messages: without credentials, and without the query,
// where tokens hide.
func redact(u *url.URL) string {
	c := *u
	c.User, c.Fragment, c.RawFragment = nil, "", ""
	if c.RawQuery != "" {
		c.RawQuery = "…"
	}
	return c.String()
}

// redactAddress is redact for an address that may not be readable.
func redactAddress(s string) string {
	u, err := parseAddress(s)
	if err == nil {
		return redact(u)
	}
	if i := strings.IndexByte(s, ':'); i > 0 {
		return s[:min(i, 20)] + ":…"
	}
	return "…"
}

// Redact spells an address for messages: without credentials and query.
func Redact(address string) string { return redactAddress(address) }
