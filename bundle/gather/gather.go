// Package gather fetches what a lock pins. It decides nothing: a blob may come
// from the store, an older bundle, a folder or any mirror; what counts is its
// hash.
package gather

import (
	"context"
	"fmt"
	"strings"
	"time"

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
	Mirrors  aptmirror.Mirrors
	Now      time.Time // no snapshot is asked for what comes after it
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
	jobs, err := g.jobs(lock)
	if err != nil {
		return err
	}
	if err := g.Fetch.Fetch(ctx, g.Store, jobs, g.Progress("fetching")); err != nil {
		return fmt.Errorf("gathering: %w", err)
	}
	return g.Store.Flush()
}

// jobs lists every blob with the addresses it may come from. A blob without an
// address can only be in the store already, and is reported as missing if it
// is not.
func (g *Gatherer) jobs(lock *manifest.Lock) ([]fetch.Job, error) {
	urls, err := g.addresses(lock)
	if err != nil {
		return nil, err
	}
	var jobs []fetch.Job
	for _, ref := range lock.Blobs() {
		jobs = append(jobs, fetch.Job{Name: ref.Title, URLs: urls[ref.SHA256], Blob: ref.Blob})
	}
	return jobs, nil
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
