package plan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"satchel/aptmirror"
	"satchel/aptmirror/fetch"
	"satchel/manifest"
)

// maxRelease bounds an InRelease file, in bytes; Debian's are 150 kB.
const maxRelease = 16 << 20

// readRelease takes the release file of an archive from the first place that
// has a good one: well signed, of the right suite, and of the right time. A
// place without one, or with another, only leads to the next. If nobody has
// one at all, the error is a *fetch.MissingError.
func (p *Planner) readRelease(ctx context.Context, a *archive) error {
	missing := &fetch.MissingError{Jobs: []fetch.Failure{{Job: fetch.Job{Name: a.pin.ID() + " InRelease"}}}, Of: 1}
	var refused []error
	for _, top := range p.tops(a) {
		found, err := p.releaseAt(ctx, a, top)
		var gone *fetch.MissingError
		switch {
		case err == nil:
			for _, r := range refused {
				p.Story(fmt.Sprintf("%s: %v", a.pin.ID(), r))
			}
			a.top, a.release, a.weak = top, found.release, found.weak
			return p.pinRelease(ctx, a, found)
		case ctx.Err() != nil:
			return err
		case errors.As(err, &gone):
			missing.Jobs[0].Tried = append(missing.Jobs[0].Tried, gone.Jobs[0].Tried...)
			for _, t := range gone.Jobs[0].Tried {
				missing.Jobs[0].Job.URLs = append(missing.Jobs[0].Job.URLs, t.URL)
			}
		default:
			refused = append(refused, fmt.Errorf("the release file at %s is not taken: %w", fetch.Redact(top), err))
		}
	}
	if len(refused) == 0 {
		return missing
	}
	if len(missing.Jobs[0].Tried) > 0 { // it is not what is missing that makes this fail
		refused = append(refused, errors.New(missing.Error()))
	}
	return errors.Join(refused...)
}

// tops are the places that may have the release file that is wanted: at a moment,
// a snapshot service alone can tell.
func (p *Planner) tops(a *archive) []string {
	if p.Snapshot.IsZero() {
		return p.Mirrors.Current(a.pocket, a.suite.Closed)
	}
	return p.Mirrors.Snapshots(a.pocket.Archive, p.Snapshot)
}

// foundRelease is a release file as a place has it.
type foundRelease struct {
	release *aptmirror.Release
	weak    *aptmirror.WeakReleaseError // release is its, if it has no SHA-256
	signers []aptmirror.Signer
	waived  []manifest.Waiver
	files   []string // InRelease; or Release, Release.gpg
	texts   [][]byte // of files
}

// releaseAt fetches and checks InRelease, or Release and Release.gpg where there
// is no InRelease: it is younger than some suites. A file of an earlier run that
// the server says is still the one, and that is not good any more, is fetched
// anew: it may be the server that is wrong.
func (p *Planner) releaseAt(ctx context.Context, a *archive, top string) (foundRelease, error) {
	url := top + "/dists/" + a.pin.Suite + "/InRelease"
	f, again, err := p.inRelease(ctx, a, url, false)
	if again && err != nil {
		f, _, err = p.inRelease(ctx, a, url, true)
	}
	var gone *fetch.MissingError
	if !errors.As(err, &gone) || !gone.NotFound() {
		return f, err
	}
	f, e := p.detachedAt(ctx, a, strings.TrimSuffix(url, "InRelease"))
	if errors.As(e, new(*fetch.MissingError)) {
		e = err // that of InRelease: it is what one looks for
	}
	return f, e
}

// inRelease fetches and checks InRelease, and tells whether it is that of an
// earlier run again.
func (p *Planner) inRelease(ctx context.Context, a *archive, url string, anew bool) (f foundRelease, again bool, err error) {
	text, meta, err := p.getRelease(ctx, url, anew)
	if err != nil {
		return f, false, err
	}
	f = foundRelease{files: []string{"InRelease"}, texts: [][]byte{text}}
	err = p.verified(a, &f, func(k *aptmirror.Keyring) (*aptmirror.Release, []aptmirror.Signer, error) {
		return k.VerifyInRelease(text, p.Now)
	})
	if err == nil {
		f.waived, err = p.judge(a, f)
	}
	if err != nil {
		return f, meta.NotModified, err
	}
	if err := p.remember(meta, text); err != nil {
		p.Story(fmt.Sprintf("not noting for the next time what %s gave: %v", fetch.Redact(url), err))
	}
	return f, meta.NotModified, nil
}

