package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"satchel/bundle/source/pack"
	"satchel/manifest"
)

// lockOf locks a ref of up and checks the pack, here and with git.
func lockOf(t testing.TB, up repo, ref string, opts Options) (manifest.SourcePin, *memStore) {
	t.Helper()
	store := newStore()
	pin, err := Lock(t.Context(), Remote{Dir: "up", URL: up.dir, Ref: ref, Local: true}, opts, store)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := pack.Check(bytes.NewReader(store.blobs[pin.Pack.SHA256]), pin.Commit, pin.Tag); err != nil || c.Date != pin.Date {
		t.Errorf("Check: %+v %v, want the date %s", c, err, pin.Date)
	}
	return pin, store
}

// history makes a repository with branches, a merge, a rename, tags of tags, a
// large file and many versions of some files.
func history(t testing.TB) repo {
	up := newRepo(t)
	rng := rand.New(rand.NewPCG(1, 2))
	long := make([]byte, 60_000)
	for i := range long {
		long[i] = "abcdefgh\n"[rng.IntN(9)]
	}
	var in bytes.Buffer
	commit := func(branch string, i int, extra string) {
		fmt.Fprintf(&in, "commit refs/heads/%s\nauthor A <a@example.org> %d +0200\ncommitter C <c@example.org> %d +0200\ndata 4\nmsg\n\n%s",
			branch, 1300000000+i, 1300000100+i, extra)
	}
	file := func(name, text string) { fmt.Fprintf(&in, "M 100644 inline %s\ndata %d\n%s\n", name, len(text), text) }
	for i := range 40 {
		branch, extra := "master", ""
		switch {
		case i == 10:
			branch, extra = "side/branch", "from refs/heads/master\n"
		case i > 10 && i < 20:
			branch = "side/branch"
		case i == 30:
			extra = "merge refs/heads/side/branch\n"
		}
		commit(branch, i, extra)
		copy(long[rng.IntN(len(long)-100):], fmt.Sprintf("<change %d>", i))
		file("src/long.c", string(long))
		file(fmt.Sprintf("src/deep/dir%d/file", i%4), strings.Repeat(fmt.Sprintf("line %d\n", i), i))
		file("README", fmt.Sprintf("version %d\n", i))
	}
	big := make([]byte, 5<<20)
	for i := range big {
		big[i] = byte(rng.IntN(4))
	}
	commit("master", 40, "")
	file("big.bin", string(big))
	in.WriteString("R src/deep src/deeper\n")
	up.feed(in.Bytes(), "fast-import", "--quiet")
	up.git("tag", "-a", "-m", "one", "v1")
	up.git("tag", "-a", "-m", "two", "v1-again", "v1")
	up.git("tag", "light")
	up.git("reset", "-q", "--hard")
	return up
}

