package aptmirror

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// A SourceEntry is one entry of apt's sources: a line of sources.list or a
// stanza of a .sources file. Options that loosen apt's checks (trusted,
// allow-weak and the like) are read over: nothing here can turn a check off.
type SourceEntry struct {
	Types         []string // "deb", "deb-src"
	URIs          []string // as written
	Suites        []string // as written; a path that ends in "/" for a flat archive
	Components    []string
	SignedBy      []string // files or fingerprints; empty: any key that apt trusts
	Architectures []string // empty: all
	Line          int
}

// ParseSourcesList reads a file of apt's sources, name telling its form:
// ".sources" is deb822, anything else the one-line form. Entries that are
// switched off ("Enabled: no") are left out. Format: sources.list(5).
func ParseSourcesList(name string, data []byte) ([]SourceEntry, error) {
	if len(data) > maxStanza {
		return nil, fmt.Errorf("reading %s: more than %d bytes: %w", name, maxStanza, ErrTooBig)
	}
	if path.Ext(name) == ".sources" {
		return parseSourcesStanzas(name, data)
	}
	var entries []SourceEntry
	line := 0
	for text := range bytes.Lines(data) {
		line++
		s, _, _ := strings.Cut(string(text), "#")
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		entry, err := parseSourcesLine(s)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
		entry.Line = line
		entries = append(entries, entry)
	}
	return entries, nil
}

// parseSourcesLine reads "deb [option=value …] uri suite component…".
func parseSourcesLine(s string) (SourceEntry, error) {
	var e SourceEntry
	kind, rest, _ := strings.Cut(strings.ReplaceAll(s, "\t", " "), " ")
	e.Types = []string{kind}
	rest = strings.TrimSpace(rest)
	if after, ok := strings.CutPrefix(rest, "["); ok {
		options, after, ok := strings.Cut(after, "]")
		if !ok {
			return e, errors.New("the options do not end in \"]\"")
		}
		rest = after
		for option := range strings.FieldsSeq(options) {
			key, value, _ := strings.Cut(option, "=")
			switch strings.TrimRight(strings.ToLower(key), "+-") {
			case "arch":
				e.Architectures = strings.Split(value, ",")
			case "signed-by":
				e.SignedBy = strings.Split(value, ",")
			}
		}
	}
	words := strings.Fields(rest)
	if len(words) < 2 {
		return e, errors.New("want a type, a URI and a suite")
	}
	e.URIs, e.Suites, e.Components = words[:1], words[1:2], words[2:]
	return e, e.check()
}

func parseSourcesStanzas(name string, data []byte) ([]SourceEntry, error) {
	var entries []SourceEntry
	stanzas := NewCommentedStanzas(name, bytes.NewReader(data))
	for {
		s, err := stanzas.Next()
		if err == io.EOF {
			return entries, nil
		}
		if err != nil {
			return nil, err
		}
		words := func(field string) []string {
			v, _ := s.Get(field)
			return strings.Fields(v)
		}
		if enabled, _ := s.Get("Enabled"); enabled == "no" || enabled == "false" || enabled == "0" {
			continue
		}
		e := SourceEntry{
			Types: words("Types"), URIs: words("URIs"), Suites: words("Suites"), Components: words("Components"),
			Architectures: words("Architectures"), Line: s.Line,
		}
		signed, _ := s.Get("Signed-By")
		if strings.Contains(signed, beginKey) {
			e.SignedBy = []string{"embedded"}
		} else {
			e.SignedBy = strings.FieldsFunc(signed, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
		}
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, s.Line, err)
		}
		entries = append(entries, e)
	}
}

func (e *SourceEntry) check() error {
	if len(e.Types) == 0 || len(e.URIs) == 0 || len(e.Suites) == 0 {
		return errors.New("want Types, URIs and Suites")
	}
	for _, kind := range e.Types {
		if kind != "deb" && kind != "deb-src" {
			return fmt.Errorf("%s is neither \"deb\" nor \"deb-src\"", quote(kind))
		}
	}
	for _, uri := range e.URIs {
		if !strings.Contains(uri, ":") {
			return fmt.Errorf("%s is no URI", quote(uri))
		}
	}
	if len(e.Components) == 0 && !slices.ContainsFunc(e.Suites, func(s string) bool { return strings.HasSuffix(s, "/") }) {
		return errors.New("no component is given")
	}
	return nil
}

// Mirror returns the URIs, without a slash at the end and in the entries' order,
// of the entries that seem to serve a pocket: binary packages over http, https
// or from files, of the pocket's suite and one of its components, and not
// signed by keys other than the distribution's. Ubuntu's ports are told from
// its main archive by their path. Other archives may use the same names, so
// what a mirror returns counts only once its signature is verified; and a URI
// may hold a password, so it goes into no file.
func Mirror(entries []SourceEntry, pocket Pocket) []string {
	var uris []string
	for _, e := range entries {
		if !slices.Contains(e.Types, "deb") || !slices.Contains(e.Suites, pocket.Suite) || !e.signedFor(pocket.Archive) {
			continue
		}
		if !slices.ContainsFunc(pocket.Components, func(c string) bool { return slices.Contains(e.Components, c) }) {
			continue
		}
		for _, uri := range e.URIs {
			scheme, _, _ := strings.Cut(uri, ":")
			uri = strings.TrimRight(uri, "/")
			if !slices.Contains([]string{"http", "https", "file", "copy"}, scheme) || slices.Contains(uris, uri) {
				continue
			}
			if ports := strings.Contains(uri, "ports"); strings.HasPrefix(pocket.Archive, "ubuntu") && ports != (pocket.Archive == "ubuntu-ports") {
				continue
			}
			uris = append(uris, uri)
		}
	}
	return uris
}

// signedFor reports whether the entry's Signed-By, if any, may be the archive's
// own keyring. What a fingerprint belongs to is seen when a signature is
// verified.
func (e *SourceEntry) signedFor(archive string) bool {
	if len(e.SignedBy) == 0 {
		return true
	}
	distro, _, _ := strings.Cut(archive, "-")
	return slices.ContainsFunc(e.SignedBy, func(s string) bool {
		return strings.HasPrefix(path.Base(s), distro+"-archive") || len(s) == 40 && !strings.Contains(s, "/")
	})
}
