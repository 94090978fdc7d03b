package source

import (
	"context"
	"errors"
	"fmt"

	"satchel/bundle/source/pack"
	"satchel/manifest"
)

// ErrOtherPack is wrapped when a pinned commit was found, but packs into other
// bytes than the pin says: another release of satchel made the pin.
var ErrOtherPack = errors.New("packing it gives other bytes than the lock pins")

// Fetch makes the packs of a pin again and stores them, its submodules' too.
// It asks for the pinned commits and the tag object by their own names; refs
// are not resolved, so that it does not matter where a branch or tag of the
// remote stands by now. local says that paths and file:// may be used, as
// Remote.Local does. It errs unless all packs are the pinned ones.
func Fetch(ctx context.Context, pin manifest.SourcePin, local bool, opts Options, out Store) error {
	l := &locker{opts: opts, out: out}
	if err := l.pinned(ctx, pin.URL, local, pin.Commit, pin.Tag, pin.Pack); err != nil {
		return fmt.Errorf("fetching source %s: %w", pin.Dir, err)
	}
	for _, s := range pin.Submodules {
		if err := l.pinned(ctx, s.URL, local, s.Commit, "", s.Pack); err != nil {
			return fmt.Errorf("fetching source %s, submodule %.200q: %w", pin.Dir, s.Path, err)
		}
	}
	return nil
}

func (l *locker) pinned(ctx context.Context, url string, local bool, commit, tag string, want manifest.Blob) error {
	r := resolved{}
	var err error
	if r.commit, err = pack.ParseID(commit); err != nil {
		return err
	}
	tip := r.commit
	if tag != "" {
		if tip, err = pack.ParseID(tag); err != nil {
			return err
		}
		r.tag = &tip
	}
	got, err := l.fetch(ctx, url, local, func(g *repository, url string) (resolved, error) {
		if err := g.fetchCommit(ctx, url, tip); err != nil {
			return r, err
		}
		if at, err := g.parse(ctx, tip.String()+"^{commit}"); err != nil || at != r.commit {
			return r, errors.Join(fmt.Errorf("tag %s does not lead to commit %s: %w", tag, commit, ErrRefused), err)
		}
		return r, nil
	})
	if err != nil {
		return err
	}
	if got.pack != want {
		return fmt.Errorf("commit %s: %w", commit, ErrOtherPack)
	}
	return nil
}
