package plan

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"satchel/aptmirror"
	"satchel/aptmirror/archivetest"
	"satchel/aptmirror/fetch"
	"satchel/bundle/source"
	"satchel/bundle/store"
	"satchel/manifest"
)

// states are archives that one mirror has had, one after the other.
type states struct {
	dirs []string
	keys []byte
}

var pocketsOfBookworm = [][2]string{{"debian", "bookworm"}, {"debian", "bookworm-updates"}, {"debian-security", "bookworm-security"}}

// newStates publishes n states of bookworm; in the i-th, tool has version i.
func newStates(t *testing.T, n int, form archivetest.Suite) states {
	t.Helper()
	key := archivetest.NewKey(t)
	var s states
	for i := range n {
		a := archivetest.New(t)
		a.Key = key
		for k, p := range pocketsOfBookworm {
			form.Archive, form.Name, form.Packages = p[0], p[1], nil
			if k == 0 {
				form.Packages = []archivetest.Package{
					archivetest.Deb("base", "1", "Essential: yes\n"), archivetest.Deb("tool", fmt.Sprint(i), ""),
				}
			}
			if form.Date.IsZero() {
				form.Date = time.Now().Add(-time.Hour)
			}
			form.Date = form.Date.Add(time.Second)
			a.Publish(t, form)
		}
		s.dirs, s.keys = append(s.dirs, a.Dir), a.Keyring(t)
	}
	return s
}

// serve serves the state that choose gives for the n-th request, from 0; old
// ones are what it has of the past, by hash.
func (s states) serve(t *testing.T, choose func(n int, path string) int) (url string, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var paths []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		i := choose(len(paths), r.URL.Path)
		paths = append(paths, r.URL.Path)
		mu.Unlock()
		b, err := os.ReadFile(filepath.Join(s.dirs[i], filepath.FromSlash(r.URL.Path)))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", `"`+manifest.Sum(b).Hex()+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	}))
	t.Cleanup(srv.Close)
	return srv.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), paths...)
	}
}

// hasty is a clock that does not wait.
type hasty struct{}

func (hasty) Now() time.Time                                   { return time.Now() }
func (hasty) Sleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// planner asks one mirror alone, and keeps its cache in dir.
func (s states) planner(t *testing.T, url, dir string) *Planner {
	t.Helper()
	keyring, err := aptmirror.ReadKeyring("keys", s.keys)
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	c := fetch.New(fetch.Options{Clock: hasty{}})
	t.Cleanup(c.Close)
	return &Planner{
		Fetch: c, Store: st, Git: source.Options{}, Now: time.Now(), Keyring: keyring, AnySigner: true, Notes: filepath.Join(dir, "releases"),
		Mirrors:  aptmirror.Mirrors{GivenOnly: true, Given: map[string][]string{"debian": {url + "/debian"}, "debian-security": {url + "/debian-security"}}},
		Progress: func(string) fetch.Progress { return fetch.NoProgress{} }, Story: func(string) {},
	}
}

// lockTool locks what wants tool.
func lockTool(t *testing.T, p *Planner) (*manifest.Lock, error) {
	t.Helper()
	text := "name: tool\ndistro: debian\nsuites: [bookworm]\narchitectures: [amd64]\npackages: [tool]\nremotes: []\nfiles: []\n" +
		"reference_datetime: \"2024-01-01 00:00:00\"\nscript: \"true\"\n"
	d, err := manifest.ParseDescriptor("tool.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Store.Add(t.Context(), strings.NewReader(text), 1<<20); err != nil {
		t.Fatal(err)
	}
	return p.Lock(t.Context(), []Request{{Descriptor: d, Settings: &manifest.Settings{}, Base: []string{"base"}}})
}

// wantState fails unless all that a lock pins of bookworm is of one state; it
// says which.
func (s states) wantState(t *testing.T, lock *manifest.Lock) int {
	t.Helper()
	version := -1
	for _, k := range lock.Targets[0].Packages {
		if k.Name == "tool" {
			fmt.Sscan(k.Version, &version)
		}
	}
	if version < 0 {
		t.Fatalf("tool is not in the lock: %+v", lock.Targets[0].Packages)
	}
	for _, a := range lock.Archives {
		if a.ID() != "debian/bookworm" {
			continue
		}
		for _, f := range append(a.Release, a.Indexes...) {
			b, err := os.ReadFile(filepath.Join(s.dirs[version], "debian/dists/bookworm", filepath.FromSlash(f.Path)))
			if err != nil || manifest.Sum(b) != f.SHA256 {
				t.Errorf("%s is not of state %d as tool is", f.Path, version)
			}
		}
	}
	return version
}

// A mirror that is brought up to date at any moment of a lock gives the old state
// or the new one whole, whatever it still has of the old.
func TestMirrorSyncs(t *testing.T) {
	for name, form := range map[string]archivetest.Suite{
		"plain": {}, "by-hash": {ByHash: true}, "detached": {Detached: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStates(t, 2, form)
			old := 0
			for k := 0; ; k++ {
				url, asked := s.serve(t, func(n int, _ string) int {
					if n < k {
						return 0
					}
					return 1
				})
				lock, err := lockTool(t, s.planner(t, url, t.TempDir()))
				if err != nil {
					t.Fatalf("an update before request %d: %v\n%q", k, err, asked())
				}
				if s.wantState(t, lock) == 0 {
					old++
				}
				if n := len(asked()); n > 40 {
					t.Errorf("an update before request %d costs %d requests", k, n)
				}
				if len(asked()) <= k {
					break
				}
			}
			if old == 0 {
				t.Error("the old state was never locked")
			}
		})
	}
}

// Within an update, InRelease and indexes come one after the other; a lock that
// meets that waits, and takes what is there then.
func TestMirrorAmidstSync(t *testing.T) {
	s := newStates(t, 2, archivetest.Suite{})
	for name, late := range map[string]string{"the release file first": "Packages.gz", "the indexes first": "InRelease"} {
		seen := 0
		url, asked := s.serve(t, func(n int, path string) int {
			if !strings.HasSuffix(path, late) || !strings.Contains(path, "/bookworm/") {
				return 1
			}
			if seen++; seen <= 2 {
				return 0
			}
			return 1
		})
		lock, err := lockTool(t, s.planner(t, url, t.TempDir()))
		if err != nil {
			t.Errorf("%s: %v\n%q", name, err, asked())
			continue
		}
		if got := s.wantState(t, lock); got != 1 {
			t.Errorf("%s: state %d", name, got)
		}
	}
}

// A mirror that never comes to rest, or never is whole, is given up, and the
// error says what to do.
func TestMirrorNeverSettles(t *testing.T) {
	s := newStates(t, 40, archivetest.Suite{})
	for name, c := range map[string]struct {
		choose func(n int, path string) int
		want   string
	}{
		"another each time":   {func(n int, _ string) int { return n % 40 }, "4 times in a row"},
		"half of it for ever": {func(_ int, path string) int { return strings.Count(path, "InRelease") }, "is being updated, or is broken"},
	} {
		url, asked := s.serve(t, c.choose)
		_, err := lockTool(t, s.planner(t, url, t.TempDir()))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "--mirror") {
			t.Errorf("%s: got %v", name, err)
		}
		if n := len(asked()); n > 60 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
}
