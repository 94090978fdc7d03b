package fetch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"satchel/manifest"
)

// gauge knows how many requests a server has had at a time.
type gauge struct{ now, most atomic.Int32 }

func (g *gauge) serve(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := g.now.Add(1)
		defer g.now.Add(-1)
		for m := g.most.Load(); n > m && !g.most.CompareAndSwap(m, n); m = g.most.Load() {
		}
		h(w, r)
	}))
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

// 346 files of mixed sizes from three hosts, 5 % of the answers 429: all
// arrive, and no host has more than its share of requests at a time.
func TestManyFilesManyHosts(t *testing.T) {
	const n = 346
	r := rand.New(rand.NewPCG(1, 2))
	files := map[string][]byte{}
	for i := range n {
		size := 100 + r.IntN(20_000)
		if i%30 == 0 {
			size *= 30
		}
		files[fmt.Sprintf("/%d", i)] = content(uint64(i), size)
	}
	var mu sync.Mutex
	var gauges [3]gauge
	var urls [3]string
	for h := range gauges {
		urls[h] = gauges[h].serve(t, func(w http.ResponseWriter, r2 *http.Request) {
			mu.Lock()
			no := r.IntN(20) == 0
			mu.Unlock()
			if no {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(429)
				return
			}
			time.Sleep(time.Millisecond)
			serveFile(files[r2.URL.Path])(w, r2)
		})
	}
	var jobs []Job
	for i := range n {
		p := fmt.Sprintf("/%d", i)
		jobs = append(jobs, Job{p, []string{urls[i%3] + p, urls[(i+1)%3] + p}, blobOf(files[p])})
	}
	o := quick()
	o.PerHost, o.Total, o.Retries = 4, 9, 8
	m, p := newMemory(), &counter{}
	if err := newClient(t, o).Fetch(context.Background(), m, jobs, p); err != nil {
		t.Fatal(err)
	}
	if len(m.blobs) != n || p.n != p.total || len(p.items) != n {
		t.Errorf("%d blobs, progress %d of %d, %d items", len(m.blobs), p.n, p.total, len(p.items))
	}
	for h := range gauges {
		if most := gauges[h].most.Load(); most > 4 || most < 2 {
			t.Errorf("host %d had %d requests at a time, want 2 to 4", h, most)
		}
	}
}

