package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"satchel/manifest"
)

func content(seed byte, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func blobOf(b []byte) manifest.Blob {
	return manifest.Blob{SHA256: manifest.Sum(b), Size: int64(len(b))}
}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// read gives all of b, or the error.
func read(s *Store, b manifest.Blob) ([]byte, error) {
	r, err := s.Open(b)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// files lists what is below the store but for markers, with slashes.
func files(t *testing.T, s *Store) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(s.Dir(), func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !isMarker(p) {
			rel, _ := filepath.Rel(s.Dir(), p)
			all = append(all, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// wantFiles fails unless the store holds these blobs under their final names
// and nothing else at all.
func wantFiles(t *testing.T, s *Store, contents ...[]byte) {
	t.Helper()
	for _, c := range contents {
		got, err := read(s, blobOf(c))
		if err != nil || !bytes.Equal(got, c) {
			t.Errorf("blob of %d bytes: got %d bytes, error %v", len(c), len(got), err)
		}
		if !s.Has(blobOf(c)) {
			t.Errorf("Has says no to a blob of %d bytes", len(c))
		}
	}
	if got := files(t, s); len(got) != len(contents) {
		t.Errorf("the store has files %q, want %d", got, len(contents))
	}
}

func TestPutAddOpen(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a", "b"))
	ctx := context.Background()
	a, b := content(1, 700_000), []byte{}
	if s.Has(blobOf(a)) {
		t.Error("Has before Put")
	}
	if _, err := s.Open(blobOf(a)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open before Put: %v", err)
	}
	if err := s.Put(ctx, blobOf(a), bytes.NewReader(a)); err != nil {
		t.Fatal(err)
	}
	got, err := s.Add(ctx, bytes.NewReader(b), 0)
	if err != nil || got != blobOf(b) {
		t.Fatalf("Add: %v, %v", got, err)
	}
	wantFiles(t, s, a, b)
	// Both once more, and the other way round.
	if err := s.Put(ctx, blobOf(b), bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int64{int64(len(a)), math.MaxInt64} {
		if got, err := s.Add(ctx, bytes.NewReader(a), limit); err != nil || got != blobOf(a) {
			t.Fatalf("Add: %v, %v", got, err)
		}
	}
	wantFiles(t, s, a, b)
	f, err := s.File(blobOf(a))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, a) {
		t.Errorf("File: %d bytes, %v", len(got), err)
	}
	if h := blobOf(a).SHA256.Hex(); filepath.Join(s.Dir(), "sha256", h[:2], h) != s.path(blobOf(a)) {
		t.Errorf("path is %s", s.path(blobOf(a)))
	}
	if err := s.Remove(blobOf(a)); err != nil || s.Has(blobOf(a)) {
		t.Errorf("Remove: %v", err)
	}
	if err := s.Remove(blobOf(a)); err != nil {
		t.Errorf("Remove twice: %v", err)
	}
	if len(s.dirty) == 0 {
		t.Error("nothing waits to be synced")
	}
	if err := s.Flush(); err != nil || len(s.dirty) != 0 {
		t.Errorf("Flush: %v, %v", err, s.dirty)
	}
}

func TestRefusals(t *testing.T) {
	s := open(t, t.TempDir())
	ctx := context.Background()
	a := content(1, 100_000)
	zero := manifest.Blob{Size: 5}
	if s.Has(zero) || s.Has(manifest.Blob{SHA256: manifest.Sum(nil), Size: -1}) {
		t.Error("Has takes what names nothing")
	}
	if _, err := s.Open(zero); !errors.Is(err, manifest.ErrDigest) {
		t.Errorf("Open: %v", err)
	}
	if _, err := s.Partial(zero); !errors.Is(err, manifest.ErrDigest) {
		t.Errorf("Partial: %v", err)
	}
	if err := s.Put(ctx, zero, bytes.NewReader(nil)); !errors.Is(err, manifest.ErrDigest) {
		t.Errorf("Put: %v", err)
	}
	for name, r := range map[string]io.Reader{
		"short": bytes.NewReader(a[:len(a)-1]),
		"long":  io.MultiReader(bytes.NewReader(a), bytes.NewReader([]byte{0})),
		"other": io.MultiReader(bytes.NewReader([]byte{a[0] + 1}), bytes.NewReader(a[1:])),
		"empty": bytes.NewReader(nil),
	} {
		if err := s.Put(ctx, blobOf(a), r); !errors.Is(err, manifest.ErrDigest) {
			t.Errorf("Put of a %s one: %v", name, err)
		}
	}
	var limit *LimitError
	if _, err := s.Add(ctx, bytes.NewReader(a), int64(len(a)-1)); !errors.As(err, &limit) {
		t.Errorf("Add past the limit: %v", err)
	}
	if _, err := s.Add(ctx, bytes.NewReader(a), -1); !errors.As(err, &limit) {
		t.Errorf("Add with a negative limit: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Put(gone, blobOf(a), bytes.NewReader(a)); !errors.Is(err, context.Canceled) {
		t.Errorf("Put after the end: %v", err)
	}
	wantFiles(t, s)
	if _, err := Open(""); err == nil {
		t.Error("Open of no directory")
	}
	if err := os.WriteFile(filepath.Join(s.Dir(), "f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(s.Dir(), "f")); err == nil {
		t.Error("Open of a file")
	}
}
