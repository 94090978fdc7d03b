package manifest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Settings is the optional satchel.yaml beside a descriptor: where to find what
// the descriptor only names. It never changes what is built; the lock records
// what came of it.
type Settings struct {
	Files   map[string]FileSource `yaml:"files,omitempty" json:"files,omitempty"`     // by name in the descriptor's files
	Mirrors map[string][]string   `yaml:"mirrors,omitempty" json:"mirrors,omitempty"` // URLs to try, by ArchivePin.Name
	// Keyrings are files beside satchel.yaml with the keys of the descriptor's
	// repositories, by ArchivePin.Name.
	Keyrings map[string]string       `yaml:"keyrings,omitempty" json:"keyrings,omitempty"`
	Remotes  map[string]RemoteSource `yaml:"remotes,omitempty" json:"remotes,omitempty"` // by dir in the descriptor's remotes
}

// FileSource says what a file is: a hash, with or without a URL, or a part of a
// source package.
type FileSource struct {
	URL           string  `yaml:"url,omitempty" json:"url,omitempty"` // never without SHA256
	SHA256        *Digest `yaml:"sha256,omitempty" json:"sha256,omitempty"`
	Private       bool    `yaml:"private,omitempty" json:"private,omitempty"`              // may not be redistributed
	SourcePackage string  `yaml:"source-package,omitempty" json:"sourcePackage,omitempty"` // excludes the others
	Version       string  `yaml:"version,omitempty" json:"version,omitempty"`              // of SourcePackage; "" is the newest that has the file
}

// RemoteSource takes the place of a remote's own URL or commit.
type RemoteSource struct {
	URL    string `yaml:"url,omitempty" json:"url,omitempty"`
	Commit string `yaml:"commit,omitempty" json:"commit,omitempty"` // a tag, branch or commit
}

// ParseSettings reads settings and refuses whatever the format does not name.
// The error is a *Problems. file is used in messages alone.
func ParseSettings(file string, data []byte) (*Settings, error) {
	root, err := readNode(file, data, maxDescriptor, true)
	if err != nil {
		return nil, err
	}
	r := &strictReader{walker: walker{findings: newFindings(file, data)}, lines: map[string]int{}}
	var s Settings
	r.value(root, "", reflect.ValueOf(&s).Elem())
	for _, name := range sortedKeys(s.Files) {
		path := "files[" + display(name) + "]"
		r.note(path, CheckFileName(name))
		r.note(path, s.Files[name].check())
	}
	for _, name := range sortedKeys(s.Mirrors) {
		r.note("mirrors["+display(name)+"]", CheckName(name))
		for i, u := range s.Mirrors[name] {
			r.note(fmt.Sprintf("mirrors[%s][%d]", display(name), i), checkMirror(u))
		}
	}
	for _, name := range sortedKeys(s.Keyrings) {
		path := "keyrings[" + display(name) + "]"
		r.note(path, CheckName(name))
		r.note(path, checkPath(s.Keyrings[name]))
	}
	for _, dir := range sortedKeys(s.Remotes) {
		path := "remotes[" + display(dir) + "]"
		r.note(path, CheckName(dir))
		r.note(path, s.Remotes[dir].check())
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return &s, nil
}

// note adds err, if it is one, at the line of path.
func (r *strictReader) note(path string, err error) {
	if err != nil {
		r.add(r.line(path), "%s: %v", path, err)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (f FileSource) check() error {
	if f.SourcePackage != "" {
		switch {
		case f.URL != "" || f.SHA256 != nil || f.Private:
			return fmt.Errorf("source-package stands alone: the archive's index gives the hash")
		case !packageName(f.SourcePackage):
			return fmt.Errorf("%q is no name of a package", shorten(f.SourcePackage))
		case f.Version != "" && !packageVersion(f.Version):
			return fmt.Errorf("%q is no version", shorten(f.Version))
		}
		return nil
	}
	switch {
	case f.Version != "":
		return fmt.Errorf("version stands only beside source-package")
	case f.SHA256 == nil:
		return fmt.Errorf("sha256 is missing; write what sha256sum says of the file, or source-package")
	case f.URL != "":
		return checkWebURL(f.URL)
	}
	return nil
}

func (s RemoteSource) check() error {
	if s.URL == "" && s.Commit == "" {
		return fmt.Errorf("it says nothing; write url or commit")
	}
	if s.URL != "" {
		if err := CheckURL(s.URL); err != nil {
			return err
		}
	}
	if s.Commit != "" {
		return CheckCommit(s.Commit)
	}
	return nil
}

// checkMirror refuses what is not the URL of an archive's top: http, https or
// an absolute file: URL.
func checkMirror(s string) error {
	if rest, ok := strings.CutPrefix(s, "file:///"); ok && clean(rest) {
		return nil
	}
	return checkWebURL(s)
}
