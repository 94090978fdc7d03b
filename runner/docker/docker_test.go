package docker_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
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
