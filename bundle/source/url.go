package source

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// checkURL refuses every URL but https, http, ssh, git and the short form of
// ssh, host:path; and with local set also paths and file://. That keeps out
// transport helpers (ext::), options (-u…), and hosts and paths that another
// program would take for an option.
func checkURL(url string, local bool) error {
	if url == "" || len(url) > 2048 {
		return fmt.Errorf("URL of %d bytes: %w", len(url), ErrRefused)
	}
	for i := 0; i < len(url); i++ {
		if c := url[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"'`\\<>{}|^", c) >= 0 {
			return fmt.Errorf("URL %q: a character that is not allowed in it: %w", redact(url), ErrRefused)
		}
	}
	refused := func(why string) error { return fmt.Errorf("URL %q: %s: %w", redact(url), why, ErrRefused) }
	if regexp.MustCompile(`^[A-Za-z0-9+.-]*::`).MatchString(url) {
		return refused("transport helpers are not used")
	}
	if strings.HasPrefix(url, "-") {
		return refused("it looks like an option")
	}
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return checkPlain(url, local, refused)
	}
	switch scheme {
	case "https", "http", "ssh", "git":
		host, _, _ := strings.Cut(rest, "/")
		user, name, has := strings.Cut(host, "@")
		if !has {
			user, name = "", host
		}
		if name == "" || strings.HasPrefix(name, "-") || strings.HasPrefix(user, "-") || strings.ContainsAny(name, "@%") {
			return refused("its host is not one")
		}
		return nil
	case "file":
		if !local || !strings.HasPrefix(rest, "/") {
			return refused("files are fetched from only when you name them yourself, by an absolute path")
		}
		return nil
	}
	return refused("only https, http, ssh and git are used")
}

// checkPlain is checkURL for what has no scheme: host:path, or a path.
func checkPlain(url string, local bool, refused func(string) error) error {
	host, path, colon := strings.Cut(url, ":")
	if colon && !strings.Contains(host, "/") {
		user, name, has := strings.Cut(host, "@")
		if !has {
			user, name = "", host
		}
		if name == "" || strings.HasPrefix(name, "-") || strings.HasPrefix(user, "-") || path == "" || strings.HasPrefix(path, "-") {
			return refused("its host or path is not one")
		}
		return nil
	}
	if !local {
		return refused("paths are fetched from only when you name them yourself")
	}
	return nil
}

// isPath tells whether a URL that checkURL has passed is a file path.
func isPath(url string) bool {
	host, _, colon := strings.Cut(url, ":")
	return !colon || strings.Contains(host, "/")
}

// absolute makes a path absolute and leaves every other URL alone.
func absolute(url string) (string, error) {
	if !isPath(url) {
		return url, nil
	}
	return filepath.Abs(url)
}

// relativeURL resolves a submodule's URL against its superproject's, as
// `git submodule` does: only what begins with ./ or ../ is relative, and each
// ../ takes one part, up to a slash or a colon, off the base.
func relativeURL(base, url string) (string, error) {
	if !strings.HasPrefix(url, "./") && !strings.HasPrefix(url, "../") {
		return url, nil
	}
	rest, at, sep := url, strings.TrimRight(base, "/"), "/"
	floor := 0 // what may not be taken away: the scheme and host
	if i := strings.Index(at, "://"); i >= 0 {
		floor = i + 3
		if j := strings.IndexByte(at[floor:], '/'); j >= 0 {
			floor += j
		} else {
			floor = len(at)
		}
	}
	for {
		switch {
		case strings.HasPrefix(rest, "./"):
			rest = rest[2:]
			continue
		case strings.HasPrefix(rest, "../"):
			rest = rest[3:]
			i := strings.LastIndexAny(at, "/:")
			if i < floor || i < 0 || sep == ":" {
				return "", fmt.Errorf("submodule URL %q: it leads above %q: %w", redact(url), redact(base), ErrRefused)
			}
			sep = at[i : i+1]
			at = at[:i]
			continue
		}
		break
	}
	return at + sep + strings.TrimSuffix(rest, "/"), nil
}
