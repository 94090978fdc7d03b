package enginetest

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"satchel/manifest"
	"satchel/runner"
	"satchel/runner/enginetest/wire"
)

// Kinds of file, as in st_mode.
const (
	typeMask = 0o170000
	typeDir  = 0o040000
	typeFIFO = 0o010000
	typeBlk  = 0o060000
	typeChr  = 0o020000
)

// capability is a value of security.capability: CAP_NET_BIND_SERVICE, effective, version 2.
var capability = []byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

// furnish makes a small tree with everything in it that must survive Keep.
func furnish(c *container) {
	c.t.Helper()
	for _, q := range []wire.Request{
		{Op: "mkdir", Path: "/usr", Mode: 0o755},
		{Op: "mkdir", Path: "/tmp", Mode: 0o1777},
		{Op: "mkdir", Path: "/home", Mode: 0o2750, UID: 1000, GID: 1001},
		{Op: "write", Path: "/usr/sudo", Data: []byte("#!"), Mode: 0o4711},
		{Op: "write", Path: "/home/own", Data: []byte("mine"), Mode: 0o640, UID: 1000, GID: 1001},
		{Op: "write", Path: "/home/large-id", Mode: 0o600, UID: 65534, GID: 65534},
		{Op: "write", Path: "/usr/bound", Data: []byte("x"), Mode: 0o755},
		{Op: "setxattr", Path: "/usr/bound", To: "security.capability", Data: capability},
		{Op: "write", Path: "/usr/with\nnewline", Mode: 0o644},
		{Op: "link", Path: "/usr/hard", To: "/home/own"},
		{Op: "symlink", Path: "/usr/soft", To: "../../home/own"},
		{Op: "symlink", Path: "/usr/dangling", To: "/nowhere"},
		{Op: "mknod", Path: "/usr/fifo", Mode: typeFIFO | 0o600},
		{Op: "write", Path: "/etc/passwd", Data: []byte("root:x:0:0::/:/bin/sh\n"), Mode: 0o644},
		{Op: "stamp", Path: "/home/own", Mode: 0o640, UID: 1000, GID: 1001, Time: 1234567890},
		{Op: "stamp", Path: "/usr", Mode: 0o755, Time: 1234567891},
		{Op: "stamp", Path: "/home", Mode: 0o2750, UID: 1000, GID: 1001, Time: 1234567892},
		{Op: "stamp", Path: "/etc", Mode: 0o755, Time: 1234567893},
		{Op: "stamp", Path: "/", Mode: 0o755, Time: 1234567894},
	} {
		c.must(q)
	}
}

// own are the names that the engine, not the environment, puts into a root.
func own(path string) bool {
	for _, p := range []string{"/.satchel", "/dev", "/proc", "/sys", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/etc/mtab", "/.dockerenv", "/run/.containerenv"} {
		if path == p || strings.HasPrefix(path, p+"/") {
			return true
		}
	}
	return false
}

// tree lists the root without what belongs to the engine, one line a file.
func tree(c *container) (lines []string) {
	c.t.Helper()
	first := map[uint64]string{} // of hard links
	for _, f := range c.must(wire.Request{Op: "list", Path: "/"}).Files {
		if own(f.Path) {
			continue
		}
		size, nlink := f.Size, f.Nlink
		if f.Mode&typeMask == typeDir {
			size, nlink = 0, 0 // as the file system likes
		}
		// Docker's commit leaves out the root folder itself, and makes /etc anew.
		if date := f.Path != "/" && f.Path != "/etc"; !date && c.docker {
			f.Time = 0
		}
		same := f.Path
		if nlink > 1 {
			if s, ok := first[f.Ino]; ok {
				same = s
			}
			first[f.Ino] = same
		}
		lines = append(lines, fmt.Sprintf("%q %o %d:%d size %d time %d links %d rdev %d to %q same as %q xattrs %v",
			f.Path, f.Mode, f.UID, f.GID, size, f.Time, nlink, f.Rdev, f.Link, same, f.Xattrs))
	}
	return lines
}

