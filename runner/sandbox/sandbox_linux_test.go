package sandbox_test

import (
	"context"
	"os"
	"testing"

	"satchel/runner"
	"satchel/runner/enginetest"
	"satchel/runner/sandbox"
)

func TestMain(m *testing.M) {
	if code := sandbox.Main(os.Args); code >= 0 {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

func open(t *testing.T, init string) runner.Engine {
	t.Helper()
	e, err := sandbox.New(sandbox.Options{Dir: enginetest.Dir(t), Init: init})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Check(t.Context()); err != nil {
		if os.Getenv("SATCHEL_CI") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() {
		if !enginetest.IsVictim() {
			discardAll(t, e)
		}
	})
	return e
}

// discardAll removes the environments and remains that a test kept: without root their
// files are none of this user's.
func discardAll(t *testing.T, e *sandbox.Engine) {
	t.Helper()
	items, err := e.Items(context.Background())
	if err != nil {
		t.Error(err)
	}
	for _, i := range items {
		if i.Kind != "environment" && i.Kind != "failed" {
			continue
		}
		if err := e.Discard(context.Background(), i); err != nil {
			t.Error(err)
		}
	}
}

func TestEngine(t *testing.T) { enginetest.Run(t, open) }

func BenchmarkEngine(b *testing.B) {
	enginetest.Bench(b, func(init string) (runner.Engine, error) {
		e, err := sandbox.New(sandbox.Options{Dir: b.TempDir(), Init: init})
		if err != nil {
			return nil, err
		}
		return e, e.Check(b.Context())
	})
}

// What cannot be left for want of room leaves nothing; what the container wrote is moved, and
// takes no room again.
func TestLeaveFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it takes root to mount a small disk")
	}
	dir, disk := t.TempDir(), int64(48<<20)
	enginetest.SmallDisk(t, dir, disk)
	enginetest.LeaveFull(t, func(t *testing.T, init string) runner.Engine {
		e, err := sandbox.New(sandbox.Options{Dir: dir + "/sandbox", Init: init})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { discardAll(t, e) })
		return e
	}, disk, false)
}
