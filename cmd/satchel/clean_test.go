package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestCleanKnowsPools: what lock keeps of indexes is removed, and nothing beside it.
func TestCleanKnowsPools(t *testing.T) {
	cache := t.TempDir()
	if items, err := poolItems(cache); err != nil || len(items) > 0 {
		t.Fatalf("in an empty cache: %v, %v", items, err)
	}
	if err := os.Mkdir(filepath.Join(cache, "index"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.pool", "b.new", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(cache, "index", name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	items, err := poolItems(cache)
	if err != nil || len(items) != 2 {
		t.Fatalf("got %v, %v; want two", items, err)
	}
	for _, k := range items {
		if k.live || k.Kind != "index" || k.Size == 0 {
			t.Errorf("got %+v", k)
		}
		if err := k.discard(t.Context()); err != nil {
			t.Error(err)
		}
	}
	left, err := os.ReadDir(filepath.Join(cache, "index"))
	if err != nil || len(left) != 1 || left[0].Name() != "notes.txt" {
		t.Errorf("left: %v, %v", left, err)
	}
}
