package bundle

import (
	"bytes"
	"fmt"
	"io"

	"satchel/manifest"
)

// A Vouched is a bundle whose front the policy trusts: its lock is what the
// signers signed. Of the rest nothing is known but its length; what is opened is
// checked as it is read. It is for looking, not for building: see [File.Verify].
type Vouched struct {
	f *File
	l *layout
}

// Vouch reads no byte after the front. The error wraps ErrUntrusted if the policy
// does not trust it, ErrCorrupt if the front or the file's length is wrong.
// The report says who signed; it is never nil.
func (f *File) Vouch(policy Policy) (*Vouched, *Report, error) {
	report := &Report{Identity: f.Identity()}
	l, err := f.begin(policy, report)
	if err != nil {
		return nil, report, f.failed(err)
	}
	if f.r != nil && f.size != l.size {
		return nil, report, f.failed(corrupt(min(f.size, l.size), "the file has %d bytes, and its lock makes it %d", f.size, l.size))
	}
	return &Vouched{f, l}, report, nil
}

// Lock is the bundle's lock. The caller must not change it.
func (v *Vouched) Lock() *manifest.Lock { return v.l.lock }

// Read reads a whole blob of at most limit bytes, and checks it before it hands
// it out: an error wraps manifest.ErrDigest when it is another.
func (v *Vouched) Read(b manifest.Blob, limit int64) ([]byte, error) {
	if b.Size > limit {
		return nil, fmt.Errorf("reading blob %s: it has %d bytes, more than %d", b.SHA256, b.Size, limit)
	}
	for _, e := range v.l.bulk {
		if e.blob != b {
			continue
		}
		var text bytes.Buffer
		if _, err := io.Copy(&text, b.Verify(io.NewSectionReader(v.f.r, e.data(), b.Size))); err != nil {
			return nil, fmt.Errorf("reading blob %s: %w", b.SHA256, err)
		}
		return text.Bytes(), nil
	}
	return nil, fmt.Errorf("reading blob %s of %d bytes: %w: the lock does not name it", b.SHA256, b.Size, ErrMissing)
}
