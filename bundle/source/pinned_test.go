package source

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestFetch fulfils pins after everything upstream has moved.
func TestFetch(t *testing.T) {
	a, _, c := family(t)
	a.git("tag", "-a", "-m", "one", "v1")
	a.git("tag", "light")
	for _, ref := range []string{"master", "v1", "light"} {
		want, stored := lockOf(t, a, ref, options(t))
		old := a.git("rev-parse", ref)
		a.commit("moved", "moved by "+ref)
		c.commit("moved", "moved by "+ref)
		if ref != "master" {
			a.git("tag", "-f", "-a", "-m", "moved", ref)
			a.git("update-ref", "refs/kept/"+ref, old) // still there, under another name
		}
		store := newStore()
		if err := Fetch(t.Context(), want, true, options(t), store); err != nil {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		if len(store.blobs) != len(stored.blobs) || len(store.blobs) != 3 {
			t.Errorf("%s: %d blobs, want %d", ref, len(store.blobs), len(stored.blobs))
		}
		other := want
		other.Pack.Size++
		if err := Fetch(t.Context(), other, true, options(t), newStore()); !errors.Is(err, ErrOtherPack) {
			t.Errorf("%s: another pack: got %v", ref, err)
		}
		other = want
		other.Submodules = slices.Clone(want.Submodules)
		other.Submodules[1].Commit = strings.Repeat("12", 20)
		if err := Fetch(t.Context(), other, true, options(t), newStore()); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: another submodule: got %v", ref, err)
		}
		other = want
		other.Tag = a.git("rev-parse", "master")
		if err := Fetch(t.Context(), other, true, options(t), newStore()); err == nil {
			t.Errorf("%s: another tag was taken", ref)
		}
		if err := Fetch(t.Context(), want, false, options(t), newStore()); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: a path that nobody allowed: got %v", ref, err)
		}
	}
}
