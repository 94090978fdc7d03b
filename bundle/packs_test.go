package bundle

import (
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"satchel/bundle/source"
	"satchel/bundle/store"
	"satchel/manifest"
)

// TestPacks: a bundle whose pack is not what the lock says of it is refused,
// whoever signed it.
func TestPacks(t *testing.T) {
	tool(t, "git")
	repo := filepath.Join(t.TempDir(), "repo")
	if out, err := exec.Command("../examples/tally/make-repository", repo).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	lockAt := func(ref string) (manifest.SourcePin, []byte) {
		pin, err := source.Lock(t.Context(), source.Remote{Dir: "tally", URL: repo, Ref: ref, Local: true}, source.Options{Work: t.TempDir(), Git: git, Env: []string{"PATH=/usr/bin:/bin"}}, s)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Open(pin.Pack)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return pin, b
	}
	tagged, taggedPack := lockAt("v1.0")
	first, firstPack := lockAt(firstCommit(t, repo))
	for name, c := range map[string]struct {
		change func(p *manifest.SourcePin) []byte
		want   string
	}{
		"untouched":      {func(*manifest.SourcePin) []byte { return taggedPack }, ""},
		"another commit": {func(p *manifest.SourcePin) []byte { p.Commit = first.Commit; return taggedPack }, "source tally"},
		"other pack":     {func(*manifest.SourcePin) []byte { return firstPack }, "source tally"},
		"no tag object":  {func(p *manifest.SourcePin) []byte { p.Tag = ""; return taggedPack }, "source tally"},
		"another date":   {func(p *manifest.SourcePin) []byte { p.Date = "2001-01-01 00:00:00"; return taggedPack }, "is dated"},
		"not a pack":     {func(*manifest.SourcePin) []byte { return []byte("PACK but not one") }, "source tally"},
	} {
		t.Run(name, func(t *testing.T) {
			fix := newFixture(t)
			pin := tagged
			pin.URL = "https://example.org/tally.git"
			pin.Pack = fix.blobs.add(c.change(&pin))
			fix.lock.Descriptors[0].Sources = []manifest.SourcePin{pin}
			_, _, err := open(t, fix.write(t)).Verify(t.Context(), Policy{Unsigned: true}, nil)
			if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrArchive) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// firstCommit is the commit before the tag.
func firstCommit(t *testing.T, repo string) string {
	t.Helper()
	out, err := exec.Command("git", "-C", repo, "rev-parse", "HEAD~1").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
