package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"satchel/aptmirror"
	"satchel/aptmirror/fetch"
	"satchel/manifest"
)

// A MismatchError says that an assert is about something else than what is locked.
type MismatchError struct{ What string }

func (e *MismatchError) Error() string { return "the assert is of something else: " + e.What }

// assertedDeb is a package that an assert lists, and what it was found to be.
type assertedDeb struct {
	manifest.DebSum
	aptmirror.Package        // Filename is where the archive has it, or would have
	archive           string // ID
	listed            bool   // by an index
}

// asserted pins the packages of a target to those that an assert lists. Where an
// index has a package with the very hash, the archive vouches for it; the others
// are looked for where they were, and the assert alone vouches for them.
func (p *Planner) asserted(ctx context.Context, r Request, suite aptmirror.Suite, extra []part, t *manifest.Target) error {
	name, native := t.Suite+"-"+t.Architecture, t.DpkgArchitecture()
	t.Image.MergedUsr = suite.MergedUsr
	debs, older, err := r.Assert.Debs(name, aptmirror.CompareVersions)
	var none *manifest.NoListError
	switch {
	case errors.As(err, &none):
		return &MismatchError{What: err.Error()}
	case err != nil:
		return fmt.Errorf("reading the assert: %w", err)
	case len(debs) == 0:
		return &MismatchError{What: "it lists no package of " + name}
	}
	arches := append([]string{native}, r.Descriptor.Multiarch...)
	for _, d := range debs {
		if d.Architecture != "all" && !slices.Contains(arches, d.Architecture) {
			return &MismatchError{What: fmt.Sprintf("it lists %s, and the descriptor has no multiarch %s", d.File(), d.Architecture)}
		}
	}
	p.tellOlder(name, older)
	u, err := p.universeOrNone(ctx, suite, arches, extra)
	if err != nil {
		return err
	}
	found, err := p.locate(ctx, r, suite, u, name, debs)
	if err != nil {
		return err
	}
	return p.pinAsserted(ctx, r, u, arches, found, t)
}

// tellOlder says what of a base manifest was not taken.
func (p *Planner) tellOlder(target string, older []string) {
	if len(older) > 0 {
		p.Story(fmt.Sprintf("%s: the assert lists %d older files, too, which lay in a cache; the newest count (left out: %s)",
			target, len(older), strings.Join(older[:min(len(older), 5)], " ")))
	}
}

// universeOrNone reads the archives of a suite. If they cannot be had, that is
// found out once, with all patience, and not again for each architecture.
func (p *Planner) universeOrNone(ctx context.Context, suite aptmirror.Suite, arches []string, extra []part) (*universe, error) {
	var key strings.Builder
	for _, pocket := range suite.PocketsFor(arches...) {
		key.WriteString(pocket.Archive + "/" + pocket.Suite + " ")
	}
	for _, e := range extra {
		key.WriteString(e.key() + " ")
	}
	err := p.lost[key.String()]
	if err == nil {
		var u *universe
		if u, err = p.universe(ctx, suite, arches, extra); err == nil {
			return u, nil
		}
		p.lost[key.String()] = err
	}
	return p.withoutArchives(ctx, suite, err)
}

// withoutArchives goes on, if that was asked for, when the archives of a suite
// cannot be had, or are signed in a way that proves nothing any more, as Ubuntu's of
// 2012 are. A bad signature is something else.
func (p *Planner) withoutArchives(ctx context.Context, suite aptmirror.Suite, err error) (*universe, error) {
	var missing *fetch.MissingError
	if ctx.Err() != nil || !errors.As(err, &missing) && !errors.Is(err, aptmirror.ErrWeakSignature) {
		return nil, err
	}
	if !p.TrustAssert {
		return nil, fmt.Errorf("%w\nno archive of %s %s can vouch for what the assert lists; --trust-assert goes on with whoever signed it as the only one who does, and the lock says so",
			err, suite.Distro, suite.Name)
	}
	p.Story(fmt.Sprintf("No archive of %s %s can vouch for packages, the assert alone does: %s", suite.Distro, suite.Name, oneLine(err, missing)))
	return &universe{unreached: missing}, nil
}

