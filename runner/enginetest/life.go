package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"satchel/runner"
	"satchel/runner/enginetest/wire"
)

// lifeTests are about the end of containers.
var lifeTests = map[string]func(*testing.T, *suite){
	"close-kills": func(t *testing.T, s *suite) {
		c := s.one(t, runner.Container{})
		mark := newMark()
		if r := c.ask(wire.Request{Op: "spawn", N: 5, Path: mark}); r.N != 5 {
			t.Fatalf("spawned %d: %s", r.N, r.Error)
		}
		within(t, 30*time.Second, "Close", func() {
			for range 2 {
				if err := c.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}
		})
		eventually(t, 5*time.Second, func() string { return alive(mark) })
		if code, err := c.Wait(); code == 0 || err == nil {
			t.Errorf("Wait after Close: %d, %v", code, err)
		}
	},

	"stubborn": func(t *testing.T, s *suite) {
		c := s.one(t, runner.Container{})
		c.send(wire.Request{Op: "stubborn"})
		if line, err := c.out.ReadString('\n'); line != "stubborn\n" {
			t.Fatalf("%q, %v", line, err)
		}
		within(t, 15*time.Second, "Close", func() {
			if err := c.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	},

	"children-end-with-init": func(t *testing.T, s *suite) {
		c := s.one(t, runner.Container{})
		mark := newMark()
		c.ask(wire.Request{Op: "spawn", N: 3, Path: mark})
		c.end()
		eventually(t, 5*time.Second, func() string { return alive(mark) })
	},

	"cancel": func(t *testing.T, s *suite) {
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		c := s.startContext(t, ctx, s.engine(t), runner.Container{})
		mark := newMark()
		c.ask(wire.Request{Op: "spawn", N: 2, Path: mark})
		c.send(wire.Request{Op: "flicker"})
		go func() { time.Sleep(50 * time.Millisecond); cancel(cause) }()
		within(t, 30*time.Second, "the end of the output", func() { io.Copy(io.Discard, c.out) })
		code, err := c.Wait()
		if code == 0 || !errors.Is(err, cause) {
			t.Errorf("Wait: %d, %v; want an error that is the context's cause", code, err)
		}
		eventually(t, 5*time.Second, func() string { return alive(mark) })
	},

	"cancelled-start": func(t *testing.T, s *suite) {
		e := s.engine(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if p, err := e.Start(ctx, runner.Container{}); err == nil {
			p.Close()
			t.Error("Start after cancelling went well")
		} else if !errors.Is(err, context.Canceled) {
			t.Errorf("Start: %v, want the context's error", err)
		}
	},

	// The context ends at any moment of Start: nothing stays.
	"cancel-during-start": func(t *testing.T, s *suite) {
		e := s.engine(t)
		begin := time.Now()
		s.start(t, e, runner.Container{}).Close()
		whole := time.Since(begin)
		for i := range 6 {
			ctx, cancel := context.WithTimeout(t.Context(), whole*time.Duration(i)/6)
			p, err := e.Start(ctx, runner.Container{})
			if err == nil {
				p.Close()
			}
			cancel()
		}
	},

	"nothing-of-it-left": func(t *testing.T, s *suite) {
		e := s.engine(t)
		c := s.start(t, e, runner.Container{})
		c.must(wire.Request{Op: "mkdir", Path: "/d", Mode: 0})
		c.must(wire.Request{Op: "write", Path: "/d/f", Mode: 0})
		dir := "/d"
		for range 40 { // deeper than a path can be long, in the end
			dir += "/" + strings.Repeat("n", 90)
			c.must(wire.Request{Op: "mkdir", Path: dir, Mode: 0o700})
		}
		if err := c.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		mounts, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Skip("no /proc here:", err)
		}
		for line := range strings.Lines(string(mounts)) {
			if strings.Contains(line, os.Getenv(dirVar)) || strings.Contains(line, ".satchel") {
				t.Errorf("mounted on the host: %s", line)
			}
		}
	},

	// satchel is killed while a container runs: the container ends by itself,
	// and the next satchel removes what is left.
	"killed": func(t *testing.T, s *suite) {
		e := s.engine(t)
		t.Setenv(initVar, s.init)
		mark := newMark()
		c := exec.Command("/proc/self/exe", "-test.run=^"+strings.ReplaceAll(strings.SplitN(t.Name(), "/", 2)[0], "/", "$/^")+"$")
		c.Env = append(os.Environ(), victimVar+"="+mark)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ready := make(chan string, 1)
		go func() {
			b := make([]byte, 4096)
			n, _ := io.ReadAtLeast(out, b, len("ready\n"))
			ready <- string(b[:n])
			io.Copy(io.Discard, out)
		}()
		select {
		case got := <-ready:
			if !strings.HasPrefix(got, "ready") {
				t.Fatalf("the program to be killed says %q", got)
			}
		case <-time.After(time.Minute):
			c.Process.Kill()
			t.Fatal("the program to be killed does not begin")
		}
		if alive(mark) == "" {
			t.Error("the test cannot see the container's processes")
		}
		c.Process.Kill()
		c.Wait()
		eventually(t, 20*time.Second, func() string { return alive(mark) })
		s.start(t, e, runner.Container{}).end()
	},
}

// victim is the program that the test above kills.
func victim(t *testing.T, open Opener) {
	if strings.HasPrefix(os.Getenv(victimVar), leaving) {
		leaver(t, open)
		return
	}
	s := &suite{open: open, init: BuildProbe(t)}
	e := s.open(t, s.init)
	p, err := e.Start(context.Background(), runner.Container{})
	if err != nil {
		fmt.Println("Start:", err)
		return
	}
	c := &container{t: t, Process: p, out: nil}
	c.send(wire.Request{Op: "spawn", N: 3, Path: os.Getenv(victimVar)})
	var b [1]byte
	p.Stdout().Read(b[:])
	fmt.Println("ready")
	time.Sleep(time.Minute)
}

func newMark() string { return fmt.Sprintf("mark-%d-%d", os.Getpid(), time.Now().UnixNano()) }

// alive returns the processes on this machine that were started with the
// mark, "" if there is none.
func alive(mark string) string {
	var found []string
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err == nil && bytes.Contains(text, []byte("guest\x00child\x00"+mark)) {
			found = append(found, filepath.Base(filepath.Dir(p)))
		}
	}
	if len(found) == 0 {
		return ""
	}
	return "still running: " + strings.Join(found, " ")
}
