package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"

	"satchel/manifest"
)

// Keeper takes the blobs of a bundle that comes through a pipe.
// satchel/bundle/store has one.
type Keeper interface {
	Source
	// Put takes a blob. It must keep nothing unless r ends with io.EOF: r checks
	// what it hands on. It need not read what it has already.
	Put(ctx context.Context, b manifest.Blob, r io.Reader) error
}

// VerifyStream is Verify for a bundle that can be read only once, from a pipe
// or a socket. Every blob that is what the lock says goes to keep, and that is
// where the Verified reads it from. The bulk is not read at all when the policy
// does not trust the front. After an error keep may hold some good blobs of
// the bundle, and no bad one.
func VerifyStream(ctx context.Context, r io.Reader, policy Policy, keep Keeper, p Progress) (*Verified, *Report, error) {
	report := &Report{}
	if keep == nil {
		return nil, report, errors.New("verifying bundle: from a pipe it needs a place to keep the blobs")
	}
	f, err := Front(r)
	if err != nil {
		return nil, report, err
	}
	report.Identity = f.Identity()
	l, err := f.begin(policy, report)
	if err != nil {
		return nil, report, f.failed(err)
	}
	p = orSilent(p)
	p.Total(l.size)
	p.Add(l.frontEnd)
	s := &scan{l: l, r: r, at: l.frontEnd, keep: keep.Put, p: p}
	if err := s.run(ctx); err != nil {
		return nil, report, f.failed(err)
	}
	report.Faults, report.Missing = s.faults, s.missing()
	if err := report.content(l); err != nil {
		return nil, report, f.failed(err)
	}
	v := newVerified(l, func(e entry) (io.ReadCloser, error) {
		rc, err := keep.Open(e.blob)
		if err != nil {
			return nil, fmt.Errorf("reading what was kept: %w", err)
		}
		return rc, nil
	})
	archives := v.follow(ctx, policy)
	defer archives.stop()
	if err := archives.wait(report); err != nil {
		return nil, report, f.failed(err)
	}
	return v, report, nil
}
