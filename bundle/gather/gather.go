// Package gather fetches what a lock pins. It decides nothing: a blob may come
// from the store, an older bundle, a folder or any mirror; what counts is its
// hash.
package gather

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
// *fetch.MissingError, which comes after all else has been done. It can be
// called again after an interruption: what is in the store is not fetched twice. What was fetched
// survives a power cut once the store has been flushed, which may go on beside what comes next.
func (g *Gatherer) All(ctx context.Context, lock *manifest.Lock) error {
	jobs, err := g.jobs(lock)
	if err != nil {
		return err
	}
	return g.fetch(ctx, lock, jobs)
}

// fetch does the jobs; what of the lock is no plain file among them, it gets as it
// must be got: sources by git, images from their registry.
func (g *Gatherer) fetch(ctx context.Context, lock *manifest.Lock, jobs []fetch.Job) error {
	wanted := map[manifest.Digest]bool{}
	for _, j := range jobs {
		wanted[j.Blob.SHA256] = !g.Store.Has(j.Blob)
	}
	failed := failures{}
	if err := g.sources(ctx, lock, wanted, failed); err != nil {
		return err
	}
	if err := g.images(ctx, lock, wanted, failed); err != nil {
		return err
	}
	err := g.Fetch.Fetch(ctx, g.Store, jobs, g.Progress("fetching"))
	var missing *fetch.MissingError
	if errors.As(err, &missing) {
		failed.addTo(missing)
	}
	if err != nil {
		return fmt.Errorf("gathering: %w", err)
	}
	return nil
}

// failures is why blobs that are no plain files could not be had.
type failures map[manifest.Digest]fetch.Attempt

func (f failures) addTo(missing *fetch.MissingError) {
	for i := range missing.Jobs {
		j := &missing.Jobs[i]
		if a, ok := f[j.Job.Blob.SHA256]; ok {
			j.Tried = append(j.Tried, a)
		}
	}
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

// sources packs the git remotes that are wanted. What git cannot get is left to
// be missing; the error is that of ctx.
func (g *Gatherer) sources(ctx context.Context, lock *manifest.Lock, wanted map[manifest.Digest]bool, failed failures) error {
	for _, d := range lock.Descriptors {
		for _, s := range d.Sources {
			packs := []manifest.Blob{s.Pack}
			for _, m := range s.Submodules {
				packs = append(packs, m.Pack)
			}
			if !anyOf(wanted, packs) {
				continue
			}
			g.Story(fmt.Sprintf("Fetching %s at %s", s.Dir, s.Commit))
			if err := source.Fetch(ctx, s, true, g.Git, g.Store); err != nil {
				if ctx.Err() != nil {
					return fmt.Errorf("gathering source %s of %s: %w", s.Dir, d.Name, err)
				}
				failed.add(packs, s.URL, err)
			}
		}
	}
	return nil
}

// images pulls the base images that are wanted from the registry that they were
// locked from.
func (g *Gatherer) images(ctx context.Context, lock *manifest.Lock, wanted map[manifest.Digest]bool, failed failures) error {
	for _, t := range lock.Targets {
		if t.Image.Kind != manifest.ImageOCI || !strings.Contains(t.Image.From, "@sha256:") {
			continue
		}
		var blobs []manifest.Blob
		for _, b := range append([]manifest.OCIBlob{*t.Image.Manifest, *t.Image.Config}, t.Image.Layers...) {
			blobs = append(blobs, b.Blob)
		}
		if !anyOf(wanted, blobs) {
			continue
		}
		g.Story("Fetching base image " + t.Image.From)
		if err := pull.Fetch(ctx, t.Image, g.Store, g.Registry); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("gathering base image %s: %w", t.Image.From, err)
			}
			failed.add(blobs, t.Image.From, err)
		}
	}
	return nil
}

func (f failures) add(blobs []manifest.Blob, from string, err error) {
	for _, b := range blobs {
		f[b.SHA256] = fetch.Attempt{URL: from, Err: err}
	}
}

func anyOf(wanted map[manifest.Digest]bool, blobs []manifest.Blob) bool {
	return slices.ContainsFunc(blobs, func(b manifest.Blob) bool { return wanted[b.SHA256] })
}
