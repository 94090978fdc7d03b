package plan

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"satchel/aptmirror/archivetest"
	"satchel/manifest"
)

// front counts the answers of a mirror by their code, and may lie in its place.
type front struct {
	url     string
	same    atomic.Int32 // answers 304
	whole   atomic.Int32 // InRelease files sent
	indexes atomic.Int32
	lie     atomic.Bool // 304 to whoever asks for changes
	busy    sync.WaitGroup
}

func newFront(t *testing.T, to string) *front {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{}
	p := httputil.NewSingleHostReverseProxy(target)
	p.ErrorLog = log.New(io.Discard, "", 0)
	p.ModifyResponse = func(r *http.Response) error {
		switch {
		case r.StatusCode == http.StatusNotModified:
			f.same.Add(1)
		case strings.HasSuffix(r.Request.URL.Path, "InRelease"):
			f.whole.Add(1)
		case strings.Contains(r.Request.URL.Path, "Packages"):
			f.indexes.Add(1)
		}
		return nil
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.busy.Add(1)
		defer f.busy.Done()
		if f.lie.Load() && r.Header.Get("If-None-Match") != "" {
			f.same.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		p.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	f.url = srv.URL
	return f
}

// counts are since the last call: answers 304, InRelease files, indexes.
func (f *front) counts() [3]int32 {
	f.busy.Wait()
	return [3]int32{f.same.Swap(0), f.whole.Swap(0), f.indexes.Swap(0)}
}

// An InRelease file that has not changed since the last run is not sent again,
// and is judged again all the same.
func TestKeptRelease(t *testing.T) {
	until := time.Now().Add(24 * time.Hour)
	s := newStates(t, 2, archivetest.Suite{Until: until})
	var now atomic.Int32
	url, _ := s.serve(t, func(int, string) int { return int(now.Load()) })
	f := newFront(t, url)
	dir := t.TempDir()
	lock := func(what string, at time.Time, good bool, want [3]int32) *manifest.Lock {
		t.Helper()
		p := s.planner(t, f.url, dir)
		p.Now = at
		l, err := lockTool(t, p)
		if (err == nil) != good {
			t.Fatalf("%s: %v", what, err)
		}
		got := f.counts()
		if !good { // the first pocket to fail ends the others
			if !strings.Contains(err.Error(), "was valid until") || got[1] == 0 {
				t.Errorf("%s: %d InRelease files, %v", what, got[1], err)
			}
			p.Store.Close()
			return nil
		}
		if got != want {
			t.Errorf("%s: %d answers 304, %d InRelease files, %d indexes; want %v", what, got[0], got[1], got[2], want)
		}
		p.Store.Close()
		return l
	}
	fresh := time.Now()
	first := lock("the first time", fresh, true, [3]int32{0, 3, 2})
	second := lock("unchanged", fresh, true, [3]int32{3, 0, 0})
	a, _ := first.Marshal()
	b, _ := second.Marshal()
	if string(a) != string(b) {
		t.Error("the lock of what has not changed is another")
	}

	notes, err := filepath.Glob(filepath.Join(dir, "releases", "*.json"))
	if err != nil || len(notes) != 3 {
		t.Fatalf("notes %q, %v", notes, err)
	}
	for _, n := range notes {
		if err := os.WriteFile(n, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lock("notes that cannot be read", fresh, true, [3]int32{0, 3, 0})
	for _, a := range first.Archives {
		hex := a.Release[0].SHA256.Hex()
		name := filepath.Join(dir, "blobs/sha256", hex[:2], hex)
		if err := os.Chmod(name, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, make([]byte, a.Release[0].Size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lock("damaged files", fresh, true, [3]int32{0, 3, 0})

	// One that the server says is the same, and that has expired, is asked for
	// once more, for the server may be wrong.
	late := until.Add(time.Hour)
	lock("expired", late, false, [3]int32{})
	f.lie.Store(true)
	now.Store(1)
	lock("an old state at a server that lies", fresh, true, [3]int32{3, 0, 0})
	lock("expired, at a server that lies", late, false, [3]int32{})
	f.lie.Store(false)
	if got := s.wantState(t, lock("changed", fresh, true, [3]int32{0, 3, 1})); got != 1 {
		t.Errorf("state %d", got)
	}
}
