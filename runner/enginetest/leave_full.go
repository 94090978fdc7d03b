package enginetest

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"satchel/runner"
	"satchel/runner/enginetest/wire"
)

// SmallDisk mounts a file system of so many bytes at dir, which it makes if it is not there,
// until the test ends.
func SmallDisk(t *testing.T, dir string, bytes int64) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("satchel-test", dir, "tmpfs", 0, fmt.Sprint("size=", bytes)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
}

// LeaveFull has containers of the engine, which keeps everything on a disk of so many
// bytes, fill that disk, and leaves them: it says that there is no room, lists nothing, and
// is none the worse for it. Where it needs more room than the container wrote (twice), a disk
// that is full by two thirds is too small, too; where it does not, that can be left.
func LeaveFull(t *testing.T, open Opener, disk int64, twice bool) {
	s := &suite{open: open, init: BuildProbe(t), rows: Rows{}}
	e := s.engine(t)
	env, _ := s.kept(t, e, "leave-full")
	for n, c := range []struct {
		name string
		most int64
		fits bool
	}{{"full", disk, false}, {"two thirds", disk * 2 / 3, !twice}} {
		r := left(env, int64(n))
		from := s.start(t, e, runner.Container{Environment: env.Key})
		wrote := fill(from, c.most)
		from.end()
		err := from.Leave(t.Context(), r)
		t.Logf("%s: %d bytes of %d written: %v", c.name, wrote, disk, err)
		if got := names(t, e); c.fits && (err != nil || len(got) != 1) || !c.fits && (err == nil || !strings.Contains(err.Error(), "no space left on device") || len(got) > 0) {
			t.Errorf("%s: Leave: %v; listed %q", c.name, err, got)
		}
		if err := from.Close(); err != nil {
			t.Errorf("%s: Close: %v", c.name, err)
		}
		s.forget(t, e)
	}
	r := left(env, 7) // there is room again
	want := s.leave(t, e, r, change)
	diff(t, tree(s.start(t, e, runner.Container{Environment: env.Key, Remains: r.Name})), want)
}

// fill writes until there is no room, or most bytes are written.
func fill(c *container, most int64) (wrote int64) {
	c.t.Helper()
	piece := make([]byte, 1<<20)
	for ; wrote < most; wrote += int64(len(piece)) {
		r := c.ask(wire.Request{Op: "write", Path: fmt.Sprint("/usr/bulk-", wrote), Data: piece, Mode: 0o600})
		if r.Errno == int(unix.ENOSPC) {
			break
		}
		if r.Error != "" {
			c.t.Fatalf("writing: %s", r.Error)
		}
	}
	return wrote
}
