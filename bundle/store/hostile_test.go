package store

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"satchel/manifest"
)

func TestCorruptBlob(t *testing.T) {
	a := content(1, 300_000)
	b := blobOf(a)
	ctx := context.Background()
	wrong := bytes.Clone(a)
	wrong[299_999] ^= 1
	for name, data := range map[string][]byte{"changed": wrong, "cut": a[:5], "longer": append(bytes.Clone(a), 0)} {
		t.Run(name, func(t *testing.T) {
			for how, use := range map[string]func(*Store) error{
				"Open":  func(s *Store) error { _, err := read(s, b); return err },
				"File":  func(s *Store) error { _, err := s.File(b); return err },
				"Check": func(s *Store) error { return s.Check(ctx, b) },
			} {
				s := open(t, filepath.Join(t.TempDir(), how))
				if err := s.Put(ctx, b, bytes.NewReader(a)); err != nil {
					t.Fatal(err)
				}
				if err := s.Check(ctx, b); err != nil {
					t.Fatalf("Check of a good one: %v", err)
				}
				os.Chmod(s.path(b), 0o644)
				if err := os.WriteFile(s.path(b), data, 0o644); err != nil {
					t.Fatal(err)
				}
				var c *CorruptError
				if err := use(s); !errors.As(err, &c) || !errors.Is(err, manifest.ErrDigest) || c.Path != s.path(b) {
					t.Errorf("%s: got %v, want a CorruptError", how, err)
				}
				if s.Has(b) {
					t.Errorf("%s: it still counts as there", how)
				}
				if err := fill(s, b, a, 10_000); err != nil {
					t.Errorf("%s: fetching it again: %v", how, err)
				}
				wantFiles(t, s, a)
			}
		})
	}
}

// A good blob that came in the place of a wrong one while that was being read
// is not thrown out with it.
func TestCorruptBlobReplacedMeanwhile(t *testing.T) {
	a := content(1, 1000)
	b := blobOf(a)
	s := open(t, t.TempDir())
	if err := s.Put(context.Background(), b, bytes.NewReader(a)); err != nil {
		t.Fatal(err)
	}
	os.Chmod(s.path(b), 0o644)
	os.WriteFile(s.path(b), make([]byte, 1000), 0o644)
	r, err := s.Open(b)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := s.Put(context.Background(), b, bytes.NewReader(a)); err != nil {
		t.Fatal(err)
	}
	if _, err := bytes.NewBuffer(nil).ReadFrom(r); !errors.Is(err, manifest.ErrDigest) {
		t.Errorf("reading the wrong one: %v", err)
	}
	wantFiles(t, s, a)
}

// A wrong size in a question does not cost the store a good blob.
func TestWrongSizeAsked(t *testing.T) {
	a := content(1, 1000)
	s := open(t, t.TempDir())
	if err := s.Put(context.Background(), blobOf(a), bytes.NewReader(a)); err != nil {
		t.Fatal(err)
	}
	lie := blobOf(a)
	lie.Size--
	if _, err := read(s, lie); !errors.Is(err, manifest.ErrDigest) {
		t.Errorf("got %v, want ErrDigest", err)
	}
	wantFiles(t, s, a)
}