// TestSameBytes checks that a pack depends on nothing but the commit and tag:
// not on how the source was cloned and packed, nor on the number of cores.
func TestSameBytes(t *testing.T) {
	up := history(t)
	want, _ := lockOf(t, up, "v1-again", options(t))
	clone := func(name string, args ...string) repo {
		r := repo{t, filepath.Join(t.TempDir(), name)}
		r.run("", append(append([]string{"clone", "-q"}, args...), "file://"+up.dir, r.dir)...)
		return r
	}
	plain := clone("plain", "--bare")
	packed := clone("packed", "--bare")
	packed.git("-c", "pack.threads=1", "repack", "-q", "-adf", "--depth=1", "--window=2", "--write-bitmap-index")
	packed.git("commit-graph", "write", "--reachable")
	loose := clone("loose", "--mirror")
	for _, p := range []string{"pack", "idx", "rev"} {
		files, _ := filepath.Glob(filepath.Join(loose.dir, "objects/pack/*."+p))
		for _, f := range files {
			if p != "pack" {
				os.Remove(f)
				continue
			}
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			os.Remove(f)
			loose.feed(raw, "unpack-objects", "-q")
		}
	}
	shallow := clone("shallow", "--depth=3")
	shallow.git("fetch", "-q", "--unshallow", "--tags")
	for _, r := range []repo{plain, packed, loose, shallow} {
		if got, _ := lockOf(t, r, "v1-again", options(t)); got.Pack != want.Pack {
			t.Errorf("%s: pack %v, want %v", filepath.Base(r.dir), got.Pack, want.Pack)
		}
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if got, _ := lockOf(t, plain, "v1-again", options(t)); got.Pack != want.Pack {
		t.Errorf("one core: pack %v, want %v", got.Pack, want.Pack)
	}
	// These bytes are the same on every machine; they change only with the
	// encoder, and that changes every bundle with a git source in it.
	if got, want := want.Pack.SHA256.Hex(), "388c61eb29b35cd88329a6da387ec9fbf09eb0d1bf2cb3a137da61b8776b5320"; got != want {
		t.Errorf("pack %s, want %s", got, want)
	}
}

// TestRefs checks what each form of ref means, against git itself.
func TestRefs(t *testing.T) {
	up := history(t)
	head := up.git("rev-parse", "master")
	up.git("branch", "both", "master~3") // a tag goes before a branch
	up.git("tag", "both", "master~2")
	up.git("update-ref", "refs/pull/7/merge", "master~4")
	up.git("tag", "-a", "-m", "x", "other", "master~5")
	opts := options(t)
	for _, c := range []struct{ ref, commit, tag, keeps string }{
		{"v1", "v1^{commit}", "v1", "v1"},
		{"v1-again", "v1^{commit}", "v1-again", "v1-again"},
		{"refs/tags/v1", "v1^{commit}", "v1", "v1"},
		{"light", "light", "light", "light"},
		{"both", "master~2", "master~2", "both"},
		{"master", "master", "", "master"},
		{"side/branch", "side/branch", "", "side/branch"},
		{"pull/7/merge", "master~4", "", "pull/7/merge"},
		{"HEAD", "master", "", "HEAD"},
		{up.git("rev-parse", "master~9"), "master~9", "", ""},
		{up.git("rev-parse", "master~8")[:9], "master~8", "", ""},
		{up.git("rev-parse", "v1"), "v1^{commit}", "", ""}, // the tag object's own name
	} {
		pin, store := lockOf(t, up, c.ref, opts)
		if want := up.git("rev-parse", c.commit); pin.Commit != want {
			t.Errorf("%s: commit %s, want %s", c.ref, pin.Commit, want)
		}
		want := ""
		if c.tag != "" {
			want = up.git("rev-parse", c.tag)
		}
		if pin.Tag != want {
			t.Errorf("%s: tag %q, want %q", c.ref, pin.Tag, want)
		}
		if c.keeps != "" && pin.Ref != c.keeps {
			t.Errorf("%s: Ref %q, want %q", c.ref, pin.Ref, c.keeps)
		}
		down := unpack(t, store.blobs[pin.Pack.SHA256])
		if pin.Tag != "" {
			down.git("update-ref", "refs/tags/"+pin.Ref, pin.Tag)
		}
		tips := []string{pin.Commit}
		if pin.Tag != "" {
			tips = append(tips, pin.Tag)
		}
		sorted := func(r repo) string {
			lines := strings.Split(r.git(append([]string{"rev-list", "--objects", "--no-object-names"}, tips...)...), "\n")
			slices.Sort(lines)
			return strings.Join(lines, "\n")
		}
		if got, want := sorted(down), sorted(up); got != want {
			t.Errorf("%s: other objects than upstream's", c.ref)
		}
		if c.tag == "v1" {
			if got, want := down.git("describe", pin.Commit), "v1"; got != want {
				t.Errorf("%s: describe %s, want %s", c.ref, got, want)
			}
		}
	}
	if up.git("rev-parse", "master") != head {
		t.Error("upstream was changed")
	}
}

func TestNotFound(t *testing.T) {
	up := newRepo(t)
	up.commit("a", "a")
	up.git("tag", "tree", "HEAD^{tree}")
	for ref, want := range map[string]error{
		"nothing":                 ErrNotFound,
		"abcdef0":                 ErrNotFound,
		strings.Repeat("ab", 20):  ErrNotFound,
		strings.Repeat("ab", 32):  ErrSHA256,
		"tree":                    nil,
		"--upload-pack=touch-bad": ErrRefused,
		"a..b":                    ErrRefused,
		"a/../b":                  ErrRefused,
		"a b":                     ErrRefused,
		"a\nb":                    ErrRefused,
		"a^{commit}":              ErrRefused,
		"a:b":                     ErrRefused,
		"+a":                      nil,
		"a.lock":                  ErrRefused,
		"/a":                      ErrRefused,
		"a/":                      ErrRefused,
		"a//b":                    ErrRefused,
		".a":                      ErrRefused,
		"@":                       ErrRefused,
		"*":                       ErrRefused,
		"":                        ErrRefused,
	} {
		store := newStore()
		_, err := Lock(t.Context(), Remote{Dir: "up", URL: up.dir, Ref: ref, Local: true}, options(t), store)
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", ref, err, want)
		}
		if len(store.blobs) != 0 {
			t.Errorf("%q: something was stored", ref)
		}
	}
}

func TestIncompleteSources(t *testing.T) {
	up := history(t)
	shallow := repo{t, filepath.Join(t.TempDir(), "shallow")}
	shallow.run("", "clone", "-q", "--depth=2", "file://"+up.dir, shallow.dir)
	for _, ref := range []string{"master", up.git("rev-parse", "master"), up.git("rev-parse", "master")[:10]} {
		store := newStore()
		_, err := Lock(t.Context(), Remote{Dir: "up", URL: shallow.dir, Ref: ref, Local: true}, options(t), store)
		if !errors.Is(err, ErrIncomplete) || len(store.blobs) != 0 {
			t.Errorf("shallow, %s: got %v, want ErrIncomplete", ref, err)
		}
	}
	up.git("config", "uploadpack.allowFilter", "true")
	partial := repo{t, filepath.Join(t.TempDir(), "partial")}
	partial.run("", "clone", "-q", "--bare", "--filter=blob:none", "file://"+up.dir, partial.dir)
	store := newStore()
	if _, err := Lock(t.Context(), Remote{Dir: "up", URL: partial.dir, Ref: "master", Local: true}, options(t), store); err == nil || len(store.blobs) != 0 {
		t.Errorf("partial: got %v, want an error", err)
	}
	sha256 := repo{t, filepath.Join(t.TempDir(), "sha256")}
	sha256.run("", "init", "-q", "-b", "master", "--object-format=sha256", sha256.dir)
	sha256.commit("a", "a")
	if _, err := Lock(t.Context(), Remote{Dir: "up", URL: sha256.dir, Ref: "master", Local: true}, options(t), newStore()); !errors.Is(err, ErrSHA256) {
		t.Errorf("SHA-256: got %v, want ErrSHA256", err)
	}
}