// detachedAt fetches and checks Release and Release.gpg. When they do not belong
// together, the one may be older than the other: they are read again.
func (p *Planner) detachedAt(ctx context.Context, a *archive, dir string) (f foundRelease, err error) {
	for range maxRounds {
		f = foundRelease{files: []string{"Release", "Release.gpg"}}
		for _, name := range f.files {
			text, _, err := p.Fetch.Get(ctx, []string{dir + name}, maxRelease, fetch.Conditional{})
			if err != nil {
				return f, err
			}
			f.texts = append(f.texts, text)
		}
		err = p.verified(a, &f, func(k *aptmirror.Keyring) (*aptmirror.Release, []aptmirror.Signer, error) {
			return k.VerifyRelease(f.texts[0], f.texts[1], p.Now)
		})
		if err == nil {
			f.waived, err = p.judge(a, f)
			return f, err
		}
		now, _, e := p.Fetch.Get(ctx, []string{dir + "Release"}, maxRelease, fetch.Conditional{})
		if e != nil || bytes.Equal(now, f.texts[0]) {
			break
		}
	}
	return f, err
}

// judge tells whether a release file that is well signed is the one that is
// looked for, and what about it is overlooked.
func (p *Planner) judge(a *archive, f foundRelease) ([]manifest.Waiver, error) {
	if err := checkSuite(a.pin.Suite, f.release); err != nil {
		return nil, err
	}
	if err := p.checkSigner(a.suite, f.signers); err != nil {
		return nil, err
	}
	if f.signedWeakly() && !p.AnySigner && len(a.suite.KeyFingerprints) == 0 && a.pocket.URI == "" {
		return nil, fmt.Errorf("%w, and no table says that %s is signed by such a key: give its keys with --archive-keyring", aptmirror.ErrWeakSignature, a.pin.ID())
	}
	waived, err := p.timely(a.suite, f.release)
	if f.weak != nil {
		waived = append(waived, manifest.WaivedHashes)
	}
	if f.signedWeakly() {
		waived = append(waived, manifest.WaivedSignatures)
	}
	return waived, err
}

// timely judges the dates of a release file: against the moment of the snapshot
// that was asked for, or now. A closed suite stays as it is for ever; that its
// Valid-Until has passed means nothing.
func (p *Planner) timely(suite aptmirror.Suite, r *aptmirror.Release) ([]manifest.Waiver, error) {
	at := p.Now
	if !p.Snapshot.IsZero() {
		at = p.Snapshot
		if r.Date.After(at) {
			return nil, fmt.Errorf("it is dated %s, after the moment that was asked for, %s: is this a snapshot service?",
				r.Date.UTC().Format(time.RFC3339), at.Format(time.RFC3339))
		}
	}
	err := r.Fresh(at)
	if !errors.As(err, new(*aptmirror.ExpiredError)) {
		return nil, err
	}
	switch {
	case suite.Closed:
		return nil, nil
	case p.IgnoreExpiry:
		return []manifest.Waiver{manifest.WaivedExpiry}, nil
	}
	return nil, fmt.Errorf("%w (--snapshot MOMENT reads the archive as it was at a moment; --ignore-expiry takes it as it is, and the lock says so)", err)
}

// checkSigner wants a key that belongs to the suite.
func (p *Planner) checkSigner(suite aptmirror.Suite, signers []aptmirror.Signer) error {
	if p.AnySigner || len(suite.KeyFingerprints) == 0 {
		return nil
	}
	var names []string
	for _, s := range signers {
		if slices.Contains(suite.KeyFingerprints, s.Fingerprint) {
			return nil
		}
		names = append(names, s.Fingerprint)
	}
	return fmt.Errorf("it is signed by %s, which are no keys of %s; to trust another archive's keys give them with --archive-keyring",
		strings.Join(names, ", "), suite.Name)
}

// checkSuite refuses a release file of another suite that a mirror, or
// somebody on the way, puts in the place of the right one.
func checkSuite(asked string, r *aptmirror.Release) error {
	bare := strings.TrimSuffix(asked, "/updates") // Debian's security suites up to buster
	for _, name := range []string{r.Suite, r.Codename, r.Codename + "-security"} {
		if name != "" && (name == asked || name == bare) {
			return nil
		}
	}
	return fmt.Errorf("its release file is that of suite %q, codename %q", r.Suite, r.Codename)
}

// pinRelease stores what was found and pins it.
func (p *Planner) pinRelease(ctx context.Context, a *archive, f foundRelease) error {
	for i, name := range f.files {
		b, err := p.keep(ctx, f.texts[i])
		if err != nil {
			return err
		}
		a.pin.Release = append(a.pin.Release, manifest.ArchiveFile{Path: name, Blob: b})
	}
	a.pin.Date, a.pin.Waived = f.release.Date.UTC().Format(time.RFC3339), f.waived
	if !p.Snapshot.IsZero() {
		a.pin.Snapshot = p.Snapshot.Format(time.RFC3339)
	}
	return p.keepKeys(ctx, a, f.signers)
}

// keepKeys stores the public keys that signed, as the keyring held them.
func (p *Planner) keepKeys(ctx context.Context, a *archive, signers []aptmirror.Signer) error {
	for _, s := range signers {
		a.pin.SignedBy = append(a.pin.SignedBy, s.Fingerprint)
	}
	keys, err := a.keys.Subset(a.pin.SignedBy)
	if err != nil {
		return err
	}
	a.pin.Keyring, err = p.keep(ctx, keys)
	return err
}
