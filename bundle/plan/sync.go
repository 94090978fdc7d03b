package plan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"satchel/aptmirror/fetch"
	"satchel/manifest"
)

// Mirrors are brought up to date while people read them. Then the release file
// that was read and the indexes that it names do not belong together: the
// indexes are others by now, or are not there yet.

// syncPauses are how long to wait, each time that a mirror seems to be amidst
// this, before it is asked again.
var syncPauses = [...]time.Duration{0, time.Second, 3 * time.Second}

// maxRounds is how often all is read when mirrors change meanwhile.
const maxRounds = 4

// A changedError tells that an archive has another release file than the one
// that was read, so that nothing read by it counts.
type changedError struct {
	top string
	err error // for want of what it was found out
}

func (e *changedError) Error() string {
	return fmt.Sprintf("%s changed while it was being read: %v", fetch.Redact(e.top), e.err)
}

func (e *changedError) Unwrap() error { return e.err }

// rounds does work until it goes through without an archive changing.
func (p *Planner) rounds(work func() (*manifest.Lock, error)) (*manifest.Lock, error) {
	for round := 1; ; round++ {
		lock, err := work()
		var changed *changedError
		switch {
		case !errors.As(err, &changed):
			return lock, err
		case round == maxRounds:
			return nil, fmt.Errorf("%w\nit did so %d times in a row: try again in some minutes, name another mirror with --mirror, or a moment with --snapshot", err, round)
		}
		p.Story(fmt.Sprintf("%s has just been updated: reading all of it again", fetch.Redact(changed.top)))
	}
}

// settled does get, which fetches what a's release file names, and if that
// fails because the mirror is amidst an update, waits a little for it.
func (p *Planner) settled(ctx context.Context, a *archive, get func() error) error {
	err := get()
	if !p.amidst(a, err) {
		return err
	}
	for _, pause := range syncPauses {
		if p.Fetch.Sleep(ctx, pause) != nil {
			return err
		}
		if p.changed(ctx, a) {
			return &changedError{top: a.top, err: err}
		}
		if pause == 0 {
			continue
		}
		if err = get(); !p.amidst(a, err) {
			return err
		}
	}
	return fmt.Errorf("%w\n%s does not have what its own release file names: it is being updated, or is broken. Try again in some minutes, or name another mirror with --mirror",
		err, fetch.Redact(a.top))
}

// amidst tells whether err says that the place of a's release file has other
// files than that names, or lacks them.
func (p *Planner) amidst(a *archive, err error) bool {
	var missing *fetch.MissingError
	if !errors.As(err, &missing) {
		return false
	}
	top := fetch.Redact(a.top) + "/"
	for _, f := range missing.Jobs {
		for _, t := range f.Tried {
			if strings.HasPrefix(t.URL, top) && (t.Absent() || errors.Is(t.Err, manifest.ErrDigest)) {
				return true
			}
		}
	}
	return false
}

// changed tells whether the place of a's release file has another one now. One
// that cannot be had or is not good does not count.
func (p *Planner) changed(ctx context.Context, a *archive) bool {
	f, err := p.releaseAt(ctx, a, a.top)
	if err != nil {
		return false
	}
	for i, name := range f.files {
		blob := manifest.Blob{SHA256: manifest.Sum(f.texts[i]), Size: int64(len(f.texts[i]))}
		if len(a.pin.Release) != len(f.files) || a.pin.Release[i] != (manifest.ArchiveFile{Path: name, Blob: blob}) {
			return true
		}
	}
	return false
}
