package sandbox

import (
	"os"
	"path/filepath"
	"testing"
)

// What is kept is listed, what is used stays, and the rest can be discarded.
func TestItems(t *testing.T) {
	e := newEngine(t)
	key := testEnv.Key
	dir := e.path("environments", key.Hex())
	mkdir(t, filepath.Join(dir, rootName, "etc"))
	write(t, filepath.Join(dir, rootName, "etc", "file"))
	if err := writeRecord(dir, testEnv, ""); err != nil {
		t.Fatal(err)
	}
	mkdir(t, e.path("environments", "mine"))
	live, err := e.newRun()
	if err != nil {
		t.Fatal(err)
	}
	held, err := e.hold(key)
	if err != nil {
		t.Fatal(err)
	}
	items, err := e.Items(t.Context())
	if err != nil || len(items) != 2 || items[0].Kind != "environment" || items[1].Kind != "run" || items[0].Size == 0 {
		t.Fatalf("items %+v, %v", items, err)
	}
	for _, i := range items {
		if !i.Live {
			t.Errorf("%s is not in use, it says", i.Kind)
		}
		if err := e.Discard(t.Context(), i); err == nil {
			t.Errorf("discarded a %s that is in use", i.Kind)
		}
	}
	if _, ok, err := e.Environment(t.Context(), key); !ok || err != nil {
		t.Fatalf("the environment in use: %v, %v", ok, err)
	}
	held.Close()
	live.lock.Close()
	for _, i := range items {
		for range 2 {
			if err := e.Discard(t.Context(), i); err != nil {
				t.Errorf("discarding a %s: %v", i.Kind, err)
			}
		}
	}
	if left, err := e.Items(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
	if _, err := e.hold(key); err == nil {
		t.Error("an environment that was discarded can be used")
	}
	if _, err := os.Stat(e.path("environments", "mine")); err != nil {
		t.Errorf("something of somebody else: %v", err)
	}
	if err := e.Discard(t.Context(), Item{Kind: "run", Name: "../environments"}); err == nil {
		t.Error("discarded by a path")
	}
}
