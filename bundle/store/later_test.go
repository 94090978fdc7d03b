package store

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// markers lists the markers of a store.
func markers(t *testing.T, dir string) []string {
	t.Helper()
	m, err := filepath.Glob(filepath.Join(dir, partialDir, "*"+unsyncedSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Fetched blobs are synced by one Flush; until then a marker says so, which is
// on the disk before the first of them has its name.
func TestSyncLater(t *testing.T) {
	for _, whole := range []bool{true, false} {
		s := open(t, t.TempDir())
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		var order []string
		ops := s.ops
		s.ops.sync = func(f *os.File) error {
			order = append(order, "sync "+strings.TrimRight(filepath.Ext(f.Name())+filepath.Base(f.Name())[:2], "."))
			return ops.sync(f)
		}
		s.ops.rename = func(r *os.Root, a, b string) error {
			order = append(order, "rename")
			return ops.rename(r, a, b)
		}
		s.ops.syncAll = func(r *os.Root) error {
			if !whole {
				return errors.ErrUnsupported
			}
			order = append(order, "all")
			return ops.syncAll(r)
		}
		n := oneByOne + 1
		for i := range n {
			a := content(byte(i), 100)
			if err := fill(s, blobOf(a), a, 100); err != nil {
				t.Fatal(err)
			}
		}
		if len(order) != n+2 || !strings.HasPrefix(order[0], "sync .unsynced") || order[1] != "sync pa" || order[2] != "rename" {
			t.Errorf("got %q, want the marker's sync, its directory's, %d renames", order, n)
		}
		if len(markers(t, s.Dir())) != 1 {
			t.Error("there is no marker")
		}
		order = nil
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		if whole && !slices.Equal(order, []string{"all"}) || !whole && len(order) < 2*n {
			t.Errorf("Flush does %q", order)
		}
		order = nil
		if err := s.Flush(); err != nil || len(order) > 0 || len(markers(t, s.Dir())) != 0 {
			t.Errorf("another Flush: %v, does %q, markers %q", err, order, markers(t, s.Dir()))
		}
	}
}

// What cannot be synced is removed, for nobody knows what the disk has of it.
func TestFailingSyncLater(t *testing.T) {
	for _, n := range []int{1, oneByOne + 1} {
		s := open(t, t.TempDir())
		old := content(99, 100)
		if err := errors.Join(fill(s, blobOf(old), old, 100), s.Flush()); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			a := content(byte(i), 100)
			if err := fill(s, blobOf(a), a, 100); err != nil {
				t.Fatal(err)
			}
		}
		ops := s.ops
		s.ops.syncAll = func(*os.Root) error { return syscall.EIO }
		s.ops.sync = func(*os.File) error { return syscall.EIO }
		if err := s.Flush(); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "fetched again") {
			t.Errorf("%d blobs: %v", n, err)
		}
		s.ops = ops
		wantFiles(t, s, old)
	}
}

// TestPowerCut ends a process before its Flush and then damages, as a power cut
// might, some of what it fetched: the next one finds that out before it trusts
// anything.
func TestPowerCut(t *testing.T) {
	const n = 5
	if dir := os.Getenv("SATCHEL_STORE_CUT"); dir != "" {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			a := content(byte(i), 1000)
			if err := fill(s, blobOf(a), a, 300); err != nil {
				t.Fatal(err)
			}
		}
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	dir := t.TempDir()
	s := open(t, dir)
	old := content(50, 1000)
	if err := errors.Join(fill(s, blobOf(old), old, 300), s.Flush()); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestPowerCut$")
	cmd.Env = append(os.Environ(), "SATCHEL_STORE_CUT="+dir)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child was not killed: %v\n%s", err, out)
	}
	if len(markers(t, dir)) != 1 {
		t.Fatalf("markers %q", markers(t, dir))
	}
	damage := func(i byte, f func(name string) error) {
		name := filepath.Join(dir, blobName(blobOf(content(i, 1000)).SHA256))
		if err := errors.Join(os.Chmod(name, 0o600), f(name)); err != nil {
			t.Fatal(err)
		}
	}
	zeros := func(name string) error { return os.WriteFile(name, make([]byte, 1000), 0o600) }
	damage(0, zeros)
	damage(1, func(name string) error { return os.Truncate(name, 10) })
	// What is older than the marker was synced, and is not read again.
	damage(50, func(name string) error {
		long := time.Now().Add(-3 * clockSlack)
		return errors.Join(zeros(name), os.Chtimes(name, long, long))
	})
	s = open(t, dir)
	for i := range n {
		a := content(byte(i), 1000)
		if got, want := s.Has(blobOf(a)), i > 1; got != want {
			t.Errorf("blob %d: Has says %v, want %v", i, got, want)
		}
	}
	if !s.Has(blobOf(old)) {
		t.Error("an old blob was read again")
	}
	if m := markers(t, dir); len(m) != 0 {
		t.Errorf("the marker is left: %q", m)
	}
}

// A marker of a process that lives is left alone, and so are its blobs.
func TestMarkerOfTheLiving(t *testing.T) {
	s := open(t, t.TempDir())
	a := content(1, 1000)
	if err := fill(s, blobOf(a), a, 1000); err != nil {
		t.Fatal(err)
	}
	other := open(t, s.Dir())
	if len(markers(t, s.Dir())) != 1 || !other.Has(blobOf(a)) {
		t.Errorf("markers %q", markers(t, s.Dir()))
	}
}
