//go:build linux

package guest

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"satchel/aptmirror/deb"
)

// diversion is one of dpkg-divert(1): the name belongs to package by alone,
// every other package's file of that name goes to to.
type diversion struct{ to, by string }

// parseDiversions reads /var/lib/dpkg/diversions: three lines each, the name,
// where it goes, and the package (":" for the administrator).
func parseDiversions(text []byte) (map[string]diversion, error) {
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(text) == 0 {
		return nil, nil
	}
	if len(lines)%3 != 0 {
		return nil, fmt.Errorf("reading diversions: %d lines are not threes", len(lines))
	}
	m := make(map[string]diversion)
	for i := 0; i < len(lines); i += 3 {
		m[strings.TrimPrefix(lines[i], "/")] = diversion{strings.TrimPrefix(lines[i+1], "/"), lines[i+2]}
	}
	return m, nil
}

// claim decides whether s may have name, which is no directory, and notes it.
// keep is false when the owner so far says that it replaces s.
func (p *placer) claim(s *staged, e *entry, name string) (keep bool, err error) {
	old := p.owner[name]
	switch {
	case old == nil:
	case old.by == s:
		return false, fmt.Errorf("it holds %q twice, because of a diversion", clip(name, 200))
	case replaces(s, old.by):
		p.disown(old.by, old.entry.name)
	case replaces(old.by, s):
		return false, nil
	case shareable(s, old.by):
		same, err := p.same(e, name)
		if err != nil {
			return false, err
		}
		if !same {
			return false, fmt.Errorf("shared file %q differs from that of %s", clip(name, 200), old.by.label())
		}
	default:
		return false, fmt.Errorf("file %q is also in package %s", clip(name, 200), old.by.label())
	}
	p.owner[name] = &claim{s, e}
	return true, nil
}

// disown takes a name from the list of a package that has been placed.
func (p *placer) disown(s *staged, name string) {
	for i := range s.entries {
		if s.entries[i].name == name && s.entries[i].kind != tar.TypeDir {
			s.entries = append(s.entries[:i:i], s.entries[i+1:]...)
			p.stale[s] = true
			return
		}
	}
}

// relist writes the lists of packages anew that have lost files to others.
func (p *placer) relist() error {
	for _, s := range p.packages {
		if p.stale[s] {
			if err := recordList(p.tree, s); err != nil {
				return err
			}
		}
	}
	clear(p.stale)
	return nil
}

// shareable tells whether two packages are one package in two architectures.
func shareable(a, b *staged) bool {
	return a.Name == b.Name && a.Version == b.Version && isMultiArchSame(a.control) && isMultiArchSame(b.control)
}

func isMultiArchSame(c *deb.Control) bool { return c.Get("Multi-Arch") == "same" }

// same compares an entry with the file that is there.
func (p *placer) same(e *entry, name string) (bool, error) {
	where, err := p.tree.locate(name)
	if err != nil {
		return false, err
	}
	at := p.tree.at(where)
	st, err := os.Lstat(at)
	if c := p.owner[name]; p.conffiles[c.by](c.entry.name) {
		// It has its own name once its package, of an earlier wave, is configured.
		if fresh, e := os.Lstat(at + newSuffix); e == nil {
			at, st, err = at+newSuffix, fresh, nil
		} else if !errors.Is(e, os.ErrNotExist) {
			err = e
		}
	}
	if err != nil {
		return false, err
	}
	switch {
	case e.kind == tar.TypeSymlink && st.Mode()&os.ModeSymlink != 0:
		target, err := os.Readlink(at)
		return target == e.link, err
	case e.kind == tar.TypeLink:
		return st.Mode().IsRegular(), nil
	case e.kind != tar.TypeReg || !st.Mode().IsRegular():
		return false, nil
	}
	return sameContent(at, e.content)
}

// sameContent compares two files.
func sameContent(a, b string) (bool, error) {
	x, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer x.Close()
	y, err := os.Open(b)
	if err != nil {
		return false, err
	}
	defer y.Close()
	p, q := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(x, p)
		m, other := io.ReadFull(y, q)
		if !bytes.Equal(p[:n], q[:m]) {
			return false, nil
		}
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return true, nil
		case err != nil:
			return false, err
		case other != nil:
			return false, other
		}
	}
}

// replaces tells whether a's Replaces names b in b's version, or what b
// provides without a version.
func replaces(a, b *staged) bool {
	if a.Name == b.Name {
		return false
	}
	for clause := range strings.SplitSeq(a.control.Get("Replaces"), ",") {
		r, err := parseRelation(clause)
		if err == nil && r.name == b.Name && r.admits(b.Version) {
			return true
		}
	}
	return false
}
