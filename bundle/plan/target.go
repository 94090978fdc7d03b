package plan

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"satchel/aptmirror"
	"satchel/imagestore"
	"satchel/manifest"
)

// target pins the base system and the packages of one build.
func (p *Planner) target(ctx context.Context, r Request, suiteName, arch string) (manifest.Target, error) {
	d := r.Descriptor
	t := manifest.Target{
		Descriptor: d.Name, Distro: d.Distro, Suite: suiteName, Architecture: arch,
		Image: manifest.Image{Kind: manifest.ImageBootstrap}, Packages: []manifest.PackagePin{},
	}
	suite, ok := aptmirror.Lookup(d.Distro, suiteName)
	if !ok {
		return t, fmt.Errorf("%s has no suite %q that satchel knows: it knows %s", d.Distro, suiteName, strings.Join(aptmirror.SuiteNames(d.Distro), " "))
	}
	extra, err := p.repositories(ctx, r)
	if err != nil {
		return t, err
	}
	if r.Assert != nil {
		return t, p.asserted(ctx, r, suite, extra, &t)
	}
	native := t.DpkgArchitecture()
	u, err := p.universe(ctx, suite, append([]string{native}, d.Multiarch...), extra)
	if err != nil {
		return t, err
	}
	wishes := aptmirror.Plan{Essential: true}
	if r.Image == nil {
		t.Image.MergedUsr = suite.MergedUsr
	} else {
		if wishes.Installed, err = p.image(ctx, r, native, &t); err != nil {
			return t, err
		}
		wishes.Essential, wishes.Upgrade = false, true
	}
	base := r.Base
	if base == nil {
		base = suite.BasePackages
	}
	wishes.Steps = []aptmirror.Step{{Why: "base", Wishes: base}, {Why: "asked for", Wishes: d.Packages}}
	for _, repo := range d.Repositories {
		wishes.Steps = append(wishes.Steps, aptmirror.Step{Why: "asked for", Wishes: repo.Packages, Release: repo.Distribution})
	}
	p.Story(fmt.Sprintf("Resolving the packages of %s for %s %s", d.Name, suiteName, arch))
	solution, err := aptmirror.Resolve(u.pool, wishes)
	if err != nil {
		return t, p.elsewhere(ctx, u, suite, native, err)
	}
	if len(solution.Notes) > 0 { // apt-get would install what it matches, often nothing, and go on
		return t, fmt.Errorf("%s; a lock takes packages by name alone", strings.Join(solution.Notes, "; "))
	}
	p.pin(&t, solution, u, wishes.Installed)
	return t, nil
}

// image imports the base system and returns what is installed in it.
func (p *Planner) image(ctx context.Context, r Request, native string, t *manifest.Target) ([]aptmirror.Package, error) {
	img, err := r.Image(ctx, native)
	if err != nil {
		return nil, fmt.Errorf("importing the base image: %w", err)
	}
	t.Image = img
	status, _, _, err := imagestore.Status(ctx, img, p.Store)
	if err != nil {
		return nil, fmt.Errorf("reading what the base image holds: %w", err)
	}
	all, err := aptmirror.ReadStatus(img.From+" var/lib/dpkg/status", bytes.NewReader(status))
	if err != nil {
		return nil, err
	}
	var installed []aptmirror.Package
	for _, k := range all {
		if k.Status == "install ok installed" || k.Status == "hold ok installed" {
			installed = append(installed, k)
		}
	}
	return installed, nil
}

// pin writes a solution into the target.
func (p *Planner) pin(t *manifest.Target, s *aptmirror.Solution, u *universe, installed []aptmirror.Package) {
	type key struct{ name, arch string }
	replaced := map[key]bool{}
	for _, c := range s.Install {
		k := c.Package
		replaced[key{k.Name, k.Architecture}] = true
		t.Packages = append(t.Packages, manifest.PackagePin{
			Name: k.Name, Version: k.Version, Architecture: k.Architecture,
			Archive: u.archives[k.Archive].pin.ID(), Path: k.Filename, Blob: k.Blob, Why: c.Why,
		})
	}
	for _, k := range installed {
		if replaced[key{k.Name, k.Architecture}] {
			continue
		}
		pin := manifest.InstalledPin{Name: k.Name, Version: k.Version, Architecture: k.Architecture}
		if b, ok := u.pool.Blob(k.Name, k.Version, k.Architecture); ok {
			pin.SHA256 = &b.SHA256
		}
		t.Installed = append(t.Installed, pin)
	}
}
