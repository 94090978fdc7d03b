package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"satchel/runner"
	"satchel/runner/enginetest/wire"
)

// leaving is how the victim's mark begins that leaves containers until it is killed.
const leaving = "leaving-"

// left are remains with a name made of a number.
func left(env runner.Environment, n int64) runner.Remains {
	return runner.Remains{Name: fmt.Sprintf("some.thing-suite-arch-%016x", n), Environment: env, Made: time.Unix(1e9+n, 0).UTC(), Note: fmt.Sprintf(`{"n":"é%d"}`, n)}
}

// change makes of furnish's tree what a script could make of it.
func change(c *container) {
	c.t.Helper()
	for _, q := range []wire.Request{
		{Op: "write", Path: "/etc/passwd", Data: []byte("theirs"), Mode: 0o666},
		{Op: "remove", Path: "/usr/soft"},
		{Op: "remove", Path: "/home/large-id"},
		{Op: "rename", Path: "/usr/sudo", To: "/usr/sudoer"},
		{Op: "remove", Path: "/tmp"}, // and another one in its place, in which nothing of the old one shows
		{Op: "mkdir", Path: "/tmp", Mode: 0o700, UID: 1000, GID: 1000},
		{Op: "write", Path: "/tmp/secret", Data: []byte("s"), Mode: 0o600, UID: 1000, GID: 1000},
		{Op: "remove", Path: "/usr/fifo"},
		{Op: "mkdir", Path: "/usr/fifo", Mode: 0o755}, // where a file was
		{Op: "write", Path: "/usr/fifo/in", Mode: 0o4755},
		{Op: "remove", Path: "/usr/with\nnewline"},
		{Op: "symlink", Path: "/usr/with\nnewline", To: "/proc/1/root"},
		{Op: "link", Path: "/usr/second", To: "/tmp/secret"},
		{Op: "mknod", Path: "/usr/pipe", Mode: typeFIFO | 0o640},
		{Op: "write", Path: "/etc/new", Mode: 0o644},
		{Op: "stamp", Path: "/usr", Mode: 0o755, Time: 1334567891},
	} {
		c.must(q)
	}
	// Some file systems cannot rename a folder that was there before.
	if r := c.ask(wire.Request{Op: "rename", Path: "/home", To: "/house"}); r.Error != "" && r.Errno != int(unix.EXDEV) {
		c.t.Errorf("rename: %s", r.Error)
	}
}

