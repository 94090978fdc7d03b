package imagestore

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"

	"satchel/manifest"
)

// memStore is a Store for tests. Like the real one it keeps nothing of a
// failed Add; unlike it, it can be made to fail or lie.
type memStore struct {
	mu    sync.Mutex
	blobs map[manifest.Digest][]byte
	full  int64 // Add fails after that many bytes of one blob; 0: never
}

func newStore() *memStore { return &memStore{blobs: map[manifest.Digest][]byte{}} }

func (s *memStore) Add(ctx context.Context, r io.Reader, limit int64) (manifest.Blob, error) {
	var buf bytes.Buffer
	n, err := io.Copy(&buf, io.LimitReader(r, limit+1))
	if err != nil {
		return manifest.Blob{}, err
	}
	if n > limit {
		return manifest.Blob{}, fmt.Errorf("more than %d bytes", limit)
	}
	if s.full > 0 && n > s.full {
		return manifest.Blob{}, os.ErrInvalid
	}
	b := manifest.Blob{SHA256: manifest.Sum(buf.Bytes()), Size: n}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[b.SHA256] = buf.Bytes()
	return b, nil
}

func (s *memStore) Open(b manifest.Blob) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, ok := s.blobs[b.SHA256]
	if !ok {
		return nil, fmt.Errorf("blob %s: %w", b.SHA256, os.ErrNotExist)
	}
	return io.NopCloser(bytes.NewReader(raw)), nil
}

// need skips a test whose reference tool is missing, or fails it in CI, where
// all tools must be there.
func need(t testing.TB, tool string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		if os.Getenv("SATCHEL_CI") == "1" {
			t.Fatalf("%s is not installed, and SATCHEL_CI=1 allows no skip", tool)
		}
		t.Skipf("skipped: %s is not installed", tool)
	}
	return path
}

func opener(b []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}