// A bound holds over several Fetches and Gets of one client, and for a host
// that others redirect to.
func TestBoundIsTheClients(t *testing.T) {
	var g gauge
	a := func(i int) []byte { return content(uint64(i), 500) }
	url := g.serve(t, func(w http.ResponseWriter, r *http.Request) {
		var i int
		fmt.Sscanf(r.URL.Path, "/%d", &i)
		time.Sleep(2 * time.Millisecond)
		serveFile(a(i))(w, r)
	})
	from := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, url+r.URL.Path, http.StatusFound) })
	o := quick()
	o.PerHost = 3
	c := newClient(t, o)
	var wg sync.WaitGroup
	for f := range 4 {
		wg.Go(func() {
			var jobs []Job
			for i := range 30 {
				jobs = append(jobs, Job{"x", []string{fmt.Sprintf("%s/%d", []string{url, from}[f%2], i)}, blobOf(a(i))})
			}
			if err := c.Fetch(context.Background(), newMemory(), jobs, nil); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			for i := range 10 {
				if _, _, err := c.Get(context.Background(), []string{fmt.Sprintf("%s/%d", from, i)}, 1000, Conditional{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if most := g.most.Load(); most != 3 {
		t.Errorf("%d requests at a time, want 3", most)
	}
	if len(c.active) != 0 {
		t.Errorf("slots are left: %v", c.active)
	}
}

// Connections are kept and used again.
func TestKeepAlive(t *testing.T) {
	var conns atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "5") {
			http.NotFound(w, r) // what is said with an error is read too
			return
		}
		serveFile([]byte(r.URL.Path))(w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	var jobs []Job
	for i := range 100 {
		p := fmt.Sprintf("/%d", i)
		jobs = append(jobs, Job{p, []string{s.URL + p}, blobOf([]byte(p))})
	}
	o := quick()
	o.PerHost = 3
	err := newClient(t, o).Fetch(context.Background(), newMemory(), jobs, nil)
	var m *MissingError
	if !errors.As(err, &m) || len(m.Jobs) != 10 || !m.NotFound() {
		t.Fatal(err)
	}
	if n := conns.Load(); n > 8 { // one that breaks is replaced
		t.Errorf("%d connections, want 3 or so", n)
	}
	for i, f := range m.Jobs { // in the order given
		if want := fmt.Sprintf("/%d5", i); f.Job.Name != want && i > 0 {
			t.Errorf("failure %d is %s, want %s", i, f.Job.Name, want)
		}
	}
}

func TestCancel(t *testing.T) {
	before := runtime.NumGoroutine()
	a := content(1, 200_000)
	reached := make(chan struct{}, 100)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/429" {
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(429)
			return
		}
		w.Header().Set("Content-Length", "200000")
		w.Write(a[:100_000])
		w.(http.Flusher).Flush()
		reached <- struct{}{}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-reached
		time.Sleep(50 * time.Millisecond)
		cancel()
	}()
	b := blobOf(a)
	jobs := []Job{{"a", []string{url}, b}}
	for i := range 20 {
		jobs = append(jobs, Job{"x", []string{url + "/429"}, blobOf([]byte{byte(i)})})
	}
	m, p := newMemory(), &counter{}
	c := New(Options{})
	began := time.Now()
	err := c.Fetch(ctx, m, jobs, p)
	if !errors.Is(err, context.Canceled) || time.Since(began) > 5*time.Second {
		t.Errorf("got %v after %v", err, time.Since(began))
	}
	want(t, m)
	if len(m.parts[b]) != 100_000 || len(m.parts) != 1 || p.done != 1 {
		t.Errorf("%d bytes are kept in %d partials; Done %d times", len(m.parts[b]), len(m.parts), p.done)
	}
	c.Close()
	for range 100 {
		if runtime.NumGoroutine() <= before+4 { // the server's
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

// A store that fails ends everything, and no other mirror is bothered.
func TestFullStore(t *testing.T) {
	var rec record
	url := serve(t, rec.wrap(func(w http.ResponseWriter, r *http.Request) {
		var i int
		fmt.Sscanf(r.URL.Path, "/%d", &i)
		serveFile(content(uint64(i), 50_000))(w, r)
	}))
	var jobs []Job
	for i := range 50 {
		jobs = append(jobs, Job{"it", []string{fmt.Sprintf("%s/%d", url, i), url}, blobOf(content(uint64(i), 50_000))})
	}
	m := newMemory()
	m.full = 130_000
	o := quick()
	o.PerHost = 2
	err := newClient(t, o).Fetch(context.Background(), m, jobs, nil)
	if !errors.Is(err, errFull) || errors.As(err, new(*MissingError)) {
		t.Errorf("got %v", err)
	}
	if rec.count() > 6 || m.open() != 0 {
		t.Errorf("%d requests, %d partials open", rec.count(), m.open())
	}
	m.full = 0
	if err := newClient(t, o).Fetch(context.Background(), m, jobs, nil); err != nil {
		t.Errorf("after space was made: %v", err)
	}
}

// counting counts what reaches the transport.
type counting struct{ n atomic.Int32 }

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return Offline{}.RoundTrip(r)
}

func TestOffline(t *testing.T) {
	a := content(1, 1000)
	var rec record
	url := serve(t, rec.wrap(serveFile(a)))
	file := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(file, a, 0o600); err != nil {
		t.Fatal(err)
	}
	tr := &counting{}
	c := newClient(t, Options{Transport: tr})
	m := newMemory()
	if err := c.Fetch(context.Background(), m, []Job{{"a", []string{url + "/x?token=hunter2", file}, blobOf(a)}}, nil); err != nil {
		t.Fatal(err)
	}
	want(t, m, a)
	err := c.Fetch(context.Background(), newMemory(), []Job{{"a", []string{url + "/x?token=hunter2"}, blobOf(a)}}, nil)
	var off *OfflineError
	if !errors.As(err, &off) || strings.Contains(off.Error(), "hunter2") {
		t.Errorf("got %v, want an OfflineError", err)
	}
	if _, _, err := c.Get(context.Background(), []string{url}, 10, Conditional{}); !errors.As(err, &off) {
		t.Errorf("Get: %v", err)
	}
	if tr.n.Load() != 3 || rec.count() != 0 {
		t.Errorf("the transport was asked %d times, want 3; %d requests reached the server", tr.n.Load(), rec.count())
	}
}

func TestFiles(t *testing.T) {
	a := content(1, 100_000)
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for name, data := range map[string][]byte{"a": a, "short": a[:5], "wrong": content(2, 100_000)} {
		if err := os.WriteFile(path(name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a", path("link")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, Options{Transport: Offline{}})
	for _, u := range []string{path("a"), "file://" + path("a"), "file://localhost" + path("a"), path("link")} {
		for _, left := range [][]byte{nil, a[:50_000], content(3, 10)} {
			m, p := newMemory(), &counter{}
			m.parts[blobOf(a)] = left
			if err := c.Fetch(context.Background(), m, []Job{{"a", []string{path("none"), u}, blobOf(a)}}, p); err != nil {
				t.Errorf("%s: %v", u, err)
			}
			want(t, m, a)
			if p.n != p.total {
				t.Errorf("%s: progress %d of %d", u, p.n, p.total)
			}
		}
		if b, meta, err := c.Get(context.Background(), []string{u}, 100_000, Conditional{}); err != nil || len(b) != len(a) || meta.URL != u {
			t.Errorf("Get %s: %d bytes, %+v, %v", u, len(b), meta, err)
		}
	}
	for u, why := range map[string]string{
		path("short"): "5 bytes, want 100000", path("wrong"): "does not match", path("none"): "no such file",
		path("pipe"): "no plain file", dir: "no plain file", "/dev/zero": "no plain file", "file://other" + path("a"): "want file:///",
		"file:a": "want file:///", "a": "want http, https, file", "./a": "want http", "": "want http",
	} {
		m := newMemory()
		f := wantMissing(t, c.Fetch(context.Background(), m, []Job{{"a", []string{u}, blobOf(a)}}, nil))
		if !strings.Contains(f.Tried[0].Err.Error(), why) {
			t.Errorf("%q: got %v, want %q", u, f.Tried[0].Err, why)
		}
		want(t, m)
	}
	f := wantMissing(t, c.Fetch(context.Background(), newMemory(), []Job{{"a", nil, blobOf(a)}}, nil))
	if len(f.Tried) != 0 {
		t.Errorf("%+v", f)
	}
	gone := c.Fetch(context.Background(), newMemory(), []Job{{"a", []string{path("none")}, blobOf(a)}}, nil)
	if m := (*MissingError)(nil); !errors.As(gone, &m) || !m.NotFound() || errors.Is(gone, manifest.ErrDigest) {
		t.Errorf("got %v", gone)
	}
}
