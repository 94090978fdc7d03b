package aptmirror

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"satchel/manifest"
)

// maxPackages bounds the stanzas of an index. Debian's largest has 70,000.
const maxPackages = 1 << 20

// arenaSize is how much text shares one allocation.
const arenaSize = 64 << 10

// ReadPackages reads a Packages index, plain, to its end. archive goes into
// every Package. The order and duplicates (several versions, or one version
// twice) are kept. It refuses, with name and line: whatever Stanzas refuses; a
// stanza without a sound Package, Version, Architecture, Filename, Size and
// SHA256; a Filename that leaves the archive; two stanzas that give one
// Filename different bytes. name is for errors only. Format: deb-control(5)
// and Debian's repository format.
//
// Memory: about 350 bytes a package and the text that it keeps. What recurs, and
// what is part of the Filename, is kept once. Debian's main of 50 MB, 63,440
// packages, keeps 37 MB.
func ReadPackages(name string, r io.Reader, archive int) ([]Package, error) {
	var list packageList
	files := make(map[string]*Package)
	err := readAll(name, r, func(p *packageReader, s *Stanza) error {
		pkg, err := list.grow()
		if err != nil {
			return err
		}
		if err := p.read(s, pkg); err != nil {
			return err
		}
		if err := checkIndexed(pkg); err != nil {
			return err
		}
		pkg.Archive = archive
		if first, ok := files[pkg.Filename]; !ok {
			files[pkg.Filename] = pkg
		} else if first.Blob != pkg.Blob {
			return fmt.Errorf("%s has other bytes here than in an earlier stanza (package %s)", pkg.Filename, first.Name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return slices.Concat(list.blocks...), nil
}

// packageList grows without copying.
type packageList struct {
	blocks [][]Package
}

// grow returns a new, empty package of the list.
func (l *packageList) grow() (*Package, error) {
	const block = 1024
	if len(l.blocks) == maxPackages/block {
		return nil, fmt.Errorf("%d packages or more: %w", maxPackages, ErrTooBig)
	}
	last := len(l.blocks) - 1
	if last < 0 || len(l.blocks[last]) == block {
		l.blocks = append(l.blocks, make([]Package, 0, block))
		last++
	}
	l.blocks[last] = append(l.blocks[last], Package{})
	return &l.blocks[last][len(l.blocks[last])-1], nil
}

// ReadStatus reads dpkg's status file to its end: every package that dpkg
// knows a version of, in any state; Package.Status says which. Filename and
// Blob are empty. Packages that were never installed have no version and are
// left out.
func ReadStatus(name string, r io.Reader) ([]Package, error) {
	var pkgs []Package
	err := readAll(name, r, func(p *packageReader, s *Stanza) error {
		var pkg Package
		if err := p.read(s, &pkg); err != nil {
			return err
		}
		if pkg.Status == "" {
			return fmt.Errorf("package %s has no Status", quote(pkg.Name))
		}
		if pkg.Version == "" && strings.HasSuffix(pkg.Status, " not-installed") {
			return checkPackageName(pkg.Name)
		}
		pkg.Filename, pkg.Blob = "", manifest.Blob{}
		if err := checkNamed(&pkg); err != nil {
			return err
		}
		if len(pkgs) == maxPackages {
			return fmt.Errorf("more than %d packages: %w", maxPackages, ErrTooBig)
		}
		pkgs = append(pkgs, pkg)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return pkgs, nil
}

// readAll calls take with every stanza of r; take's errors get name and line.
func readAll(name string, r io.Reader, take func(*packageReader, *Stanza) error) error {
	stanzas := NewStanzas(name, r)
	p := &packageReader{known: make(map[string]string)}
	for {
		s, err := stanzas.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := take(p, s); err != nil {
			return fmt.Errorf("%s:%d: %w", name, s.Line, err)
		}
	}
}

// packageReader turns stanzas into packages. Its strings come from shared
// allocations; words that recur, and what is part of the Filename, are kept
// once.
type packageReader struct {
	arena strings.Builder
	known map[string]string
}

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

// find returns the field of that name, which must be spelled as archives do, or
// nil.
func (s *Stanza) find(name string) *field {
	for i := range s.fields {
		if f := &s.fields[i]; foldEqual(s.text[f.name:f.nameEnd], name) {
			return f
		}
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
	// A name stands first in the file's own name, so look from the back.
	if i := strings.LastIndex(whole, string(v)); i >= 0 && len(v) > 0 {
		return whole[i : i+len(v)]
	}
	return p.keep(v)
}

// word keeps v once per index if it is short, as long as there are few
// different ones.
func (p *packageReader) word(v []byte) string {
	if len(v) > 64 {
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

// parseSize reads a decimal number without sign.
func parseSize(v []byte) (int64, error) {
	if len(v) == 0 || len(v) > 18 || !allDigits(string(v)) {
		return 0, fmt.Errorf("%s is no number of bytes", quoteBytes(v))
	}
	return strconv.ParseInt(string(v), 10, 64)
}

// checkNamed checks what every stanza of a package must have.
func checkNamed(pkg *Package) error {
	if err := checkPackageName(pkg.Name); err != nil {
		return err
	}
	if pkg.Version == "" {
		return fmt.Errorf("package %s has no Version", pkg.Name)
	}
	if err := CheckVersion(pkg.Version); err != nil {
		return fmt.Errorf("package %s: %w", pkg.Name, err)
	}
	if err := checkArchitecture(pkg.Architecture); err != nil {
		return fmt.Errorf("package %s: %w", pkg.Name, err)
	}
	if pkg.SourceVersion != "" {
		if err := CheckVersion(pkg.SourceVersion); err != nil {
			return fmt.Errorf("package %s: reading Source: %w", pkg.Name, err)
		}
	}
	if pkg.Source != "" {
		return checkPackageName(pkg.Source)
	}
	return nil
}

// checkIndexed checks what a stanza of a Packages index must have.
func checkIndexed(pkg *Package) error {
	if err := checkNamed(pkg); err != nil {
		return err
	}
	if err := checkPath(pkg.Filename); err != nil {
		return fmt.Errorf("package %s: reading Filename: %w", pkg.Name, err)
	}
	if pkg.Blob.Size <= 0 {
		return fmt.Errorf("package %s has no Size", pkg.Name)
	}
	if pkg.Blob.SHA256.IsZero() {
		return fmt.Errorf("package %s has no SHA256: this index cannot be trusted", pkg.Name)
	}
	return nil
}

// checkPackageName accepts letters, digits and + - . after a first letter or
// digit: what dpkg accepts but for the underscore, which separates the parts of
// a .deb's file name.
func checkPackageName(s string) error {
	if s == "" {
		return errors.New("a package without a name")
	}
	if len(s) > maxVersion || !isAlnum(s[0]) {
		return fmt.Errorf("%s is no package name", quote(s))
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isAlnum(c) && c != '+' && c != '-' && c != '.' {
			return fmt.Errorf("%s is no package name", quote(s))
		}
	}
	return nil
}

func checkArchitecture(s string) error {
	if s == "" {
		return errors.New("no Architecture is given")
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !(c >= 'a' && c <= 'z' || isDigit(c) || c == '-' && i > 0) || len(s) > 64 {
			return fmt.Errorf("%s is no architecture", quote(s))
		}
	}
	return nil
}

// checkPath accepts a relative, clean, slash-separated path of printable ASCII
// without spaces.
func checkPath(s string) error {
	if s == "" {
		return errors.New("no path is given")
	}
	if len(s) > 1024 {
		return fmt.Errorf("path %s is too long", quote(s))
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c > '~' || c == '\\' {
			return fmt.Errorf("path %s has the character %+q", quote(s), c)
		}
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("path %s is not a clean path below the archive", quote(s))
		}
	}
	return nil
}
