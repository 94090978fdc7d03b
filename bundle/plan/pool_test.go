package plan

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"satchel/aptmirror"
	"satchel/aptmirror/archivetest"
	"satchel/aptmirror/fetch"
	"satchel/bundle/store"
	"satchel/manifest"
)

// publish makes bookworm with one more package in its own indexes.
func publish(t *testing.T, a *archivetest.Archive, version string, forms ...string) {
	t.Helper()
	for _, s := range []archivetest.Suite{
		{Archive: "debian", Name: "bookworm", Packages: []archivetest.Package{
			archivetest.Deb("base", "1.0", "Essential: yes\n"), archivetest.Deb("tool", version, "Depends: lib (>= 1)\n"), archivetest.Deb("lib", "1.0", "")}},
		{Archive: "debian", Name: "bookworm-updates", Packages: []archivetest.Package{archivetest.Deb("lib", "1.1", "")}},
		{Archive: "debian-security", Name: "bookworm-security"},
	} {
		s.Forms = forms
		a.Publish(t, s)
	}
}

// planner asks a folder alone.
func planner(t *testing.T, a *archivetest.Archive, s *store.Store, pools PoolCache) *Planner {
	t.Helper()
	keyring, err := aptmirror.ReadKeyring("test", a.Keyring(t))
	if err != nil {
		t.Fatal(err)
	}
	client := fetch.New(fetch.Options{Clock: hasty{}})
	t.Cleanup(client.Close)
	return &Planner{
		Fetch: client, Store: s, Now: time.Now(), Keyring: keyring, AnySigner: true, Pools: pools,
		Progress: func(string) fetch.Progress { return fetch.NoProgress{} }, Story: func(string) {},
		Mirrors: aptmirror.Mirrors{GivenOnly: true, Given: map[string][]string{
			"debian": {"file://" + a.Dir + "/debian"}, "debian-security": {"file://" + a.Dir + "/debian-security"}}},
	}
}

func openStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustLock(t *testing.T, p *Planner) (*manifest.Lock, string) {
	t.Helper()
	lock, err := lockTool(t, p)
	if err != nil {
		t.Fatal(err)
	}
	text, err := lock.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return lock, string(text)
}

// only returns the one file that is kept.
func only(t *testing.T, c PoolCache) string {
	t.Helper()
	files, err := c.Files()
	if err != nil || len(files) != 1 || !files[0].Whole {
		t.Fatalf("kept: %v, %v", files, err)
	}
	return filepath.Join(c.Dir, files[0].Name)
}

