package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"satchel/manifest"
)

// A Verified is a bundle that Verify or VerifyStream has passed; there is no
// other way to one that answers anything.
type Verified struct {
	l       *layout
	entries map[manifest.Digest]entry
	open    func(entry) (io.ReadCloser, error)
	close   func() error
}

func newVerified(l *layout, open func(entry) (io.ReadCloser, error)) *Verified {
	v := &Verified{l: l, entries: make(map[manifest.Digest]entry, len(l.bulk)), open: open}
	for _, e := range l.bulk {
		v.entries[e.blob.SHA256] = e
	}
	return v
}

// errNotVerified is what a Verified says that nobody verified.
var errNotVerified = errors.New("this bundle was not verified")

// Identity is the digest of the artifact manifest, zero if v was not verified.
func (v *Verified) Identity() manifest.Digest {
	if v == nil || v.l == nil {
		return manifest.Digest{}
	}
	return v.l.identity()
}

// Lock is the bundle's lock, nil if v was not verified. The caller must not
// change it.
func (v *Verified) Lock() *manifest.Lock {
	if v == nil || v.l == nil {
		return nil
	}
	return v.l.lock
}

// LockText gives the lock's bytes.
func (v *Verified) LockText() []byte {
	if v == nil || v.l == nil {
		return nil
	}
	return bytes.Clone(v.l.lockDoc)
}

// Open opens a blob of the lock. It is hashed again while it is read: a medium
// that answers differently the second time gives an error that wraps
// manifest.ErrDigest in place of io.EOF. An unknown blob gives ErrMissing. It
// may be called from several goroutines.
func (v *Verified) Open(b manifest.Blob) (io.ReadCloser, error) {
	if v == nil || v.l == nil {
		return nil, errNotVerified
	}
	if b == emptyBlob() && v.names(b) {
		return io.NopCloser(strings.NewReader(emptyConfig)), nil
	}
	e, ok := v.entries[b.SHA256]
	if !ok || e.blob != b {
		return nil, fmt.Errorf("opening blob %s of %d bytes: %w: the lock does not name it", b.SHA256, b.Size, ErrMissing)
	}
	rc, err := v.open(e)
	if err != nil {
		return nil, fmt.Errorf("opening blob %s: %w", b.SHA256, err)
	}
	return struct {
		io.Reader
		io.Closer
	}{b.Verify(rc), rc}, nil
}

// Close closes the file that v reads from, which is that of the File it was
// made from. A Verified from a pipe has nothing to close.
func (v *Verified) Close() error {
	if v == nil || v.close == nil {
		return nil
	}
	return v.close()
}

func (v *Verified) names(b manifest.Blob) bool {
	_, ok := titles(v.l.lock)[b.SHA256]
	return ok
}
