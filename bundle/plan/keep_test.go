package plan

import (
	"os"
	"path/filepath"
	"testing"

	"satchel/bundle/store"
	"satchel/manifest"
)

// TestKeepLeavesWhatIsThere: a sound blob stays the file that it is, a damaged
// one of the same size is replaced.
func TestKeepLeavesWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p := &Planner{Store: s}
	data := []byte("Suite: stable\n")
	hex := manifest.Sum(data).Hex()
	name := filepath.Join(dir, "sha256", hex[:2], hex)
	keep := func() os.FileInfo {
		t.Helper()
		b, err := p.keep(t.Context(), data)
		if err != nil || b != (manifest.Blob{SHA256: manifest.Sum(data), Size: int64(len(data))}) {
			t.Fatalf("got %v, %v", b, err)
		}
		fi, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return fi
	}
	first := keep()
	if !os.SameFile(first, keep()) {
		t.Error("a sound blob was written again")
	}
	if err := os.Chmod(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, flipped(data, 3), 0o600); err != nil {
		t.Fatal(err)
	}
	keep()
	if got, err := os.ReadFile(name); err != nil || string(got) != string(data) {
		t.Errorf("a damaged blob is now %q, %v", got, err)
	}
}
