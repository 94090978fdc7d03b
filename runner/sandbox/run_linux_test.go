package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func newEngine(t *testing.T) *Engine {
	t.Helper()
	e, err := New(Options{Dir: filepath.Join(t.TempDir(), "state"), Init: "/proc/self/exe"})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{e.dir, e.path("runs"), e.path("environments")} {
		if err := privateDir(d); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// Sweep removes what was left behind, and only that.
func TestSweep(t *testing.T) {
	e := newEngine(t)
	live, err := e.newRun()
	if err != nil {
		t.Fatal(err)
	}
	defer live.lock.Close()
	stale, err := e.newRun()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stale.mkdir("upper", 0o755); err != nil {
		t.Fatal(err)
	}
	stale.lock.Close() // its program dies
	unfinished := e.path("runs", "00112233aabbccdd")
	mkdir(t, unfinished) // its program died before it had a lock
	foreign := []string{e.path("runs", "mine"), e.path("runs", "00112233AABBCCDD"), e.path("runs", "00112233aabbccdd00")}
	for _, d := range foreign {
		mkdir(t, d)
	}
	link := e.path("runs", "ffffffffffffffff")
	if err := os.Symlink(foreign[0], link); err != nil {
		t.Fatal(err)
	}
	if err := e.sweep(); err != nil {
		t.Fatalf("sweep: %v", err)
	}
	for path, want := range map[string]bool{live.dir: true, stale.dir: false, unfinished: false, link: true,
		foreign[0]: true, foreign[1]: true, foreign[2]: true} {
		if _, err := os.Lstat(path); (err == nil) != want {
			t.Errorf("after sweep: %s: %v, want it there: %v", path, err, want)
		}
	}
}

// A folder that others may enter is closed; one that is not ours is refused.
func TestPrivateDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "open")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := privateDir(dir); err != nil {
		t.Fatal(err)
	}
	if st, _ := os.Stat(dir); st.Mode().Perm() != 0o700 {
		t.Errorf("mode %o, want 700", st.Mode().Perm())
	}
	link := dir + "-link"
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if privateDir(link) == nil {
		t.Error("a link was taken for the state folder")
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		if privateDir(dir) == nil {
			t.Error("another user's folder was taken for the state folder")
		}
	}
}

// The copy of the init is made once, is the init, and cannot be half there.
func TestCopyInit(t *testing.T) {
	src, dir := filepath.Join(t.TempDir(), "probe"), t.TempDir()
	build := exec.Command("go", "build", "-o", src, "satchel/runner/enginetest/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	first, err := copyInit(src, dir)
	if err != nil {
		t.Fatal(err)
	}
	if st, _ := os.Stat(first); st.Mode().Perm() != 0o555 {
		t.Errorf("mode %o, want 555", st.Mode().Perm())
	}
	if err := os.Chmod(first, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(first, 100); err != nil { // a crash
		t.Fatal(err)
	}
	again, err := copyInit(src, dir)
	if err != nil || again != first {
		t.Fatalf("again: %s, %v", again, err)
	}
	want, _ := os.Stat(src)
	if got, _ := os.Stat(again); got.Size() != want.Size() {
		t.Errorf("the copy has %d bytes, want %d", got.Size(), want.Size())
	}
	if list, _ := os.ReadDir(dir); len(list) != 1 {
		t.Errorf("the folder holds %v", list)
	}
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := copyInit(script, dir); err == nil {
		t.Error("a script was taken for the init")
	}
}
