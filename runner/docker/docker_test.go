package docker_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/docker/docker/client"

	"satchel/runner"
	"satchel/runner/docker"
	"satchel/runner/enginetest"
)

// newEngine opens an engine under a name that nothing else on this machine
// uses: the init's path, in a temporary folder, is new for each test run.
func newEngine(t *testing.T, init string) *docker.Engine {
	t.Helper()
	sum := sha256.Sum256([]byte(init))
	e, err := docker.New(docker.Options{Init: init, Name: "satcheltest" + hex.EncodeToString(sum[:6]), Client: []client.Opt{client.FromEnv}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Check(t.Context()); err != nil {
		if os.Getenv("SATCHEL_CI") == "1" {
			t.Fatal(err)
		}
		t.Skip("no docker daemon: ", err)
	}
	return e
}

func TestEngine(t *testing.T) {
	var last *docker.Engine
	t.Cleanup(func() {
		if last != nil && !enginetest.IsVictim() {
			discardAll(t, last)
		}
	})
	enginetest.Run(t, func(t *testing.T, init string) runner.Engine {
		last = newEngine(t, init)
		return last
	})
}

// knows wants the probe of the daemon to begin so: which engine answers, and where.
func knows(t *testing.T, e *docker.Engine, want string) {
	t.Helper()
	for _, p := range e.Probes() {
		if p.Name != "daemon" {
			continue
		}
		if got, err := p.Try(t.Context()); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("it is told of %q, %v, want %q", got, err, want)
		}
		return
	}
	t.Error("no probe is about the daemon")
}

// TestKnowsDocker: the daemon of this machine is called what it is.
func TestKnowsDocker(t *testing.T) {
	e := newEngine(t, enginetest.BuildProbe(t))
	out, err := exec.Command("docker", "version", "--format", "{{(index .Server.Components 0).Name}} {{.Server.Version}}").Output()
	if err != nil {
		t.Skip("no docker command: ", err)
	}
	version, ok := strings.CutPrefix(strings.TrimSpace(string(out)), "Engine ")
	if !ok {
		t.Skipf("what answers is no Docker: %s", out)
	}
	knows(t, e, "Docker "+version+" at ")
}

// discardAll removes what the tests made, and makes sure that it was found.
func discardAll(t testing.TB, e *docker.Engine) {
	t.Helper()
	ctx := context.Background()
	items, err := e.Items(ctx)
	if err != nil {
		t.Error(err)
	}
	for _, i := range items {
		if err := e.Discard(ctx, i); err != nil {
			t.Error(err)
		}
	}
	if left, err := e.Items(ctx); err != nil || len(left) > 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
}

func BenchmarkEngine(b *testing.B) {
	enginetest.Bench(b, func(init string) (runner.Engine, error) {
		e, err := docker.New(docker.Options{Init: init, Name: "satchelbench", Client: []client.Opt{client.FromEnv}})
		if err != nil {
			return nil, err
		}
		b.Cleanup(func() { discardAll(b, e) })
		return e, e.Check(b.Context())
	})
}
