package plan

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"satchel/aptmirror"
	"satchel/manifest"
)

// maxElsewhere bounds how many finds are told.
const maxElsewhere = 10

// elsewhere adds to the error of a resolution where else there is what no archive
// of the target has: in other components of these archives, in the backports of the
// suite, and in other suites that have been read. It costs their indexes, and only
// when a lock fails anyway; what cannot be had is left out.
func (p *Planner) elsewhere(ctx context.Context, u *universe, suite aptmirror.Suite, native string, err error) error {
	var no *aptmirror.Unresolvable
	if !errors.As(err, &no) || len(no.Lacking) == 0 {
		return err
	}
	var found []string
	note := func(k aptmirror.Package, where string) {
		if slices.ContainsFunc(no.Lacking, func(d aptmirror.Dependency) bool { return d.Name == k.Name && d.Accepts(k.Version) }) {
			found = append(found, fmt.Sprintf("  %s %s is in %s", k.Name, k.Version, where))
		}
	}
	for _, other := range p.universes {
		if other == u {
			continue
		}
		for _, lack := range no.Lacking {
			for _, k := range other.pool.Packages(lack.Name) {
				if a := other.archives[k.Archive].archive; !u.has(a) {
					note(k, a.pin.ID())
				}
			}
		}
	}
	seen := map[*archive]bool{}
	for _, part := range u.archives {
		if a := part.archive; !seen[a] {
			seen[a] = true
			p.components(ctx, a, native, slices.Clone(a.pin.Components), note)
		}
	}
	if a := p.backports(ctx, suite, native); a != nil && !u.has(a) {
		p.components(ctx, a, native, nil, note)
	}
	slices.Sort(found)
	found = slices.Compact(found)
	if len(found) == 0 {
		return err
	}
	if n := len(found) - maxElsewhere; n > 0 {
		found = append(found[:maxElsewhere], fmt.Sprintf("  … and %d more", n))
	}
	return fmt.Errorf("%w\nwhat is not read for this target (an entry of the descriptor's repositories can add it):\n%s", err, strings.Join(found, "\n"))
}

func (u *universe) has(a *archive) bool {
	return slices.ContainsFunc(u.archives, func(o part) bool { return o.archive == a })
}

// backports reads the release file of a suite's backports; nil if nobody has them.
func (p *Planner) backports(ctx context.Context, suite aptmirror.Suite, native string) *archive {
	pocket := suite.PocketsFor(native)[0]
	pocket.Suite += "-backports"
	a, err := p.archive(ctx, pocket, suite, p.Keyring)
	if err != nil {
		return nil
	}
	return a
}

// components tells what an archive has in its components, but for those that are
// left out.
func (p *Planner) components(ctx context.Context, a *archive, native string, but []string, note func(aptmirror.Package, string)) {
	pinned := slices.Clone(a.pin.Indexes)
	defer func() { a.pin.Indexes = pinned }()
	for _, c := range a.release.Components {
		if c = path.Base(c); slices.Contains(but, c) {
			continue
		}
		name, blob, ok := a.release.Index(c, native)
		if !ok {
			continue
		}
		files := []manifest.ArchiveFile{{Path: name, Blob: blob}}
		if p.fetchIndexes(ctx, a, files) != nil {
			continue
		}
		x := index{archive: a, ArchiveFile: files[0]}
		text, err := p.open(x)
		if err != nil {
			continue
		}
		list, err := aptmirror.ReadPackages(x.name(), text, 0)
		text.Close()
		if err != nil {
			continue
		}
		where := a.pin.ID()
		if !slices.Contains(a.pin.Components, c) {
			where = c + " of " + where
		}
		for _, k := range list {
			note(k, where)
		}
	}
}