// TestAgain checks that a second run takes what the first one fetched, sees
// what has moved, and survives what a killed git leaves.
func TestAgain(t *testing.T) {
	up := history(t)
	opts := options(t)
	first, _ := lockOf(t, up, "master", opts)
	up.commit("more", "more")
	second, _ := lockOf(t, up, "master", opts)
	if second.Commit != up.git("rev-parse", "master") || second.Commit == first.Commit {
		t.Errorf("second commit %s, first %s", second.Commit, first.Commit)
	}
	repos, _ := filepath.Glob(filepath.Join(opts.Work, "*.git"))
	if len(repos) != 1 {
		t.Fatalf("%d repositories", len(repos))
	}
	for _, stale := range []string{"packed-refs.lock", "config.lock", "refs/satchel/ref/x.lock", "objects/pack/tmp_pack_x"} {
		if err := os.WriteFile(filepath.Join(repos[0], stale), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	up.git("branch", "a")
	lockOf(t, up, "a", opts)
	up.git("branch", "-D", "a")
	up.git("branch", "a/b") // where a was
	lockOf(t, up, "a/b", opts)
	up.git("commit", "-q", "--amend", "-m", "rewritten")
	third, _ := lockOf(t, up, "master", opts)
	if third.Commit != up.git("rev-parse", "master") {
		t.Error("a rewritten branch was not followed")
	}
	// A commit that is here already needs no remote.
	if err := os.Rename(up.dir, up.dir+".gone"); err != nil {
		t.Fatal(err)
	}
	if again, _ := lockOf(t, up, first.Commit, opts); again.Pack != first.Pack {
		t.Error("another pack of the same commit")
	}
}

// TestStoreFails fails the store at many bytes: Lock must come back with its
// error, and work the next time.
func TestStoreFails(t *testing.T) {
	up := history(t)
	opts := options(t)
	want, _ := lockOf(t, up, "v1", opts)
	for k := int64(1); k < want.Pack.Size; k += want.Pack.Size/12 + 1 {
		store := newStore()
		store.full = k
		if _, err := Lock(t.Context(), Remote{Dir: "up", URL: up.dir, Ref: "v1", Local: true}, opts, store); err == nil || !strings.Contains(err.Error(), "no space") {
			t.Errorf("full after %d bytes: got %v", k, err)
		}
	}
	if got, _ := lockOf(t, up, "v1", opts); got.Pack != want.Pack {
		t.Error("the retry made another pack")
	}
}

func TestCancel(t *testing.T) {
	up := history(t)
	remote := Remote{Dir: "up", URL: up.dir, Ref: "v1", Local: true}
	whole, err := Lock(t.Context(), remote, options(t), newStore())
	if err != nil {
		t.Fatal(err)
	}
	for delay := time.Duration(0); delay < 200*time.Millisecond; delay += 20 * time.Millisecond {
		ctx, cancel := context.WithTimeout(t.Context(), delay)
		store := newStore()
		_, err := Lock(ctx, remote, options(t), store)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: got %v", delay, err)
		}
		for d := range store.blobs { // the end may come after the pack is stored: whole or not at all
			if d != whole.Pack.SHA256 {
				t.Errorf("after %v: the store has %s, which is not the pack", delay, d)
			}
		}
		cancel()
	}
}

// TestLockReal measures with a repository of the reader's choice.
func TestLockReal(t *testing.T) {
	url, ref := os.Getenv("SATCHEL_REPO"), os.Getenv("SATCHEL_REF")
	if url == "" {
		t.Skip("skipped: SATCHEL_REPO and SATCHEL_REF name no repository to measure with")
	}
	store := newStore()
	start := time.Now()
	opts := options(t)
	opts.Progress = func(s string) { t.Logf("%v %s", time.Since(start), s) }
	pin, err := Lock(t.Context(), Remote{Dir: "up", URL: url, Ref: ref, Local: true}, opts, store)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v %+v", time.Since(start), pin)
	start = time.Now()
	got, err := pack.Check(bytes.NewReader(store.blobs[pin.Pack.SHA256]), pin.Commit, pin.Tag)
	t.Logf("check %v %+v %v", time.Since(start), got, err)
	start = time.Now()
	unpack(t, store.blobs[pin.Pack.SHA256])
	t.Logf("index-pack %v", time.Since(start))
}