// leave starts a container of env, has it changed, and leaves it.
func (s *suite) leave(t *testing.T, e runner.Engine, r runner.Remains, change func(*container)) (want []string) {
	t.Helper()
	c := s.start(t, e, runner.Container{Environment: r.Environment.Key})
	change(c)
	want = tree(c)
	c.end()
	if err := c.Leave(t.Context(), r); err != nil {
		t.Fatalf("Leave: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	return want
}

// forget forgets all that other tests left.
func (s *suite) forget(t *testing.T, e runner.Engine) {
	t.Helper()
	list, err := e.Remains(t.Context())
	for _, r := range list {
		err = errors.Join(err, e.Forget(t.Context(), r.Name))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// names are those of all remains, as they are listed.
func names(t *testing.T, e runner.Engine) (all []string) {
	t.Helper()
	list, err := e.Remains(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		all = append(all, r.Name)
	}
	return all
}

// forgets has what user was started from, and what is left later, forgotten.
func (s *suite) forgets(t *testing.T, e runner.Engine, user *container, from runner.Container) {
	later := left(runner.Environment{Key: from.Environment, Root: key("root")}, 7)
	s.leave(t, e, later, func(c *container) { c.must(wire.Request{Op: "remove", Path: "/usr"}) })
	if got, want := names(t, e), []string{later.Name, from.Remains}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q: the newest first", got, want)
	}
	for range 2 {
		if err := e.Forget(t.Context(), later.Name); err != nil {
			t.Errorf("Forget: %v", err)
		}
	}
	if err := e.Forget(t.Context(), from.Remains); !errors.Is(err, runner.ErrInUse) {
		t.Errorf("Forget of what is in use: %v", err)
	}
	if got, want := names(t, e), []string{from.Remains}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	if got := user.read("/etc/new"); got != "" {
		t.Errorf("what is in use has become %q", got)
	}
	user.Close()
	other, odd, gone := from, from, from
	other.Environment, odd.Remains, gone.Remains = key("another"), "../"+from.Remains, later.Name
	for _, c := range []runner.Container{gone, other, odd, {Remains: from.Remains}} {
		p, err := e.Start(t.Context(), c)
		if err == nil {
			p.Close()
			t.Errorf("Start from %q of environment %v went well", c.Remains, c.Environment)
		} else if !strings.Contains(err.Error(), c.Remains) {
			t.Errorf("Start from %q: %v, and it does not name them", c.Remains, err)
		}
	}
	if e.Forget(t.Context(), odd.Remains) == nil {
		t.Error("Forget of a path went well")
	}
	if err := e.Forget(t.Context(), from.Remains); err != nil {
		t.Errorf("Forget of what was in use: %v", err)
	}
	if got := names(t, e); len(got) > 0 {
		t.Errorf("in the end there are %q", got)
	}
}

// leaveTests are about what failed scripts leave.
var leaveTests = map[string]func(*testing.T, *suite){
	"leave": func(t *testing.T, s *suite) {
		e := s.engine(t)
		env, _ := s.kept(t, e, "leave")
		s.forget(t, e)
		r := left(env, 1)
		want := s.leave(t, e, r, change)
		for _, e := range []runner.Engine{e, s.open(t, s.init)} { // another satchel sees them, too
			if list, err := e.Remains(t.Context()); err != nil || !slices.Equal(list, []runner.Remains{r}) {
				t.Fatalf("Remains: %v, %v; want %v", list, err, r)
			}
		}
		from := runner.Container{Environment: env.Key, Remains: r.Name}
		first, second := s.start(t, e, from), s.start(t, e, from)
		diff(t, tree(first), want)
		first.must(wire.Request{Op: "remove", Path: "/usr/sudoer"})
		first.must(wire.Request{Op: "write", Path: "/etc/new", Data: []byte("more"), Mode: 0o600})
		first.must(wire.Request{Op: "write", Path: "/usr/soft", Data: []byte("again"), Mode: 0o600})
		diff(t, tree(second), want)
		first.end()
		if err := first.Leave(t.Context(), left(env, 2)); err == nil {
			t.Error("Leave of a container that was started from remains went well")
		}
		first.Close()
		s.forgets(t, e, second, from)
	},

	"leave-refuses": func(t *testing.T, s *suite) {
		e := s.engine(t)
		env, _ := s.kept(t, e, "leave-refuses")
		s.forget(t, e)
		c := s.start(t, e, runner.Container{Environment: env.Key})
		if err := c.Leave(t.Context(), left(env, 1)); !errors.Is(err, runner.ErrRuns) {
			t.Errorf("Leave while the init runs: %v", err)
		}
		c.end()
		bad := map[string]runner.Remains{"no name": left(env, 1), "a path": left(env, 1), "no number": left(env, 1), "no time": left(env, 1), "a long note": left(env, 1),
			"another environment": left(runner.Environment{Key: key("another"), Root: env.Root}, 1), "no environment": left(runner.Environment{}, 1)}
		for name, change := range map[string]func(*runner.Remains){
			"no name": func(r *runner.Remains) { r.Name = "" }, "a path": func(r *runner.Remains) { r.Name = "../" + r.Name },
			"no number": func(r *runner.Remains) { r.Name = "some-thing" }, "no time": func(r *runner.Remains) { r.Made = time.Time{} },
			"a long note": func(r *runner.Remains) { r.Note = strings.Repeat("x", runner.MaxNote+1) },
		} {
			r := bad[name]
			change(&r)
			bad[name] = r
		}
		for name, r := range bad {
			if c.Leave(t.Context(), r) == nil {
				t.Errorf("Leave with %s went well", name)
			}
		}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		if c.Leave(cancelled, left(env, 1)) == nil {
			t.Error("Leave after cancelling went well")
		}
		if list, err := e.Remains(t.Context()); err != nil || len(list) > 0 {
			t.Errorf("after refusals: %v, %v", list, err)
		}
		if err := c.Leave(t.Context(), left(env, 1)); err != nil {
			t.Errorf("Leave after refusals: %v", err)
		}
		c.Close()
		if c.Leave(t.Context(), left(env, 2)) == nil {
			t.Error("Leave after Close went well")
		}
		again := s.start(t, e, runner.Container{Environment: env.Key})
		again.end()
		if again.Leave(t.Context(), left(env, 1)) == nil {
			t.Error("Leave under a name that is taken went well")
		}
		if list, err := e.Remains(t.Context()); err != nil || len(list) != 1 {
			t.Errorf("in the end there are %v, %v; want one", list, err)
		}
	},

	// satchel is killed while it leaves containers, at any moment: what is listed is whole.
	"leave-killed": func(t *testing.T, s *suite) {
		e := s.engine(t)
		env, _ := s.kept(t, e, "leave-killed")
		s.forget(t, e)
		t.Setenv(initVar, s.init)
		kills := 3
		if e.Name() == "docker" {
			kills = 1
		}
		seen := map[string]bool{}
		before := s.runs(t, e)
		for i := range kills {
			c := exec.Command("/proc/self/exe", "-test.run=^"+strings.SplitN(t.Name(), "/", 2)[0]+"$")
			c.Env = append(os.Environ(), fmt.Sprintf("%s=%s%d", victimVar, leaving, i))
			out, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			want := "leaving\n"
			if i == kills-1 { // at the latest then one is left
				want += "left\n"
			}
			words := make([]byte, len(want))
			_, err = io.ReadFull(out, words)
			time.Sleep(time.Duration(i*i) * 5 * time.Millisecond)
			c.Process.Kill()
			go io.Copy(io.Discard, out)
			c.Wait()
			if err != nil || string(words) != want {
				t.Fatalf("the program to be killed says %q, %v", words, err)
			}
			s.start(t, s.open(t, s.init), runner.Container{}).Close() // its first start sweeps
			list, err := e.Remains(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range list {
				if seen[r.Name] {
					continue
				}
				seen[r.Name] = true
				got := s.start(t, e, runner.Container{Environment: env.Key, Remains: r.Name})
				for _, path := range []string{"/first", "/last"} {
					if text := got.read(path); text != r.Note {
						t.Errorf("%s: %s is %q, want %q", r.Name, path, text, r.Note)
					}
				}
				got.Close()
			}
		}
		if len(seen) == 0 {
			t.Error("nothing was left")
		}
		// A daemon may finish what it was making when the one who asked was killed, and
		// later than the sweep: then it is the next one that finds it.
		for range 20 {
			if len(s.runs(t, e)) <= len(before) {
				break
			}
			time.Sleep(200 * time.Millisecond)
			s.start(t, s.open(t, s.init), runner.Container{}).Close()
		}
	},
}

// runs are the containers that an engine has, where it can tell.
func (s *suite) runs(t *testing.T, e runner.Engine) []string {
	t.Helper()
	l, ok := e.(lister)
	if !ok {
		return nil
	}
	names, err := l.Runs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// leaver is the program that the test above kills.
func leaver(t *testing.T, open Opener) {
	s := &suite{open: open, init: BuildProbe(t)}
	e := s.open(t, s.init)
	env := runner.Environment{Key: key("leave-killed"), Root: key("leave-killed root")}
	for n := int64(1); ; n++ {
		p, err := e.Start(context.Background(), runner.Container{Environment: env.Key})
		if err != nil {
			fmt.Println("Start:", err)
			return
		}
		c := newContainer(t, e, p)
		r := left(env, int64(os.Getpid())<<16+n)
		c.must(wire.Request{Op: "write", Path: "/first", Data: []byte(r.Note), Mode: 0o644})
		c.must(wire.Request{Op: "write", Path: "/bulk", Data: make([]byte, 4<<20), Mode: 0o644})
		c.must(wire.Request{Op: "write", Path: "/last", Data: []byte(r.Note), Mode: 0o644})
		c.end()
		fmt.Println("leaving")
		if err := p.Leave(context.Background(), r); err != nil {
			fmt.Println("Leave:", err)
			return
		}
		fmt.Println("left")
		p.Close()
	}
}