func TestPoolIsKept(t *testing.T) {
	a, s := archivetest.New(t), openStore(t)
	publish(t, a, "1.0")
	pools := PoolCache{Dir: filepath.Join(t.TempDir(), "index"), Program: "one"}
	_, plain := mustLock(t, planner(t, a, s, PoolCache{}))
	_, cold := mustLock(t, planner(t, a, s, pools))
	name := only(t, pools)
	before, _ := os.Stat(name)
	_, warm := mustLock(t, planner(t, a, s, pools))
	after, _ := os.Stat(name)
	if cold != plain || warm != plain {
		t.Errorf("locks differ: without cache %d bytes, cold %d, warm %d", len(plain), len(cold), len(warm))
	}
	if !os.SameFile(before, after) {
		t.Error("the pool was made twice")
	}
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for what, bad := range map[string][]byte{
		"empty": {}, "half": whole[:len(whole)/2], "a bit": flipped(whole, len(whole)/2), "the end": flipped(whole, len(whole)-1), "text": []byte("hello"),
	} {
		if err := os.WriteFile(name, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, got := mustLock(t, planner(t, a, s, pools)); got != plain {
			t.Errorf("%s: another lock", what)
		}
		if now, _ := os.ReadFile(only(t, pools)); !bytes.Equal(now, whole) {
			t.Errorf("%s: the pool was not mended", what)
		}
	}
	other := PoolCache{Dir: t.TempDir(), Program: "one"}
	publish(t, a, "2.0")
	_, newer := mustLock(t, planner(t, a, s, other))
	if newer == plain {
		t.Fatal("a new version changes nothing")
	}
	if _, got := mustLock(t, planner(t, a, s, pools)); got != newer {
		t.Error("an old pool was taken for new indexes")
	}
	pools.Program = "two"
	mustLock(t, planner(t, a, s, pools))
	if files, _ := pools.Files(); len(files) != 3 {
		t.Errorf("two indexes and two programs gave %d pools, want 3", len(files))
	}
}

// TestPoolIsUsed: what the cache says is what a lock is made of.
func TestPoolIsUsed(t *testing.T) {
	a, s := archivetest.New(t), openStore(t)
	publish(t, a, "1.0")
	pools := PoolCache{Dir: t.TempDir()}
	p := planner(t, a, s, pools)
	_, want := mustLock(t, p)
	var archives []part
	for _, id := range []string{"debian/bookworm", "debian/bookworm-updates", "debian-security/bookworm-security"} {
		archives = append(archives, part{p.suites[id], []string{"main"}, nil})
	}
	indexes, err := p.indexes(t.Context(), archives, []string{"amd64"})
	if err != nil {
		t.Fatal(err)
	}
	var infos []aptmirror.ArchiveInfo
	for _, a := range archives {
		infos = append(infos, a.info())
	}
	liar, err := aptmirror.NewPool("amd64", nil, infos, []aptmirror.Package{
		{Name: "base", Version: "1", Architecture: "amd64", Essential: true, Filename: "pool/b.deb", Blob: manifest.Blob{SHA256: manifest.Sum(nil), Size: 1}},
		{Name: "tool", Version: "7", Architecture: "amd64", Filename: "pool/t.deb", Blob: manifest.Blob{SHA256: manifest.Sum(nil), Size: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := pools.save(poolKey([]string{"amd64"}, infos, indexes), liar, nil, nil); err != nil {
		t.Fatal(err)
	}
	only(t, pools)
	if _, got := mustLock(t, planner(t, a, s, pools)); got == want || !strings.Contains(got, "version: \"7\"") {
		t.Errorf("the pool was not used: %s", got)
	}
}

func flipped(data []byte, i int) []byte {
	data = bytes.Clone(data)
	data[i] ^= 1
	return data
}

// TestPoolWriters: many at a time leave one whole pool.
func TestPoolWriters(t *testing.T) {
	a := archivetest.New(t)
	publish(t, a, "1.0")
	dir, folder := t.TempDir(), t.TempDir()
	locks := make([]string, 8)
	var all sync.WaitGroup
	for i := range locks {
		s, err := store.Open(folder)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		p := planner(t, a, s, PoolCache{Dir: dir})
		all.Go(func() {
			lock, err := lockTool(t, p)
			if err != nil {
				locks[i] = err.Error()
				return
			}
			text, err := lock.Marshal()
			locks[i] = fmt.Sprintf("%s%v", text, err)
		})
	}
	all.Wait()
	if len(slices.Compact(locks)) != 1 || !strings.HasPrefix(locks[0], "satchel-lock") {
		t.Errorf("the locks differ: %q", locks)
	}
	only(t, PoolCache{Dir: dir})
}

// TestPoolWithoutRoom: a pool that its file has no room for is built elsewhere, and
// one whose indexes are bad leaves no file.
func TestPoolWithoutRoom(t *testing.T) {
	a, s := archivetest.New(t), openStore(t)
	publish(t, a, "1.0")
	_, want := mustLock(t, planner(t, a, s, PoolCache{}))
	if os.Getuid() == 0 && runtime.GOOS == "linux" {
		dir := t.TempDir()
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir).CombinedOutput(); err != nil {
			t.Fatalf("mount: %v\n%s", err, out)
		}
		defer exec.Command("umount", dir).Run()
		pools := PoolCache{Dir: dir}
		if _, got := mustLock(t, planner(t, a, s, pools)); got != want {
			t.Error("on a small disk it is another lock")
		}
		only(t, pools) // written in the end, it is smaller than its room would have been
	}
	pools := PoolCache{Dir: t.TempDir()}
	p := planner(t, a, s, pools)
	a.Publish(t, archivetest.Suite{Archive: "debian", Name: "bookworm", Packages: []archivetest.Package{
		archivetest.Deb("base", "1.0", "Essential: yes\n"), archivetest.Deb("tool", "1.0", "Depends: lib (\n")}})
	if _, err := lockTool(t, p); err == nil || !strings.Contains(err.Error(), "relation field") {
		t.Errorf("half a relation: %v", err)
	}
	if files, err := pools.Files(); err != nil || len(files) > 0 {
		t.Errorf("left: %v, %v", files, err)
	}
}

// TestPoolsAreBounded: the oldest go, and what a killed writer left an hour ago;
// what is not ours stays.
func TestPoolsAreBounded(t *testing.T) {
	pool, err := aptmirror.NewPool("amd64", nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := PoolCache{Dir: t.TempDir()}
	start := time.Now().Add(-time.Hour)
	for i := range 12 {
		if err := c.save(fmt.Sprint(i), pool, nil, nil); err != nil {
			t.Fatal(err)
		}
		at := start.Add(time.Duration(i) * time.Second)
		if err := os.Chtimes(c.file(c.key(fmt.Sprint(i))), at, at); err != nil {
			t.Fatal(err)
		}
	}
	for name, age := range map[string]time.Duration{"old.new": 3 * time.Hour, "young.new": time.Minute, "mine": 9 * time.Hour} {
		if err := os.WriteFile(filepath.Join(c.Dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(filepath.Join(c.Dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.save("12", pool, nil, nil); err != nil {
		t.Fatal(err)
	}
	for i := range 13 {
		if _, ok := c.open(fmt.Sprint(i)); ok != (i > 12-maxPools) {
			t.Errorf("pool %d is kept: %v", i, ok)
		}
	}
	var rest []string
	entries, _ := os.ReadDir(c.Dir)
	for _, e := range entries {
		if path.Ext(e.Name()) != poolSuffix {
			rest = append(rest, e.Name())
		}
	}
	if want := []string{"mine", "young.new"}; !slices.Equal(rest, want) {
		t.Errorf("besides pools there are %q, want %q", rest, want)
	}
}

// TestIndexForms: each form is read, and where the best is gone the next is taken.
func TestIndexForms(t *testing.T) {
	forms := []string{".gz", ".zst", ".xz", ".bz2", ".lzma", ""}
	a := archivetest.New(t)
	var first []manifest.Target
	for i, form := range forms {
		publish(t, a, "1.0", forms...)
		for _, gone := range forms[:i] {
			for _, s := range []string{"debian/dists/bookworm", "debian/dists/bookworm-updates", "debian-security/dists/bookworm-security"} {
				if err := os.Remove(filepath.Join(a.Dir, s, "main/binary-amd64/Packages"+gone)); err != nil {
					t.Fatal(err)
				}
			}
		}
		lock, _ := mustLock(t, planner(t, a, openStore(t), PoolCache{}))
		for _, pin := range lock.Archives {
			if len(pin.Indexes) != 1 || pin.Indexes[0].Path != "main/binary-amd64/Packages"+form {
				t.Errorf("without %q the lock has %v", forms[:i], pin.Indexes)
			}
		}
		if i == 0 {
			first = lock.Targets
		} else if fmt.Sprint(lock.Targets) != fmt.Sprint(first) {
			t.Errorf("%q gives other packages", form)
		}
	}
	// Nobody has any; and a form that is there but wrong is no reason to take another.
	if err := os.Remove(filepath.Join(a.Dir, "debian/dists/bookworm/main/binary-amd64/Packages")); err != nil {
		t.Fatal(err)
	}
	if _, err := lockTool(t, planner(t, a, openStore(t), PoolCache{})); err == nil || !strings.Contains(err.Error(), "fetching the indexes of debian/bookworm") {
		t.Errorf("without any form: %v", err)
	}
	publish(t, a, "1.0", forms...)
	a.Write(t, "debian/dists/bookworm/main/binary-amd64/Packages.gz", []byte("other"))
	if _, err := lockTool(t, planner(t, a, openStore(t), PoolCache{})); err == nil || !strings.Contains(err.Error(), "Packages.gz") {
		t.Errorf("with a wrong form: %v", err)
	}
}