// kept makes an environment with the given key.
func (s *suite) kept(t *testing.T, e runner.Engine, name string) (runner.Environment, []string) {
	t.Helper()
	c := s.start(t, e, runner.Container{})
	furnish(c)
	lines := tree(c)
	c.end()
	env := runner.Environment{Key: key(name), Root: key(name + " root")}
	if err := c.Keep(t.Context(), env); err != nil {
		t.Fatalf("Keep: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	return env, lines
}

func diff(t *testing.T, got, want []string) {
	t.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	t.Errorf("got tree\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
}

// keepTests are about environments.
var keepTests = map[string]func(*testing.T, *suite){
	"environment": func(t *testing.T, s *suite) {
		e := s.engine(t)
		if env, ok, err := e.Environment(t.Context(), key("environment")); ok || err != nil {
			t.Fatalf("before Keep: %v, %v, %v", env, ok, err)
		}
		want, before := s.kept(t, e, "environment")
		got, ok, err := e.Environment(t.Context(), want.Key)
		if got != want || !ok || err != nil {
			t.Fatalf("after Keep: %v, %v, %v; want %v", got, ok, err, want)
		}
		again := s.open(t, s.init) // what another satchel sees
		if got, ok, err := again.Environment(t.Context(), want.Key); got != want || !ok || err != nil {
			t.Errorf("another engine: %v, %v, %v; want %v", got, ok, err, want)
		}
		c := s.start(t, e, runner.Container{Environment: want.Key})
		diff(t, tree(c), before)
		for path, text := range map[string]string{"/home/own": "mine", "/usr/soft": "mine", "/usr/hard": "mine"} {
			if got := c.read(path); got != text {
				t.Errorf("%s: %q, want %q", path, got, text)
			}
		}
	},

	"other-users": func(t *testing.T, s *suite) { s.otherUsers(t) },

	"changes-stay-outside": func(t *testing.T, s *suite) {
		e := s.engine(t)
		env, want := s.kept(t, e, "changes")
		first := s.start(t, e, runner.Container{Environment: env.Key})
		for _, q := range []wire.Request{
			{Op: "write", Path: "/home/own", Data: []byte("theirs"), Mode: 0o777},
			{Op: "remove", Path: "/usr/soft"},
			{Op: "rename", Path: "/usr/sudo", To: "/usr/sudoer"},
			{Op: "write", Path: "/etc/new", Mode: 0o644},
			{Op: "setxattr", Path: "/usr/bound", To: "user.mark", Data: []byte("x")},
			{Op: "stamp", Path: "/", Mode: 0o711, Time: 5},
		} {
			first.must(q)
		}
		// Some file systems cannot rename a folder that was there before.
		if r := first.ask(wire.Request{Op: "rename", Path: "/usr", To: "/usr2"}); r.Error != "" && r.Errno != int(unix.EXDEV) {
			t.Errorf("rename: %s", r.Error)
		}
		second := s.start(t, e, runner.Container{Environment: env.Key}) // at the same time
		diff(t, tree(second), want)
		first.end()
		if err := first.Keep(t.Context(), runner.Environment{Key: key("second"), Root: key("x")}); err == nil {
			diff(t, tree(s.start(t, e, runner.Container{Environment: key("second")})), nil) // if it can be kept, then changed
		}
		first.Close()
		diff(t, tree(s.start(t, e, runner.Container{Environment: env.Key})), want)
	},

	"keep-refuses": func(t *testing.T, s *suite) {
		e := s.engine(t)
		c := s.start(t, e, runner.Container{})
		env := runner.Environment{Key: key("refuses"), Root: key("root")}
		if c.Keep(t.Context(), env) == nil {
			t.Error("Keep while the init runs went well")
		}
		c.end()
		if c.Keep(t.Context(), runner.Environment{Key: env.Key}) == nil {
			t.Error("Keep without a root's digest went well")
		}
		if c.Keep(t.Context(), runner.Environment{Root: env.Root}) == nil {
			t.Error("Keep without a key went well")
		}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		if c.Keep(cancelled, env) == nil {
			t.Error("Keep after cancelling went well")
		}
		if got, ok, err := e.Environment(t.Context(), env.Key); ok || err != nil {
			t.Errorf("after refusals: %v, %v, %v", got, ok, err)
		}
		if c.Leave(t.Context(), left(env, 1)) == nil {
			t.Error("Leave of a container with an empty root went well")
		}
		if err := c.Keep(t.Context(), env); err != nil {
			t.Errorf("Keep after refusals: %v", err)
		}
		c.Close()
		if c.Keep(t.Context(), env) == nil {
			t.Error("Keep after Close went well")
		}
	},

	"keep-twice": func(t *testing.T, s *suite) {
		e := s.engine(t)
		env := runner.Environment{Key: key("twice"), Root: key("first")}
		var made [4]*container
		for i := range made {
			made[i] = s.start(t, e, runner.Container{})
			made[i].must(wire.Request{Op: "write", Path: "/mark", Data: fmt.Append(nil, i), Mode: 0o644})
			made[i].end()
		}
		if err := made[0].Keep(t.Context(), env); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for _, c := range made[1:] {
			wg.Go(func() {
				if err := c.Keep(t.Context(), runner.Environment{Key: env.Key, Root: key("later")}); err != nil {
					t.Errorf("Keep of what is there: %v", err)
				}
			})
		}
		wg.Wait()
		if got, ok, err := e.Environment(t.Context(), env.Key); got != env || !ok || err != nil {
			t.Errorf("Environment: %v, %v, %v; want the first one, %v", got, ok, err, env)
		}
		if got := s.start(t, e, runner.Container{Environment: env.Key}).read("/mark"); got != "0" {
			t.Errorf("/mark: %q, want what was kept first", got)
		}
	},

	// Several at a time make the same environment: one wins, and it is whole.
	"keep-race": func(t *testing.T, s *suite) {
		e := s.engine(t)
		k := key("race")
		var wg sync.WaitGroup
		for i := range 3 {
			c := s.start(t, e, runner.Container{})
			c.must(wire.Request{Op: "write", Path: "/mark", Data: []byte(key(fmt.Sprint(i)).Hex()), Mode: 0o644})
			c.end()
			wg.Go(func() {
				if err := c.Keep(t.Context(), runner.Environment{Key: k, Root: key(fmt.Sprint(i))}); err != nil {
					t.Errorf("Keep: %v", err)
				}
			})
		}
		wg.Wait()
		got, ok, err := e.Environment(t.Context(), k)
		if !ok || err != nil {
			t.Fatalf("Environment: %v, %v", ok, err)
		}
		mark := s.start(t, e, runner.Container{Environment: k}).read("/mark")
		if mark != got.Root.Hex() {
			t.Errorf("the record is that of one container, the root that of another")
		}
	},

	"no-such-environment": func(t *testing.T, s *suite) {
		e := s.engine(t)
		p, err := e.Start(t.Context(), runner.Container{Environment: key("nowhere")})
		if err == nil {
			p.Close()
			t.Fatal("Start from an environment that is not there went well")
		}
		if !strings.Contains(err.Error(), key("nowhere").Hex()) {
			t.Errorf("error %q does not name the environment", err)
		}
		if _, _, err := e.Environment(t.Context(), manifest.Digest{}); err == nil {
			t.Error("the zero key names an environment")
		}
	},
}
