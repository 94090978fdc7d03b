package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"satchel/manifest"
)

func TestPartialResumes(t *testing.T) {
	a := content(1, 600_000)
	b := blobOf(a)
	dir := t.TempDir()
	for i := range 6 {
		s := open(t, dir)
		p, err := s.Partial(b)
		if err != nil {
			t.Fatal(err)
		}
		if want := int64(i * 100_000); p.Offset() != want {
			t.Fatalf("it goes on at %d, want %d", p.Offset(), want)
		}
		if _, err := p.Write(a[i*100_000 : (i+1)*100_000]); err != nil {
			t.Fatal(err)
		}
		if i < 5 {
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			if s.Has(b) {
				t.Error("half a blob has its name")
			}
			s.Close()
			continue
		}
		if _, err := p.Write([]byte{1}); !errors.Is(err, manifest.ErrDigest) {
			t.Errorf("a byte too many: %v", err)
		}
		if err := p.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(p.Close(), p.Discard(), p.Close()); err != nil {
			t.Errorf("Close after Commit: %v", err)
		}
		if _, err := p.Write(nil); err == nil {
			t.Error("Write after Commit")
		}
		if p.Commit() == nil || p.Reset() == nil {
			t.Error("Commit or Reset after Commit")
		}
		wantFiles(t, s, a)
	}
}

// A failed download must not poison the next.
func TestPartialOfWrongBytes(t *testing.T) {
	a := content(1, 1000)
	b := blobOf(a)
	wrong := append([]byte{a[0] ^ 1}, a[1:]...)
	s := open(t, t.TempDir())
	for name, data := range map[string][]byte{"other": wrong, "short": a[:999]} {
		p, err := s.Partial(b)
		if err != nil {
			t.Fatal(err)
		}
		p.Write(data)
		if err := p.Commit(); !errors.Is(err, manifest.ErrDigest) {
			t.Errorf("%s: Commit: %v", name, err)
		}
		p.Close()
		wantFiles(t, s)
	}
	// Nor may what a crash or another program made of the partial file.
	name := filepath.Join(s.Dir(), partialDir, b.SHA256.Hex())
	for what, data := range map[string][]byte{"too long": append(bytes.Clone(a), 1), "empty": nil} {
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
		p, err := s.Partial(b)
		if err != nil || p.Offset() != 0 {
			t.Fatalf("%s: %v, goes on at %d", what, err, p.Offset())
		}
		p.Close()
		wantFiles(t, s) // no empty file is left
	}
	// Reset begins again under the same lock, Discard leaves nothing.
	p, err := s.Partial(b)
	if err != nil {
		t.Fatal(err)
	}
	p.Write(wrong)
	if err := p.Reset(); err != nil || p.Offset() != 0 {
		t.Fatalf("Reset: %v", err)
	}
	p.Write(a)
	if err := p.Commit(); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, s, a)
	if p, err = s.Partial(b); err != nil {
		t.Fatal(err)
	}
	p.Write(wrong)
	if err := p.Discard(); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, s, a)
}

// Two writers of one blob, as two processes would be: each has an own open
// file, so the lock is between them.
func TestPartialTwice(t *testing.T) {
	a := content(1, 1000)
	b := blobOf(a)
	dir := t.TempDir()
	s1, s2 := open(t, dir), open(t, dir)
	p1, err := s1.Partial(b)
	if err != nil {
		t.Fatal(err)
	}
	p1.Write(a[:400])
	p2, err := s2.Partial(b)
	if err != nil {
		t.Fatal(err)
	}
	if p2.Offset() != 0 {
		t.Errorf("the second goes on at %d in the first one's file", p2.Offset())
	}
	p2.Write(a)
	s3 := open(t, dir) // its sweep must leave the two alone
	if n := len(files(t, s3)); n != 2 {
		t.Errorf("%d files, want 2", n)
	}
	if err := p2.Commit(); err != nil {
		t.Fatal(err)
	}
	wantHas(t, s1, b)
	p1.Write(a[400:])
	if err := p1.Commit(); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, s1, a)
	// One that is given up under its own name leaves nothing.
	p1, _ = s1.Partial(b)
	p1.Write(a[:1])
	p2, _ = s2.Partial(b)
	p2.Write(a[:2])
	p2.Close()
	p1.Close()
	if got := files(t, s1); len(got) != 2 {
		t.Errorf("got %q, want the blob and the first one's partial", got)
	}
}

func wantHas(t *testing.T, s *Store, b manifest.Blob) {
	t.Helper()
	if !s.Has(b) {
		t.Errorf("blob %s is missing", b.SHA256)
	}
}

// Many writers of the same few blobs, over several stores in one directory.
func TestManyWriters(t *testing.T) {
	dir := t.TempDir()
	var all [][]byte
	for i := range 5 {
		all = append(all, content(byte(i), 20_000+i))
	}
	var wg sync.WaitGroup
	errs := make(chan error, 100)
	for w := range 8 {
		wg.Go(func() {
			s, err := Open(dir)
			if err != nil {
				errs <- err
				return
			}
			defer s.Close()
			for round := range 10 {
				a := all[(w+round)%len(all)]
				switch round % 3 {
				case 0:
					err = s.Put(context.Background(), blobOf(a), bytes.NewReader(a))
				case 1:
					_, err = s.Add(context.Background(), bytes.NewReader(a), 1<<20)
				default:
					err = fill(s, blobOf(a), a, 3000)
				}
				if err != nil {
					errs <- fmt.Errorf("writer %d, round %d: %w", w, round, err)
				}
				if got, err := read(s, blobOf(a)); err != nil || !bytes.Equal(got, a) {
					errs <- fmt.Errorf("reader %d, round %d: %d bytes, %w", w, round, len(got), err)
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	wantFiles(t, open(t, dir), all...)
}
