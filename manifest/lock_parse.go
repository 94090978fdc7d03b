package manifest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// ParseLock reads a lock in any YAML formatting and refuses whatever the format
// does not name, whatever is missing and whatever Validate refuses. The error
// is a *Problems that names all that is wrong. file is used in messages alone.
func ParseLock(file string, data []byte) (*Lock, error) {
	root, err := readNode(file, data, maxLock, true)
	if err != nil {
		return nil, err
	}
	r := &strictReader{walker: walker{findings: newFindings(file, data)}, lines: map[string]int{}}
	var l Lock
	r.value(root, "", reflect.ValueOf(&l).Elem())
	if err := r.err(); err != nil {
		return nil, err
	}
	v := &lockChecker{}
	v.lock(&l)
	for _, p := range v.list {
		r.add(r.line(p.path), "%s", p.String())
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return &l, nil
}

// Validate tells everything that keeps l from being a lock: a wrong version,
// anything unpinned, listed twice, out of order or pointing nowhere, and names,
// paths, versions, dates and sizes that nothing honest has.
func (l *Lock) Validate() error {
	v := &lockChecker{}
	v.lock(l)
	if len(v.list) == 0 {
		return nil
	}
	f := &findings{file: "lock"}
	for _, p := range v.list {
		f.add(0, "%s", p.String())
	}
	return f.err()
}

// Marshal validates l and writes it in its canonical form: equal plans are equal
// bytes, and what ParseLock reads from them is l again.
func (l *Lock) Marshal() ([]byte, error) {
	if err := l.Validate(); err != nil {
		return nil, fmt.Errorf("writing lock: %w", err)
	}
	var e emitter
	if err := e.structure(reflect.ValueOf(*l), 0, false); err != nil {
		return nil, fmt.Errorf("writing lock: %w", err)
	}
	if e.Len() > maxLock {
		return nil, fmt.Errorf("writing lock: it has %d bytes, more than the %d that are read", e.Len(), maxLock)
	}
	return e.Bytes(), nil
}

// Sort puts every list of l into the order that its field promises. Targets of
// one descriptor, sources, files and image layers keep the order they have.
func (l *Lock) Sort() {
	slices.SortStableFunc(l.Descriptors, func(a, b DescriptorPin) int { return strings.Compare(a.Name, b.Name) })
	for i := range l.Descriptors {
		for j := range l.Descriptors[i].Sources {
			slices.SortStableFunc(l.Descriptors[i].Sources[j].Submodules, func(a, b SubmodulePin) int { return strings.Compare(a.Path, b.Path) })
		}
	}
	slices.SortStableFunc(l.Archives, func(a, b ArchivePin) int { return strings.Compare(a.ID(), b.ID()) })
	for i := range l.Archives {
		a := &l.Archives[i]
		slices.Sort(a.Components)
		slices.Sort(a.SignedBy)
		slices.Sort(a.Waived)
		byPath := func(a, b ArchiveFile) int { return strings.Compare(a.Path, b.Path) }
		slices.SortStableFunc(a.Release, byPath)
		slices.SortStableFunc(a.Indexes, byPath)
	}
	slices.SortStableFunc(l.Targets, func(a, b Target) int { return strings.Compare(a.Descriptor, b.Descriptor) })
	for i := range l.Targets {
		slices.SortStableFunc(l.Targets[i].Packages, func(a, b PackagePin) int {
			return comparePairs(a.Name, a.Architecture, b.Name, b.Architecture)
		})
		slices.SortStableFunc(l.Targets[i].Installed, func(a, b InstalledPin) int {
			return comparePairs(a.Name, a.Architecture, b.Name, b.Architecture)
		})
	}
}

func comparePairs(a1, a2, b1, b2 string) int {
	if c := strings.Compare(a1, b1); c != 0 {
		return c
	}
	return strings.Compare(a2, b2)
}
