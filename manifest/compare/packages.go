package compare

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"

	"satchel/manifest"
)

// packageKey names a package of one target.
type packageKey struct{ target, name, architecture string }

// have is what builders have of each package: version and sum of the newest, once
// for each that has it. Base manifests list whatever lay in apt's cache, older versions,
// too; the newest is the one that was installed.
type have map[packageKey][]owned

type owned struct {
	builder int // by its place among those that were asked about
	deb
}

type deb struct {
	version string
	sum     manifest.Digest
}

// listing tells which builders list the packages of a target at all.
type listing map[string]map[*Statement]bool

func (c *comparison) packagesOf(all []*Statement) (have, listing) {
	h, l := have{}, listing{}
	for i, s := range all {
		for _, base := range s.Result.Base {
			if len(base.Sums) == 0 {
				continue
			}
			if l[base.Target] == nil {
				l[base.Target] = map[*Statement]bool{}
			}
			l[base.Target][s] = true
			for _, sum := range base.Sums {
				name, version, arch := manifest.SplitDebName(sum.Path)
				k := packageKey{base.Target, name, arch}
				has, this := h[k], owned{i, deb{version, sum.SHA256}}
				if last := len(has) - 1; last < 0 || has[last].builder != i {
					h[k] = append(has, this)
				} else if c.order(has[last].version, version) < 0 {
					has[last] = this
				}
			}
		}
	}
	return h, l
}

func packagesKnown(all []*Statement) bool {
	for _, s := range all {
		for _, base := range s.Result.Base {
			if len(base.Sums) > 0 {
				return true
			}
		}
	}
	return false
}

// samePackages reports whether some builder of each side has just the packages
// of one of the other.
func samePackages(ours, theirs []*Statement) bool {
	keys := func(all []*Statement) map[string]bool {
		m := map[string]bool{}
		for _, s := range all {
			m[packagesKey(s.Result.Base)] = true
		}
		return m
	}
	a := keys(ours)
	for k := range keys(theirs) {
		if a[k] {
			return true
		}
	}
	return false
}

// packagesKey is equal for equal sets of packages, in whatever order they are listed
// and however often. It hashes them: there may be thousands, of hundreds of builders.
func packagesKey(all []manifest.BaseManifest) string {
	h := sha256.New()
	for _, base := range all {
		sums := slices.Clone(base.Sums)
		slices.SortFunc(sums, func(a, b manifest.FileSum) int {
			return cmp.Or(bytes.Compare(a.SHA256[:], b.SHA256[:]), strings.Compare(a.Path, b.Path))
		})
		io.WriteString(h, base.Target+"\n")
		for _, s := range slices.Compact(sums) {
			h.Write(s.SHA256[:])
			io.WriteString(h, s.Path+"\n")
		}
		h.Write(make([]byte, sha256.Size)) // no sum, so a target's list has an end
	}
	return string(h.Sum(nil))
}

// otherPackages lists the packages that all of theirs have in a version that
// none of ours has, the likeliest cause first; nil if there is none.
func (c *comparison) otherPackages(ours, theirs []*Statement) *Why {
	if samePackages(ours, theirs) {
		return nil
	}
	a, la := c.packagesOf(ours)
	b, lb := c.packagesOf(theirs)
	var all []PackageDifference
	for k, has := range b {
		if len(la[k.target]) > 0 && apart(a[k], has) && len(has) == len(lb[k.target]) {
			all = append(all, difference(k, a[k], has, len(la[k.target])))
		}
	}
	for k, has := range a { // what all of ours have, and none of theirs
		if b[k] == nil && len(lb[k.target]) > 0 && len(has) == len(la[k.target]) {
			all = append(all, difference(k, has, nil, len(la[k.target])))
		}
	}
	if all == nil {
		return nil
	}
	slices.SortFunc(all, func(x, y PackageDifference) int {
		p, q := classOf(x.Name), classOf(y.Name)
		return cmp.Or(cmp.Compare(p.rank, q.rank), steadyFirst(x, y), cmp.Compare(p.place, q.place),
			strings.Compare(x.Name, y.Name), strings.Compare(x.Target, y.Target), strings.Compare(x.Architecture, y.Architecture))
	})
	return &Why{Cause: OtherPackages, Packages: all, Text: packagesText(all)}
}

// apart reports whether no version of one side is on the other.
func apart(a, b []owned) bool {
	seen := map[deb]bool{}
	for _, v := range a {
		seen[v.deb] = true
	}
	for _, v := range b {
		if seen[v.deb] {
			return false
		}
	}
	return true
}

func difference(k packageKey, ours, theirs []owned, builders int) PackageDifference {
	d := PackageDifference{Target: k.target, Name: k.name, Architecture: k.architecture, Class: classOf(k.name).name,
		Ours: versions(ours), Theirs: versions(theirs)}
	d.Steady = len(ours) == 0 || len(ours) == builders && len(d.Ours) == 1
	return d
}

// versions counts versions, the most common first.
func versions(has []owned) []Version {
	all := []Version{}
	for _, d := range has {
		sum := d.sum.Hex()
		i := slices.IndexFunc(all, func(v Version) bool { return v.Version == d.version && v.SHA256 == sum })
		if i < 0 {
			i = len(all)
			all = append(all, Version{Version: d.version, SHA256: sum})
		}
		all[i].Count++
	}
	slices.SortFunc(all, func(x, y Version) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), strings.Compare(x.Version, y.Version), strings.Compare(x.SHA256, y.SHA256))
	})
	return all
}

func steadyFirst(x, y PackageDifference) int {
	switch {
	case x.Steady == y.Steady:
		return 0
	case x.Steady:
		return -1
	}
	return 1
}

func packagesText(all []PackageDifference) string {
	var names []string
	for _, p := range all {
		if len(names) < 3 && !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	text := fmt.Sprintf("%d packages are in versions that only these builders have; look first at %s", len(all), strings.Join(names, ", "))
	if len(all) == 1 {
		text = fmt.Sprintf("one package is in a version that only these builders have: %s", names[0])
	}
	return text
}
