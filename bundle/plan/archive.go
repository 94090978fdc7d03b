package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
func (p *Planner) pockets(ctx context.Context, suite aptmirror.Suite, arches []string) ([]*archive, error) {
	list := suite.PocketsFor(arches...)
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