// oneLine is an error in a line: of a file that nobody gave, the last answer.
func oneLine(err error, missing *fetch.MissingError) string {
	if missing != nil && len(missing.Jobs) > 0 {
		if f := missing.Jobs[0]; len(f.Tried) > 0 {
			last := f.Tried[len(f.Tried)-1]
			err = fmt.Errorf("%s: %s: %w", f.Job.Name, last.URL, last.Err)
		}
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}

// pinAsserted proves that the packages fit together, with nothing missing, and
// pins them.
func (p *Planner) pinAsserted(ctx context.Context, r Request, u *universe, arches []string, found []assertedDeb, t *manifest.Target) error {
	solution, err := p.complete(ctx, u, arches, found)
	if err != nil {
		return fmt.Errorf("the packages that the assert lists do not make a system: %w", err)
	}
	set := map[string]assertedDeb{}
	for _, d := range found {
		set[d.DebSum.File()] = d
	}
	var lacking []string
	vouched := 0
	for _, c := range solution.Install {
		k := c.Package
		d, ok := set[manifest.DebName(k.Name, k.Version, k.Architecture)]
		pin := manifest.PackagePin{Name: k.Name, Version: k.Version, Architecture: k.Architecture, Path: k.Filename, Blob: k.Blob, Why: c.Why}
		switch {
		case !ok && k.Archive >= len(u.archives):
			return fmt.Errorf("the assert does not list %s", k.Name)
		case !ok:
			lacking = append(lacking, k.Name+" "+k.Version)
			pin.Archive = u.archives[k.Archive].pin.ID()
		default:
			delete(set, d.DebSum.File())
			pin.Archive, pin.Path, pin.Blob, pin.Why = d.archive, d.Filename, d.Blob, whyAsserted(r, d.Package)
			if !d.listed {
				pin.Vouched = manifest.VouchedByAssert
				vouched++
			}
		}
		t.Packages = append(t.Packages, pin)
	}
	for file := range set { // the resolver would have to remove it
		return fmt.Errorf("the packages that the assert lists do not make a system: %s cannot be there beside the others", file)
	}
	if len(lacking) > 0 && !r.FillIn {
		return fmt.Errorf("the assert lists %d packages, which need %d more: %s; --fill-in takes them from the archives as they are now, and the lock shows which",
			len(found), len(lacking), strings.Join(lacking, ", "))
	}
	p.Story(fmt.Sprintf("%s-%s: %d packages of the assert; the archives list %d of them, the assert alone vouches for %d; %d are filled in",
		t.Suite, t.Architecture, len(found), len(found)-vouched, vouched, len(lacking)))
	return nil
}

// whyAsserted is why a package is here, beside that the assert lists it.
func whyAsserted(r Request, k aptmirror.Package) string {
	switch {
	case k.Essential:
		return "essential"
	case slices.Contains(r.Descriptor.Packages, k.Name):
		return "asked for"
	}
	return "assert"
}

// complete resolves the listed packages, at their versions, with whatever they
// need besides, and the Essential packages that they lack.
func (p *Planner) complete(ctx context.Context, u *universe, arches []string, found []assertedDeb) (*aptmirror.Solution, error) {
	var infos []aptmirror.ArchiveInfo
	for _, a := range u.archives {
		infos = append(infos, a.info())
	}
	builder, err := aptmirror.NewPoolBuilder(arches[0], arches[1:], append(infos, aptmirror.ArchiveInfo{}), 0, nil)
	if err != nil {
		return nil, err
	}
	if err := p.read(ctx, builder, u.indexes); err != nil {
		return nil, err
	}
	plan := aptmirror.Plan{Steps: make([]aptmirror.Step, 2)}
	there := map[string]bool{}
	for _, d := range found {
		k := d.Package
		if k.Archive = len(u.archives); !d.listed {
			if err := builder.Add(&k); err != nil {
				return nil, err
			}
		}
		there[k.Name] = true
		wish := k.Name
		if k.Architecture != "all" && k.Architecture != arches[0] {
			wish += ":" + k.Architecture
		}
		plan.Steps[0].Wishes = append(plan.Steps[0].Wishes, wish+"="+k.Version)
	}
	pool, err := builder.Build()
	if err != nil {
		return nil, err
	}
	plan.Steps[1].Why = "essential"
	for _, name := range pool.Essentials() {
		if !there[name] {
			plan.Steps[1].Wishes = append(plan.Steps[1].Wishes, name)
		}
	}
	return aptmirror.Resolve(pool, plan)
}

// readDeb reads what a stored package says of itself, which must be what its
// line in the assert says.
func (p *Planner) readDeb(d manifest.DebSum, filename string, b manifest.Blob) (aptmirror.Package, error) {
	f, err := p.Store.File(b)
	if err != nil {
		return aptmirror.Package{}, fmt.Errorf("reading %s: %w", d.File(), err)
	}
	defer f.Close()
	k, err := aptmirror.ReadDeb(d.File(), f, filename, b)
	if err == nil && (k.Name != d.Name || k.Version != d.Version || k.Architecture != d.Architecture) {
		err = fmt.Errorf("reading %s, which the assert lists: it is %s", d.File(), manifest.DebName(k.Name, k.Version, k.Architecture))
	}
	return k, err
}

// errNoBytes is the answer of a search without addresses.
var errNoBytes = errors.New("no address is known for it")
