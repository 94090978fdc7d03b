package manifest

import (
	"fmt"
	"slices"
	"strings"
)

// DebSum is a package that a base manifest lists.
type DebSum struct {
	Name, Version, Architecture string
	SHA256                      Digest
}

// File is its line's name.
func (d DebSum) File() string { return DebName(d.Name, d.Version, d.Architecture) }

// NoListError says that a result does not list the packages of a target.
type NoListError struct {
	Target string
	Has    []string
}

func (e *NoListError) Error() string {
	return fmt.Sprintf("it has no list of packages for %s: it has %q", e.Target, e.Has)
}

// Debs lists the packages that were installed for a target, SUITE-ARCHITECTURE,
// by name and architecture. Base manifests list whatever lay in apt's cache: of
// several versions of a package the newest, by order, counts; older are the
// others' files. Lines of apt and sudo are passed over. What is no name of a
// package, and two hashes of one name, are errors. In the form of 2011, with one
// list without a name, that list is every target's.
func (r *Result) Debs(target string, order func(a, b string) int) (debs []DebSum, older []string, err error) {
	i := slices.IndexFunc(r.Base, func(b BaseManifest) bool { return b.Target == target || len(r.Base) == 1 && b.Target == oneBase })
	if i < 0 {
		e := &NoListError{Target: target, Has: []string{}}
		for _, b := range r.Base {
			e.Has = append(e.Has, shorten(b.Target))
		}
		return nil, nil, e
	}
	type key struct{ name, arch string }
	newest := map[key]DebSum{}
	for _, s := range r.Base[i].Sums {
		d := DebSum{SHA256: s.SHA256}
		d.Name, d.Version, d.Architecture = SplitDebName(strings.TrimPrefix(s.Path, "./"))
		if !packageName(d.Name) || !packageVersion(d.Version) || !architecture(d.Architecture) {
			return nil, nil, fmt.Errorf("%q in the list of %s is no name of a package's file: want NAME_VERSION_ARCHITECTURE.deb", shorten(s.Path), target)
		}
		k := key{d.Name, d.Architecture}
		old, twice := newest[k]
		c := order(d.Version, old.Version)
		switch {
		case !twice || c > 0:
			newest[k] = d
			if twice {
				older = append(older, old.File())
			}
		case c < 0:
			older = append(older, d.File())
		case old.SHA256 != d.SHA256:
			return nil, nil, fmt.Errorf("%q stands twice in the list of %s, with two hashes", shorten(s.Path), target)
		}
	}
	for _, d := range newest {
		debs = append(debs, d)
	}
	slices.SortFunc(debs, func(a, b DebSum) int { return comparePairs(a.Name, a.Architecture, b.Name, b.Architecture) })
	slices.Sort(older)
	return debs, older, nil
}
