package aptmirror

import (
	"bytes"
	"fmt"
	"strings"
	"unsafe"

	"satchel/manifest"
)

// arenaSize is how much text shares one allocation.
const arenaSize = 64 << 10

// packageReader turns stanzas into packages. Its strings come from shared
// allocations; words that recur, and what is part of the Filename, are kept
// once.
type packageReader struct {
	arena  strings.Builder
	known  map[string]string
	borrow bool // strings are the stanza's own bytes: good until the next one
}

func newPackageReader() *packageReader { return &packageReader{known: make(map[string]string)} }

// read fills pkg with what s says, checking the form of numbers and hashes but
// not that anything is there.
func (p *packageReader) read(s *Stanza, pkg *Package) error {
	pkg.Phased = -1
	if f := s.find("Filename"); f != nil {
		pkg.Filename = p.keep(bytes.TrimPrefix(s.value(f, ' '), []byte("./")))
	}
	for i := range s.fields {
		f := &s.fields[i]
		if err := p.set(pkg, s.text[f.name:f.nameEnd], s, f); err != nil {
			return err
		}
	}
	return nil
}

// set puts one field into pkg.
func (p *packageReader) set(pkg *Package, name []byte, s *Stanza, f *field) error {
	switch fieldKey(name) {
	case "package":
		pkg.Name = p.part(pkg.Filename, s.value(f, ' '))
	case "version":
		pkg.Version = p.part(pkg.Filename, s.value(f, ' '))
	case "source": // "name" or "name (version)"
		return p.setSource(pkg, s.value(f, ' '))
	case "architecture":
		pkg.Architecture = p.word(s.value(f, ' '))
	case "priority":
		pkg.Priority = p.word(s.value(f, ' '))
	case "multi-arch":
		pkg.MultiArch = p.word(s.value(f, ' '))
	case "status":
		pkg.Status = p.word(s.value(f, ' '))
	case "essential":
		pkg.Essential = isYes(s.value(f, ' '))
	case "important", "protected":
		pkg.Important = pkg.Important || isYes(s.value(f, ' '))
	case "depends":
		pkg.Depends = p.word(s.value(f, ' '))
	case "pre-depends":
		pkg.PreDepends = p.word(s.value(f, ' '))
	case "conflicts":
		pkg.Conflicts = p.word(s.value(f, ' '))
	case "breaks":
		pkg.Breaks = p.word(s.value(f, ' '))
	case "replaces":
		pkg.Replaces = p.word(s.value(f, ' '))
	case "provides":
		pkg.Provides = p.word(s.value(f, ' '))
	case "recommends":
		pkg.Recommends = p.word(s.value(f, ' '))
	case "suggests":
		pkg.Suggests = p.word(s.value(f, ' '))
	case "enhances":
		pkg.Enhances = p.word(s.value(f, ' '))
	case "phased-update-percentage":
		n, err := parseSize(s.value(f, ' '))
		if err != nil || n > 100 {
			return fmt.Errorf("Phased-Update-Percentage is %s, want 0 to 100", quoteBytes(s.value(f, ' ')))
		}
		pkg.Phased = int(n)
	case "size":
		n, err := parseSize(s.value(f, ' '))
		if err != nil {
			return fmt.Errorf("reading Size: %w", err)
		}
		pkg.Blob.Size = n
	case "sha256":
		d, err := manifest.ParseDigest(string(s.value(f, ' ')))
		if err != nil {
			return fmt.Errorf("reading SHA256: %w", err)
		}
		pkg.Blob.SHA256 = d
	}
	return nil
}

// setSource reads "name" or "name (version)".
func (p *packageReader) setSource(pkg *Package, v []byte) error {
	name, version, versioned := bytes.Cut(v, []byte{' '})
	pkg.Source = p.part(pkg.Filename, name)
	if versioned {
		version = bytes.TrimSpace(version)
		if len(version) < 3 || version[0] != '(' || version[len(version)-1] != ')' {
			return fmt.Errorf("Source is %s, want a name and perhaps a version in parentheses", quoteBytes(v))
		}
		pkg.SourceVersion = p.part(pkg.Filename, version[1:len(version)-1])
	}
	return nil
}

// fieldKey returns the lower-case name of a field that packageReader wants, ""
// for any other.
func fieldKey(name []byte) string {
	if len(name) > len("phased-update-percentage") {
		return ""
	}
	var low [len("phased-update-percentage")]byte
	for i, c := range name {
		low[i] = lower(c)
	}
	switch string(low[:len(name)]) {
	case "package":
		return "package"
	case "version":
		return "version"
	case "source":
		return "source"
	case "architecture":
		return "architecture"
	case "priority":
		return "priority"
	case "multi-arch":
		return "multi-arch"
	case "status":
		return "status"
	case "essential":
		return "essential"
	case "important", "protected":
		return "important"
	case "depends":
		return "depends"
	case "pre-depends":
		return "pre-depends"
	case "conflicts":
		return "conflicts"
	case "breaks":
		return "breaks"
	case "replaces":
		return "replaces"
	case "provides":
		return "provides"
	case "recommends":
		return "recommends"
	case "suggests":
		return "suggests"
	case "enhances":
		return "enhances"
	case "phased-update-percentage":
		return "phased-update-percentage"
	case "size":
		return "size"
	case "sha256":
		return "sha256"
	}
	return ""
}

// keep copies v into the arena.
func (p *packageReader) keep(v []byte) string {
	if len(v) == 0 {
		return ""
	}
	if p.borrow {
		return unsafe.String(&v[0], len(v))
	}
	if p.arena.Cap()-p.arena.Len() < len(v) {
		p.arena = strings.Builder{}
		p.arena.Grow(max(arenaSize, len(v)))
	}
	from := p.arena.Len()
	p.arena.Write(v)
	return p.arena.String()[from:]
}

// part returns v as a part of whole, or keeps it.
func (p *packageReader) part(whole string, v []byte) string {
	if p.borrow {
		return p.keep(v)
	}
	// A name stands first in the file's own name, so look from the back.
	if i := strings.LastIndex(whole, string(v)); i >= 0 && len(v) > 0 {
		return whole[i : i+len(v)]
	}
	return p.keep(v)
}

// word keeps v once per index if it is short, as long as there are few
// different ones.
func (p *packageReader) word(v []byte) string {
	if p.borrow || len(v) > 64 {
		return p.keep(v)
	}
	if s, ok := p.known[string(v)]; ok {
		return s
	}
	s := p.keep(v)
	if len(p.known) < 1<<14 {
		p.known[s] = s
	}
	return s
}

func isYes(v []byte) bool { return string(v) == "yes" }