func TestPlantedLinks(t *testing.T) {
	a := content(1, 1000)
	b := blobOf(a)
	ctx := context.Background()
	outside := filepath.Join(t.TempDir(), "outside")
	plant := func(t *testing.T, s *Store, target, name string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(s.Dir(), name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(s.Dir(), name)); err != nil {
			t.Fatal(err)
		}
	}
	fresh := func(t *testing.T) *Store {
		if err := os.WriteFile(outside, a, 0o644); err != nil {
			t.Fatal(err)
		}
		return open(t, t.TempDir())
	}
	untouched := func(t *testing.T) {
		t.Helper()
		if got, err := os.ReadFile(outside); err != nil || !bytes.Equal(got, a) {
			t.Error("the link's target was touched")
		}
	}
	t.Run("blob", func(t *testing.T) {
		s := fresh(t)
		for _, target := range []string{outside, "../../inside"} {
			os.WriteFile(filepath.Join(s.Dir(), "inside"), a, 0o644)
			os.RemoveAll(filepath.Join(s.Dir(), shard(b.SHA256)))
			plant(t, s, target, blobName(b.SHA256))
			if _, err := s.Open(b); err == nil || s.Has(b) {
				t.Errorf("a link to %s was followed", target)
			}
			for range s.All() {
				t.Error("a link is listed")
			}
			if err := fill(s, b, make([]byte, 1000), 100); !errors.Is(err, manifest.ErrDigest) {
				t.Error(err)
			}
			if err := fill(s, b, a, 100); err != nil { // takes the link's place
				t.Error(err)
			}
			if got, err := read(s, b); err != nil || !bytes.Equal(got, a) {
				t.Error(err)
			}
			untouched(t)
		}
	})
	t.Run("shard", func(t *testing.T) {
		s := fresh(t)
		os.Mkdir(filepath.Join(s.Dir(), "inside"), 0o755)
		os.WriteFile(filepath.Join(s.Dir(), "inside", b.SHA256.Hex()), a, 0o644)
		plant(t, s, "../inside", shard(b.SHA256))
		if _, err := s.Open(b); err == nil || s.Has(b) {
			t.Error("a link was followed")
		}
		if err := s.Put(ctx, b, bytes.NewReader(a)); err == nil {
			t.Error("a link was written through")
		}
	})
	t.Run("partial", func(t *testing.T) {
		for _, hard := range []bool{false, true} {
			s := fresh(t)
			name := filepath.Join(partialDir, b.SHA256.Hex())
			if hard {
				if err := os.Link(outside, filepath.Join(s.Dir(), name)); err != nil {
					t.Skip("no hard links here:", err)
				}
			} else {
				plant(t, s, outside, name)
			}
			p, err := s.Partial(b)
			if err != nil {
				t.Fatal(err)
			}
			if p.Offset() != 0 {
				t.Error("a link's bytes were taken over")
			}
			p.Write(make([]byte, 10))
			p.Discard()
			untouched(t)
		}
	})
	t.Run("whole directories", func(t *testing.T) {
		for _, d := range []string{blobDir, partialDir} {
			dir := t.TempDir()
			os.Mkdir(filepath.Join(dir, "inside"), 0o755)
			if err := os.Symlink("inside", filepath.Join(dir, d)); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir); err == nil {
				t.Errorf("%s is a link, and Open follows it", d)
			}
		}
	})
	t.Run("pipe", func(t *testing.T) {
		s := fresh(t)
		os.Mkdir(filepath.Join(s.Dir(), shard(b.SHA256)), 0o755)
		for _, name := range []string{blobName(b.SHA256), filepath.Join(partialDir, b.SHA256.Hex())} {
			if err := syscall.Mkfifo(filepath.Join(s.Dir(), name), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := syscall.Mkfifo(filepath.Join(s.Dir(), partialDir, "x"+newSuffix), 0o644); err != nil {
			t.Fatal(err)
		}
		open(t, s.Dir()) // sweeps, and must not wait
		if _, err := s.Open(b); err == nil {
			t.Error("a pipe was opened")
		}
		if err := fill(s, b, a, 100); err != nil {
			t.Error(err)
		}
	})
}

func TestImport(t *testing.T) {
	ctx := context.Background()
	a := content(1, 100_000)
	dir := t.TempDir()
	src := filepath.Join(dir, "a file")
	if err := os.WriteFile(src, a, 0o644); err != nil {
		t.Fatal(err)
	}
	s1, s2 := open(t, filepath.Join(dir, "s1")), open(t, filepath.Join(dir, "s2"))
	if b, err := s1.Import(ctx, src); err != nil || b != blobOf(a) {
		t.Fatalf("Import: %v, %v", b, err)
	}
	// What can be written to was copied: changing it does no harm.
	if err := os.WriteFile(src, content(2, 100_000), 0o644); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, s1, a)
	// Another store's blob is shared.
	for range 2 {
		if b, err := s2.Import(ctx, s1.path(blobOf(a))); err != nil || b != blobOf(a) {
			t.Fatalf("Import: %v, %v", b, err)
		}
		wantFiles(t, s2, a)
	}
	f1, _ := os.Stat(s1.path(blobOf(a)))
	f2, _ := os.Stat(s2.path(blobOf(a)))
	if !os.SameFile(f1, f2) {
		t.Error("the blob was copied, not linked")
	}
	// Links and read-only files that cannot be linked are copied.
	s3 := open(t, filepath.Join(dir, "s3"))
	if err := os.Symlink(s1.path(blobOf(a)), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if b, err := s3.Import(ctx, filepath.Join(dir, "link")); err != nil || b != blobOf(a) {
		t.Fatalf("Import of a link: %v, %v", b, err)
	}
	wantFiles(t, s3, a)
	if fi, _ := os.Lstat(s3.path(blobOf(a))); !fi.Mode().IsRegular() {
		t.Error("a symbolic link was put into the store")
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{fifo, dir, "/dev/zero"} {
		if _, err := s3.Import(ctx, bad); err == nil {
			t.Errorf("Import of %s", bad)
		}
	}
	if _, err := s3.Import(ctx, filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Import of nothing: %v", err)
	}
	wantFiles(t, s3, a)
}

func TestAll(t *testing.T) {
	s := open(t, t.TempDir())
	want := map[manifest.Blob]bool{}
	for i := range 50 {
		a := content(byte(i), i)
		want[blobOf(a)] = true
		if err := s.Put(context.Background(), blobOf(a), bytes.NewReader(a)); err != nil {
			t.Fatal(err)
		}
	}
	os.WriteFile(filepath.Join(s.Dir(), blobDir, "stray"), nil, 0o644)
	os.Mkdir(filepath.Join(s.Dir(), blobDir, "zz"), 0o755)
	os.WriteFile(filepath.Join(s.Dir(), blobDir, "zz", "stray"), nil, 0o644)
	last := ""
	n := 0
	for b, err := range s.All() {
		if err != nil {
			t.Fatal(err)
		}
		if !want[b] || b.SHA256.Hex() <= last {
			t.Errorf("%v is not wanted, or not in order", b)
		}
		last = b.SHA256.Hex()
		n++
	}
	if n != len(want) {
		t.Errorf("got %d blobs, want %d", n, len(want))
	}
	for range s.All() {
		break
	}
}
