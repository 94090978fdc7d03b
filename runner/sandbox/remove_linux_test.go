package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A tree that a hostile run has left goes, and what it points at stays.
func TestRemoveTree(t *testing.T) {
	parent, outside := t.TempDir(), t.TempDir()
	precious := filepath.Join(outside, "precious")
	write(t, precious)
	top := filepath.Join(parent, "run")
	mkdir(t, top)
	for name, target := range map[string]string{"link": outside, "dangling": "/nowhere", "loop": "loop", "up": ".."} {
		if err := os.Symlink(target, filepath.Join(top, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(top, "fifo"), 0); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(top, "closed")
	mkdir(t, filepath.Join(closed, "deeper"))
	write(t, filepath.Join(closed, "deeper", "file"))
	for _, d := range []string{filepath.Join(closed, "deeper"), closed} {
		if err := os.Chmod(d, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeTree(parent, "run"); err != nil {
		t.Fatalf("removeTree: %v", err)
	}
	if _, err := os.Lstat(top); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if _, err := os.Lstat(precious); err != nil {
		t.Errorf("a link was followed: %v", err)
	}
	if err := removeTree(parent, "run"); err != nil {
		t.Errorf("removing what is gone: %v", err)
	}
}

// A tree deeper than paths are long and than files may be open.
func TestRemoveDeepTree(t *testing.T) {
	parent := t.TempDir()
	fd, err := unix.Open(parent, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	name := "run"
	for range 3000 {
		if err := unix.Mkdirat(fd, name, 0o700); err != nil {
			t.Fatal(err)
		}
		next, err := unix.Openat(fd, name, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
		fd, name = next, strings.Repeat("d", 50)
	}
	unix.Close(fd)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 256, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	if err := removeTree(parent, "run"); err != nil {
		t.Fatalf("removeTree: %v", err)
	}
	if left, _ := os.ReadDir(parent); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A link in the place of the run's folder is an error.
func TestRemoveTreeLink(t *testing.T) {
	parent, outside := t.TempDir(), t.TempDir()
	write(t, filepath.Join(outside, "precious"))
	if err := os.Symlink(outside, filepath.Join(parent, "run")); err != nil {
		t.Fatal(err)
	}
	if err := removeTree(parent, "run"); err == nil {
		t.Error("a link was taken for a run's folder")
	}
	if _, err := os.Lstat(filepath.Join(outside, "precious")); err != nil {
		t.Errorf("the link was followed: %v", err)
	}
}

// Another mount within the tree is not entered, be it of the same file system.
func TestRemoveTreeMount(t *testing.T) {
	parent, outside := t.TempDir(), t.TempDir()
	write(t, filepath.Join(outside, "precious"))
	at := filepath.Join(parent, "run", "mounted")
	mkdir(t, at)
	if err := unix.Mount(outside, at, "", unix.MS_BIND, ""); err != nil {
		t.Skip("cannot mount: ", err)
	}
	t.Cleanup(func() { unix.Unmount(at, unix.MNT_DETACH) })
	if err := removeTree(parent, "run"); err == nil {
		t.Error("a tree with a mount in it was removed")
	}
	if _, err := os.Lstat(filepath.Join(outside, "precious")); err != nil {
		t.Errorf("the mount was entered: %v", err)
	}
}

func TestRemoveTreeImmutable(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "run", "dir")
	mkdir(t, dir)
	write(t, filepath.Join(dir, "file"))
	for _, name := range []string{filepath.Join(dir, "file"), dir} {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, 0x10)
		f.Close()
		if err != nil {
			t.Skip("this file system knows no immutable files: ", err)
		}
	}
	if err := removeTree(parent, "run"); err != nil {
		t.Errorf("removeTree: %v", err)
	}
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
}
