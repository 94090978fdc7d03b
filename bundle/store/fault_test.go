package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"satchel/manifest"
)

// failAt makes the store's disk full after k more bytes; half of the write
// that goes too far still succeeds.
func failAt(s *Store, k int) {
	s.ops.write = func(f *os.File, p []byte) (int, error) {
		if k -= len(p); k < 0 {
			n, _ := f.Write(p[:max(len(p)+k, 0)])
			return n, syscall.ENOSPC
		}
		return f.Write(p)
	}
}

// fill writes data into a partial in pieces, and commits.
func fill(s *Store, b manifest.Blob, data []byte, piece int) error {
	p, err := s.Partial(b)
	if err != nil {
		return err
	}
	defer p.Close()
	for data := data[p.Offset():]; len(data) > 0; {
		n := min(piece, len(data))
		if _, err := p.Write(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return p.Commit()
}

func TestFullDiskAtEveryByte(t *testing.T) {
	a := content(1, 150)
	b := blobOf(a)
	ctx := context.Background()
	writers := map[string]func(s *Store) error{
		"Put": func(s *Store) error { return s.Put(ctx, b, iotest{bytes.NewReader(a), 7}) },
		"Add": func(s *Store) error {
			_, err := s.Add(ctx, iotest{bytes.NewReader(a), 7}, int64(len(a)))
			return err
		},
		"Partial": func(s *Store) error { return fill(s, b, a, 7) },
	}
	for name, put := range writers {
		t.Run(name, func(t *testing.T) {
			for k := range len(a) {
				s := open(t, filepath.Join(t.TempDir(), "s"))
				s.ops.sync = func(*os.File) error { return nil }
				ops := s.ops
				failAt(s, k)
				if err := put(s); !errors.Is(err, syscall.ENOSPC) {
					t.Fatalf("full at byte %d: %v", k, err)
				}
				if s.Has(b) {
					t.Fatalf("full at byte %d: half a blob has its name", k)
				}
				if left := files(t, s); name != "Partial" && len(left) > 0 {
					t.Fatalf("full at byte %d: %q is left", k, left)
				}
				s.ops = ops
				if err := put(s); err != nil {
					t.Fatalf("retry after byte %d: %v", k, err)
				}
				wantFiles(t, s, a)
				s.Close()
			}
		})
	}
}

// iotest reads n bytes at a time.
type iotest struct {
	r io.Reader
	n int
}

func (i iotest) Read(p []byte) (int, error) { return i.r.Read(p[:min(i.n, len(p))]) }

func TestFailingSyncAndRename(t *testing.T) {
	a := content(1, 5000)
	b := blobOf(a)
	for _, what := range []string{"sync", "rename", "mkdir"} {
		t.Run(what, func(t *testing.T) {
			s := open(t, t.TempDir())
			ops := s.ops
			bad := errors.New("bad disk")
			switch what {
			case "sync":
				s.ops.sync = func(*os.File) error { return bad }
			case "rename":
				s.ops.rename = func(*os.Root, string, string) error { return bad }
			case "mkdir":
				if err := os.WriteFile(filepath.Join(s.Dir(), shard(b.SHA256)), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := fill(s, b, a, 1000)
			if err == nil || what != "mkdir" && !errors.Is(err, bad) {
				t.Fatalf("Commit: %v", err)
			}
			if s.Has(b) {
				t.Error("it has its name")
			}
			p, err := s.Partial(b)
			if err != nil {
				t.Fatal(err)
			}
			// Bytes that may not be on the disk are not trusted again.
			if want := map[string]int64{"sync": 0, "rename": 5000, "mkdir": 5000}[what]; p.Offset() != want {
				t.Errorf("the retry begins at %d, want %d", p.Offset(), want)
			}
			p.Close()
			s.ops = ops
			os.Remove(filepath.Join(s.Dir(), shard(b.SHA256)))
			if err := fill(s, b, a, 1000); err != nil {
				t.Fatal(err)
			}
			wantFiles(t, s, a)
		})
	}
	t.Run("flush", func(t *testing.T) {
		s := open(t, t.TempDir())
		if err := fill(s, b, a, 1000); err != nil {
			t.Fatal(err)
		}
		ops := s.ops
		s.ops.sync = func(*os.File) error { return syscall.EIO }
		if err := s.Flush(); !errors.Is(err, syscall.EIO) {
			t.Errorf("Flush: %v", err)
		}
		s.ops = ops
		if len(s.dirty) == 0 {
			t.Error("what could not be synced is forgotten")
		}
		if err := s.Flush(); err != nil || len(s.dirty) > 0 {
			t.Errorf("Flush again: %v, %v", err, s.dirty)
		}
	})
}

// A commit must sync the bytes before they get their name.
func TestSyncBeforeRename(t *testing.T) {
	s := open(t, t.TempDir())
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	var order []string
	ops := s.ops
	s.ops.sync = func(f *os.File) error {
		order = append(order, "sync "+filepath.Base(filepath.Dir(f.Name())))
		return ops.sync(f)
	}
	s.ops.rename = func(r *os.Root, a, b string) error {
		order = append(order, "rename")
		return ops.rename(r, a, b)
	}
	a := content(3, 10)
	if err := s.Put(context.Background(), blobOf(a), bytes.NewReader(a)); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if len(order) != 4 || order[0] != "sync partial" || order[1] != "rename" {
		t.Errorf("got %q, want the file's sync, the rename, two directories' syncs", order)
	}
}

// TestKill kills a process in the middle of its writing; what it wrote can be
// continued, and what nobody can continue is swept away.
func TestKill(t *testing.T) {
	a := content(9, 200_000)
	b := blobOf(a)
	if dir := os.Getenv("SATCHEL_STORE_KILL"); dir != "" {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Partial(b)
		if err != nil {
			t.Fatal(err)
		}
		p.Write(a[:150_000])
		w, err := s.create()
		if err != nil {
			t.Fatal(err)
		}
		w.Write(a[:1000])
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), "SATCHEL_STORE_KILL="+dir)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child was not killed: %v\n%s", err, out)
	}
	s := open(t, dir)
	if got, want := files(t, s), "partial/"+b.SHA256.Hex(); len(got) != 1 || got[0] != want {
		t.Fatalf("left: %q, want %q", got, want)
	}
	p, err := s.Partial(b)
	if err != nil {
		t.Fatal(err)
	}
	if p.Offset() != 150_000 {
		t.Errorf("it goes on at %d, want 150000", p.Offset())
	}
	if _, err := p.Write(a[150_000:]); err != nil {
		t.Fatal(err)
	}
	if err := p.Commit(); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, s, a)
}
