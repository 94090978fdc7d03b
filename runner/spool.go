package runner

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"os"

	"satchel/manifest"
)

// spool is a file without a name that is hashed while it is written, and is
// gone when it is closed. A nil spool is an empty one.
type spool struct {
	f *os.File
	h hash.Hash
	n int64
}

func newSpool(dir string) (*spool, error) {
	f, err := os.CreateTemp(dir, "satchel-spool-")
	if err != nil {
		return nil, fmt.Errorf("making a spool file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("making a spool file: %w", err)
	}
	return &spool{f: f, h: sha256.New()}, nil
}

// Write appends and hashes.
func (s *spool) Write(b []byte) (int, error) {
	n, err := s.f.Write(b)
	s.h.Write(b[:n])
	s.n += int64(n)
	return n, err
}

func (s *spool) blob() manifest.Blob {
	return manifest.Blob{SHA256: manifest.Digest(s.h.Sum(nil)), Size: s.n}
}

// Open returns a checked reader of all that was written; s is a Source of one blob.
func (s *spool) Open(b manifest.Blob) (io.ReadCloser, error) {
	return io.NopCloser(b.Verify(io.NewSectionReader(s.f, 0, s.n))), nil
}

// Close gives the space back.
func (s *spool) Close() error {
	if s == nil {
		return nil
	}
	return s.f.Close()
}

// hashOf reads r to its end.
func hashOf(r io.Reader) (manifest.Digest, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return manifest.Digest{}, err
	}
	return manifest.Digest(h.Sum(nil)), nil
}
