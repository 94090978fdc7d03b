package plan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"satchel/aptmirror"
	"satchel/aptmirror/fetch"
	"satchel/manifest"
)

// archive is one suite as it was found.
type archive struct {
	pin     manifest.ArchivePin
	pocket  aptmirror.Pocket
	suite   aptmirror.Suite // that the pocket is of
	keys    *aptmirror.Keyring
	top     string // whence its release file came
	release *aptmirror.Release
	weak    *aptmirror.WeakReleaseError // whose it is, if nil is not
	used    bool                        // the lock refers to it
}

// pockets reads the release files of all pockets of a suite, side by side:
// each costs a mirror's round trip and little else. A pocket that a closed suite
// may lack is left out if nobody has it.
func (p *Planner) pockets(ctx context.Context, suite aptmirror.Suite, native string) ([]*archive, error) {
	list := suite.PocketsFor(native)
	found := make([]*archive, len(list))
	g, gctx := errgroup.WithContext(ctx)
	for i, pocket := range list {
		g.Go(func() error {
			a, err := p.archive(gctx, pocket, suite, p.Keyring)
			var missing *fetch.MissingError
			if pocket.Optional && errors.As(err, &missing) && missing.NotFound() {
				return nil
			}
			if err != nil {
				return err
			}
			found[i] = a
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(a *archive) bool { return a == nil }), nil
}

// archive reads the release file of a pocket, once, however many of its
// components are wanted.
func (p *Planner) archive(ctx context.Context, pocket aptmirror.Pocket, suite aptmirror.Suite, keys *aptmirror.Keyring) (*archive, error) {
	a := &archive{pocket: pocket, suite: suite, keys: keys}
	a.pin = manifest.ArchivePin{Name: pocket.Archive, Suite: pocket.Suite, URI: pocket.URI, Components: slices.Clone(pocket.Components)}
	p.mu.Lock()
	old, ok := p.suites[a.pin.ID()]
	if ok {
		for _, c := range pocket.Components {
			if !slices.Contains(old.pin.Components, c) {
				old.pin.Components = append(old.pin.Components, c)
			}
		}
	}
	p.mu.Unlock()
	if ok {
		return old, nil
	}
	if err := p.readRelease(ctx, a); err != nil {
		return nil, fmt.Errorf("reading archive %s: %w", a.pin.ID(), err)
	}
	p.mu.Lock()
	p.suites[a.pin.ID()] = a
	p.mu.Unlock()
	return a, nil
}

// load reads the Packages indexes of some architectures, the native one first,
// in the order in which apt reads them: apt breaks ties by it. It fetches them
// first.
func (p *Planner) load(ctx context.Context, a part, arches []string, number int) ([]aptmirror.Package, error) {
	var files []manifest.ArchiveFile
	wanted := arches
	if arches = a.narrow(wanted); len(arches) == 0 {
		return nil, fmt.Errorf("reading archive %s: it has no packages for %s", a.pin.ID(), strings.Join(wanted, ", "))
	}
	if a.release.NeedsAll() {
		arches = append(slices.Clone(arches), "all")
	}
	for _, c := range a.components {
		for _, one := range arches {
			if err := p.strengthen(ctx, a.archive, c, one); err != nil {
				return nil, err
			}
			path, blob, ok := a.release.Index(c, one)
			if !ok {
				return nil, fmt.Errorf("reading archive %s: it has no packages of %s for %s", a.pin.ID(), c, one)
			}
			files = append(files, manifest.ArchiveFile{Path: path, Blob: blob})
		}
	}
	if err := p.fetchIndexes(ctx, a.archive, files); err != nil {
		return nil, err
	}
	var all []aptmirror.Package
	for _, f := range files {
		list, err := p.readIndex(f, a.archive, number)
		if err != nil {
			return nil, fmt.Errorf("reading archive %s: %w", a.pin.ID(), err)
		}
		all = append(all, list...)
	}
	return all, nil
}

// fetchIndexes puts index files into the store and pins them.
func (p *Planner) fetchIndexes(ctx context.Context, a *archive, files []manifest.ArchiveFile) error {
	var jobs []fetch.Job
	for _, f := range files {
		jobs = append(jobs, fetch.Job{Name: a.pin.ID() + " " + f.Path, URLs: p.indexURLs(a, f), Blob: f.Blob})
	}
	err := p.settled(ctx, a, func() error { return p.Fetch.Fetch(ctx, p.Store, jobs, p.Progress("indexes")) })
	if err != nil {
		return fmt.Errorf("fetching the indexes of %s: %w", a.pin.ID(), err)
	}
	for _, f := range files {
		if !slices.Contains(a.pin.Indexes, f) {
			a.pin.Indexes = append(a.pin.Indexes, f)
		}
	}
	return nil
}

// indexURLs prefers by-hash, which a mirror that is being updated still has.
func (p *Planner) indexURLs(a *archive, f manifest.ArchiveFile) []string {
	plain := p.urls(a, f.Path)
	if !a.release.AcquireByHash {
		return plain
	}
	return append(p.urls(a, a.release.ByHash(f.Path)), plain...)
}

func (p *Planner) readIndex(f manifest.ArchiveFile, a *archive, number int) ([]aptmirror.Package, error) {
	raw, err := p.Store.Open(f.Blob)
	if err != nil {
		return nil, err
	}
	defer raw.Close()
	text, err := aptmirror.Decompress(f.Path, raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	defer text.Close()
	var plain io.Reader = text
	if b, ok := a.release.Plain(f.Path); ok {
		plain = b.Verify(text) // bounds what a decoder gives, too
	}
	return aptmirror.ReadPackages(a.pin.ID()+" "+f.Path, plain, number)
}
