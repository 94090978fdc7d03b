package enginetest

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"satchel/manifest"
	"satchel/runner"
	"satchel/runner/enginetest/wire"
)

// A container with the probe in it. Every call fails the test when the
// container does not answer.
type container struct {
	t testing.TB
	runner.Process
	out    *bufio.Reader
	docker bool
}

// start starts a container and closes it at the end of the test.
func (s *suite) start(t *testing.T, e runner.Engine, c runner.Container) *container {
	t.Helper()
	return s.startContext(t, t.Context(), e, c)
}

func (s *suite) startContext(t *testing.T, ctx context.Context, e runner.Engine, c runner.Container) *container {
	t.Helper()
	p, err := e.Start(ctx, c)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return newContainer(t, e, p)
}

func newContainer(t testing.TB, e runner.Engine, p runner.Process) *container {
	return &container{t: t, Process: p, docker: e.Name() == "docker", out: bufio.NewReaderSize(p.Stdout(), 1<<20)}
}

// one starts a container with an empty root in an engine of its own.
func (s *suite) one(t *testing.T, c runner.Container) *container {
	t.Helper()
	return s.start(t, s.engine(t), c)
}

// send asks without waiting for an answer.
func (c *container) send(q wire.Request) {
	c.t.Helper()
	b, err := json.Marshal(q)
	if err == nil {
		_, err = c.Stdin().Write(append(b, '\n'))
	}
	if err != nil {
		c.t.Fatalf("asking for %s: %v", q.Op, err)
	}
}

// ask asks and returns the answer, be it a refusal.
func (c *container) ask(q wire.Request) wire.Reply {
	c.t.Helper()
	c.send(q)
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		code, werr := c.Wait()
		c.t.Fatalf("%s: no answer: %v; the init ended with %d, %v", q.Op, err, code, werr)
	}
	var r wire.Reply
	if err := json.Unmarshal(line, &r); err != nil {
		c.t.Fatalf("%s: answer %.200q: %v", q.Op, line, err)
	}
	return r
}

// must asks for what must go well.
func (c *container) must(q wire.Request) wire.Reply {
	c.t.Helper()
	r := c.ask(q)
	if r.Error != "" {
		c.t.Fatalf("%s %s: %s", q.Op, q.Path, r.Error)
	}
	return r
}

// read returns a file's text.
func (c *container) read(path string) string {
	c.t.Helper()
	return string(c.must(wire.Request{Op: "read", Path: path}).Data)
}

// end ends the input and waits for an end with status 0.
func (c *container) end() {
	c.t.Helper()
	if err := c.Stdin().Close(); err != nil {
		c.t.Fatalf("closing stdin: %v", err)
	}
	if rest, err := io.ReadAll(c.out); err != nil || len(rest) > 0 {
		c.t.Fatalf("after the end: %q, %v", rest, err)
	}
	if code, err := c.Wait(); code != 0 || err != nil {
		c.t.Fatalf("Wait: %d, %v; want 0, nil", code, err)
	}
}

// field returns the value of a line "Name:\tvalue" of /proc/…/status.
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// within fails the test when f takes longer.
func within(t *testing.T, limit time.Duration, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("%s takes longer than %v", what, limit)
	}
}

// eventually waits until f says "".
func eventually(t *testing.T, limit time.Duration, f func() string) {
	t.Helper()
	end := time.Now().Add(limit)
	for {
		why := f()
		if why == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after %v: %s", limit, why)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// key makes a digest out of a name.
func key(name string) manifest.Digest { return manifest.Sum([]byte(name)) }
