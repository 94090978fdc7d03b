// Package gather fetches what a lock pins. It decides nothing: a blob may come
// from the store, an older bundle, a folder or any mirror; what counts is its
// hash.
package gather

import (
	"context"
	"fmt"
	"strings"

	"satchel/aptmirror"
	"satchel/aptmirror/fetch"
	"satchel/bundle/source"
	"satchel/bundle/store"
	"satchel/imagestore/pull"
	"satchel/manifest"
)

// Gatherer knows where to look. All fields are needed.
type Gatherer struct {
	Fetch    *fetch.Client
	Store    *store.Store
	Git      source.Options
	Registry pull.Options
	Mirrors  func(pocket aptmirror.Pocket, closed bool) []string
	Progress func(what string) fetch.Progress
	Story    func(line string)
}

// All puts every blob of the lock into the store. What nobody has is in the
// *fetch.MissingError. It can be called again after an interruption: what is
// in the store is not fetched twice.
func (g *Gatherer) All(ctx context.Context, lock *manifest.Lock) error {
	if err := g.sources(ctx, lock); err != nil {
		return err
	}
	if err := g.images(ctx, lock); err != nil {
		return err
	}
	jobs := g.jobs(lock)
	if err := g.Fetch.Fetch(ctx, g.Store, jobs, g.Progress("fetching")); err != nil {
		return fmt.Errorf("gathering: %w", err)
	}
	return g.Store.Flush()
}

// jobs lists every blob with the addresses it may come from. A blob without an
// address can only be in the store already, and is reported as missing if it
// is not.
func (g *Gatherer) jobs(lock *manifest.Lock) []fetch.Job {
	urls := g.addresses(lock)
	var jobs []fetch.Job
	for _, ref := range lock.Blobs() {
		jobs = append(jobs, fetch.Job{Name: ref.Title, URLs: urls[ref.SHA256], Blob: ref.Blob})
	}
	return jobs
}

// addresses says where each blob may be found.
func (g *Gatherer) addresses(lock *manifest.Lock) map[manifest.Digest][]string {
	urls := map[manifest.Digest][]string{}
	top := map[string][]string{} // archive ID → mirrors
	for _, a := range lock.Archives {
		top[a.ID()] = g.Mirrors(aptmirror.Pocket{Archive: a.Name, Suite: a.Suite, Components: a.Components}, closed(lock, a))
		for _, f := range a.Release {
			urls[f.SHA256] = below(top[a.ID()], "dists/"+a.Suite+"/"+f.Path)
		}
		for _, f := range a.Indexes {
			dir := f.Path[:strings.LastIndex(f.Path, "/")+1]
			byHash := "dists/" + a.Suite + "/" + dir + "by-hash/SHA256/" + f.SHA256.Hex()
			urls[f.SHA256] = append(below(top[a.ID()], byHash), below(top[a.ID()], "dists/"+a.Suite+"/"+f.Path)...)
		}
	}
	for _, t := range lock.Targets {
		for _, p := range t.Packages {
			urls[p.SHA256] = below(top[p.Archive], p.Path)
		}
	}
	for _, d := range lock.Descriptors {
		for _, f := range d.Files {
			switch {
			case f.URL != "":
				urls[f.SHA256] = []string{f.URL}
			case f.Archive != "":
				urls[f.SHA256] = below(top[f.Archive], f.Path)
			}
		}
	}
	return urls
}

func below(mirrors []string, path string) []string {
	var list []string
	for _, m := range mirrors {
		list = append(list, strings.TrimSuffix(m, "/")+"/"+path)
	}
	return list
}

// closed tells whether the suite that an archive belongs to has moved to the
// archive of old releases.
func closed(lock *manifest.Lock, a manifest.ArchivePin) bool {
	for _, t := range lock.Targets {
		s, ok := aptmirror.Lookup(t.Distro, t.Suite)
		if !ok {
			continue
		}
		for _, pocket := range s.Pockets {
			if pocket.Archive == a.Name && pocket.Suite == a.Suite {
				return s.Closed
			}
		}
	}
	return false
}

// sources packs the git remotes that the store does not have.
func (g *Gatherer) sources(ctx context.Context, lock *manifest.Lock) error {
	for _, d := range lock.Descriptors {
		for _, s := range d.Sources {
			if g.Store.Has(s.Pack) && g.hasModules(s) {
				continue
			}
			g.Story(fmt.Sprintf("Fetching %s at %s", s.Dir, s.Commit))
			if err := source.Fetch(ctx, s, true, g.Git, g.Store); err != nil {
				return fmt.Errorf("gathering source %s of %s: %w", s.Dir, d.Name, err)
			}
		}
	}
	return nil
}

func (g *Gatherer) hasModules(s manifest.SourcePin) bool {
	for _, m := range s.Submodules {
		if !g.Store.Has(m.Pack) {
			return false
		}
	}
	return true
}

// images pulls the base images that the store does not have from the registry
// that they were locked from.
func (g *Gatherer) images(ctx context.Context, lock *manifest.Lock) error {
	for _, t := range lock.Targets {
		if t.Image.Kind != manifest.ImageOCI || g.hasImage(t.Image) || !strings.Contains(t.Image.From, "@sha256:") {
			continue
		}
		g.Story("Fetching base image " + t.Image.From)
		if err := pull.Fetch(ctx, t.Image, g.Store, g.Registry); err != nil {
			return fmt.Errorf("gathering base image %s: %w", t.Image.From, err)
		}
	}
	return nil
}

func (g *Gatherer) hasImage(m manifest.Image) bool {
	for _, b := range append([]manifest.OCIBlob{*m.Manifest, *m.Config}, m.Layers...) {
		if !g.Store.Has(b.Blob) {
			return false
		}
	}
	return true
}
