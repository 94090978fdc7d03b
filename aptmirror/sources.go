package aptmirror

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"satchel/manifest"
)

// Source is a source package of a Sources index.
type Source struct {
	Name      string
	Version   string
	Directory string       // in the archive, "pool/main/h/hello"
	Files     []SourceFile // in the index's order
}

// SourceFile is a file of a source package.
type SourceFile struct {
	Name string // "hello_2.10.orig.tar.gz"
	Path string // in the archive: Directory and Name
	Blob manifest.Blob
}

// File returns the file of that name.
func (s Source) File(name string) (SourceFile, bool) {
	for _, f := range s.Files {
		if f.Name == name {
			return f, true
		}
	}
	return SourceFile{}, false
}

// NoSourceError says that a Sources index lacks what was asked for.
type NoSourceError struct {
	Index, Source, Version string
	File                   string   // "" if any would do
	Seen                   []string // versions of Source that the index has
}

func (e *NoSourceError) Error() string {
	switch {
	case len(e.Seen) > 0 && e.File != "" && e.Version == "":
		return fmt.Sprintf("looking for source package %s in %s: no version has a file %s; there is %s",
			quote(e.Source), e.Index, quote(e.File), strings.Join(e.Seen, ", "))
	case len(e.Seen) > 0 && e.File != "":
		return fmt.Sprintf("looking for source package %s in %s: there is no version %s with a file %s; there is %s",
			quote(e.Source), e.Index, quote(e.Version), quote(e.File), strings.Join(e.Seen, ", "))
	case len(e.Seen) > 0:
		return fmt.Sprintf("looking for source package %s in %s: version %s is not there; it has %s",
			quote(e.Source), e.Index, quote(e.Version), strings.Join(e.Seen, ", "))
	default:
		return fmt.Sprintf("looking for source package %s in %s: it is not there", quote(e.Source), e.Index)
	}
}

// FindSource reads a Sources index, plain, to its end and returns the source
// package of that name and version that has a file; with an empty version, the
// newest that has it, and with an empty file, whatever files there are.
// Files have the SHA-256 of Checksums-Sha256; a source package without it is
// refused. If there is none, the error is a *NoSourceError. name is for errors
// only. Memory: one stanza.
func FindSource(name string, r io.Reader, source, version, file string) (Source, error) {
	if err := checkPackageName(source); err != nil {
		return Source{}, fmt.Errorf("looking for a source package: %w", err)
	}
	missing := &NoSourceError{Index: name, Source: source, Version: version, File: file}
	var best Source
	stanzas := NewStanzas(name, r)
	for {
		s, err := stanzas.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return Source{}, err
		}
		if f := s.find("Package"); f == nil || string(s.value(f, ' ')) != source {
			continue
		}
		found, err := readSource(s)
		if err != nil {
			return Source{}, fmt.Errorf("%s:%d: source package %s: %w", name, s.Line, source, err)
		}
		if len(missing.Seen) < 20 {
			missing.Seen = append(missing.Seen, found.Version)
		}
		if _, ok := found.File(file); file != "" && !ok {
			continue
		}
		if version != "" && found.Version != version || best.Name != "" && CompareVersions(found.Version, best.Version) <= 0 {
			continue
		}
		best = found
	}
	if best.Name == "" {
		return Source{}, missing
	}
	return best, nil
}

// readSource reads a stanza of a Sources index.
func readSource(s *Stanza) (Source, error) {
	var src Source
	src.Name, _ = s.Get("Package")
	src.Version, _ = s.Get("Version")
	src.Directory, _ = s.Get("Directory")
	if err := CheckVersion(src.Version); err != nil {
		return src, err
	}
	src.Directory = strings.TrimPrefix(src.Directory, "./")
	if err := checkPath(src.Directory); err != nil {
		return src, fmt.Errorf("reading Directory: %w", err)
	}
	sums, ok := s.Get("Checksums-Sha256")
	if !ok {
		return src, errors.New("it has no Checksums-Sha256: this index cannot be trusted")
	}
	seen := make(map[string]bool)
	for line := range strings.SplitSeq(sums, "\n") {
		file, blob, err := parseSum(line)
		if err != nil {
			return src, fmt.Errorf("reading Checksums-Sha256: %w", err)
		}
		if strings.Contains(file, "/") || seen[file] {
			return src, fmt.Errorf("reading Checksums-Sha256: file %s is odd or given twice", quote(file))
		}
		seen[file] = true
		src.Files = append(src.Files, SourceFile{Name: file, Path: path.Join(src.Directory, file), Blob: blob})
	}
	return src, nil
}

// parseSum reads a line "SHA256 SIZE PATH" of a Release file or Sources index.
func parseSum(line string) (string, manifest.Blob, error) {
	hash, rest := cutWord(line)
	size, rest := cutWord(rest)
	file := strings.Trim(rest, " \t")
	digest, err := manifest.ParseDigest(hash)
	if err != nil {
		return "", manifest.Blob{}, err
	}
	n, err := parseSize([]byte(size))
	if err != nil {
		return "", manifest.Blob{}, err
	}
	if err := checkPath(file); err != nil {
		return "", manifest.Blob{}, err
	}
	return file, manifest.Blob{SHA256: digest, Size: n}, nil
}

// cutWord cuts the first word off s; words are separated by spaces and tabs.
func cutWord(s string) (word, rest string) {
	s = strings.TrimLeft(s, " \t")
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}
