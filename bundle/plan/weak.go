package plan

import (
	"context"
	"errors"
	"fmt"

	"satchel/aptmirror"
	"satchel/aptmirror/fetch"
)

// maxWeakIndex bounds an index that no SHA-256 pins yet, in bytes.
const maxWeakIndex = 256 << 20

// verified checks the signatures of a release file with an archive's keys.
func (p *Planner) verified(a *archive, f *foundRelease, verify func(*aptmirror.Keyring) (*aptmirror.Release, []aptmirror.Signer, error)) (err error) {
	f.release, f.signers, err = verify(a.keys)
	if errors.Is(err, aptmirror.ErrWeakSignature) {
		if !p.AllowWeakSignatures {
			return fmt.Errorf("%w; such a signature can be forged by now (--allow-weak-signatures takes it all the same, and the lock says so)", err)
		}
		f.release, f.signers, err = verify(a.keys.Weakly())
	}
	return p.weakly(f, err)
}

// signedWeakly tells whether none of the signatures is better than weak: the
// keyring gives no others then.
func (f *foundRelease) signedWeakly() bool { return len(f.signers) > 0 && f.signers[0].Weak }

// weakly takes a release file whose only fault is that it has no SHA-256, if
// that is allowed.
func (p *Planner) weakly(f *foundRelease, err error) error {
	var weak *aptmirror.WeakReleaseError
	switch {
	case !errors.As(err, &weak):
		return err
	case !p.AllowWeakHashes:
		return fmt.Errorf("%w; what it lists by SHA-1 or MD5 can be forged by now (--allow-weak-hashes takes it all the same, and the lock says so)", err)
	}
	f.release, f.signers, f.weak = weak.Release, weak.Signers, weak
	return nil
}

// strengthen fetches an index of a release file that has no SHA-256, checks it by
// the hashes that there are, and has the release file list it. arch may be
// "source". It does nothing for any other release file.
func (p *Planner) strengthen(ctx context.Context, a *archive, component, arch string) error {
	if a.weak == nil {
		return nil
	}
	path, size, ok := a.weak.Index(component, arch)
	if arch == "source" {
		path, size, ok = a.weak.SourceIndex(component)
	}
	if _, known := a.release.Files[path]; !ok || known {
		return nil
	}
	if size > maxWeakIndex {
		return fmt.Errorf("reading archive %s: its %s has %d bytes, more than anything honest", a.pin.ID(), path, size)
	}
	var problems []error
	for _, url := range p.urls(a, path) {
		data, _, err := p.Fetch.Get(ctx, []string{url}, max(size, 1), fetch.Conditional{})
		if err == nil {
			err = a.weak.Strengthen(path, data)
		}
		if err == nil {
			_, err = p.keep(ctx, data)
			return err
		}
		problems = append(problems, err)
		if ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("reading archive %s: %w", a.pin.ID(), errors.Join(problems...))
}
