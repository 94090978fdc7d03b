package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"satchel/manifest"
)

// content is n bytes that are the same in every run.
func content(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	r.Read(b)
	return b
}

func blobOf(b []byte) manifest.Blob {
	return manifest.Blob{SHA256: manifest.Sum(b), Size: int64(len(b))}
}

// quick are options with which a test need not wait.
func quick() Options {
	return Options{Backoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond, Retries: 3,
		AnswerTimeout: 5 * time.Second, RateWindow: 5 * time.Second}
}

func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	c := New(o)
	t.Cleanup(c.Close)
	return c
}

// serve starts a server and gives its URL.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// serveFile answers as a good server does: with ranges and validators.
func serveFile(b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", fmt.Sprintf("%q", manifest.Sum(b).Hex()[:16]))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	}
}

// record counts requests and keeps their Range headers.
type record struct {
	mu     sync.Mutex
	n      int
	ranges []string
}

func (r *record) wrap(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.n++
		r.ranges = append(r.ranges, req.Header.Get("Range"))
		r.mu.Unlock()
		h(w, req)
	}
}

func (r *record) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

// want fails unless store holds exactly these contents and no open partial.
func want(t *testing.T, m *memory, contents ...[]byte) {
	t.Helper()
	for _, c := range contents {
		if got := m.blobs[blobOf(c)]; !bytes.Equal(got, c) {
			t.Errorf("blob of %d bytes: got %d bytes", len(c), len(got))
		}
	}
	if got := len(m.blobs); got != len(contents) {
		t.Errorf("the store has %d blobs, want %d", got, len(contents))
	}
	if n := m.open(); n != 0 {
		t.Errorf("%d partials were not closed", n)
	}
}

// wantMissing gives the one failure of err.
func wantMissing(t *testing.T, err error) Failure {
	t.Helper()
	var m *MissingError
	if !errors.As(err, &m) || len(m.Jobs) != 1 {
		t.Fatalf("got error %v, want one job missing", err)
	}
	return m.Jobs[0]
}

type counter struct {
	total, n int64
	items    []string
	want     int
	done     int
}

func (c *counter) Start(total int64, items int) { c.total, c.want = total, items }
func (c *counter) Add(n int64)                  { c.n += n }
func (c *counter) Item(name string)             { c.items = append(c.items, name) }
func (c *counter) Done()                        { c.done++ }

func TestFetch(t *testing.T) {
	a, b, empty := content(1, 300_000), content(2, 1000), []byte{}
	var rec record
	url := serve(t, rec.wrap(func(w http.ResponseWriter, r *http.Request) {
		if ae := r.Header.Get("Accept-Encoding"); ae != "identity" {
			t.Errorf("Accept-Encoding %q, want identity", ae)
		}
		serveFile(map[string][]byte{"/a": a, "/b": b}[r.URL.Path])(w, r)
	}))
	dir := t.TempDir()
	c := content(3, 5000)
	if err := os.WriteFile(filepath.Join(dir, "c d.deb"), c, 0o600); err != nil {
		t.Fatal(err)
	}
	m, p := newMemory(), &counter{}
	jobs := []Job{
		{"b", []string{url + "/b"}, blobOf(b)},
		{"a", []string{url + "/a"}, blobOf(a)},
		{"a again", []string{url + "/elsewhere"}, blobOf(a)},
		{"c", []string{"file://" + dir + "/c%20d.deb"}, blobOf(c)},
		{"empty", nil, blobOf(empty)},
	}
	client := newClient(t, quick())
	jobs[4].URLs = []string{url + "/never-asked"}
	if err := client.Fetch(context.Background(), m, jobs, p); err != nil {
		t.Fatal(err)
	}
	want(t, m, a, b, c, empty)
	if rec.count() != 2 {
		t.Errorf("got %d requests, want 2", rec.count())
	}
	sum := int64(len(a) + len(b) + len(c))
	if p.total != sum || p.n != sum || p.want != 4 || len(p.items) != 4 || p.done != 1 {
		t.Errorf("progress %+v, want %d bytes in 4 items", p, sum)
	}
	if m.flushes == 0 {
		t.Error("the store was not flushed")
	}
	// Again: nothing is asked.
	if err := client.Fetch(context.Background(), m, jobs, nil); err != nil || rec.count() != 2 {
		t.Errorf("second time: %v, %d requests", err, rec.count())
	}
	// A plain path does as well as a URL.
	m = newMemory()
	if err := client.Fetch(context.Background(), m, []Job{{"c", []string{filepath.Join(dir, "c d.deb")}, blobOf(c)}}, nil); err != nil {
		t.Fatal(err)
	}
	want(t, m, c)
}

func TestFetchRefusesUnnamed(t *testing.T) {
	c := newClient(t, Options{Transport: Offline{}})
	for _, b := range []manifest.Blob{{}, {Size: 5}, {SHA256: manifest.Sum(nil), Size: -1}} {
		err := c.Fetch(context.Background(), newMemory(), []Job{{"x", []string{"http://h/x"}, b}}, nil)
		if !errors.Is(err, manifest.ErrDigest) {
			t.Errorf("%+v: got %v, want ErrDigest", b, err)
		}
	}
}

func TestFallBack(t *testing.T) {
	good := content(4, 100_000)
	wrong := bytes.Clone(good)
	wrong[77_777]++
	tests := []struct {
		name string
		h    http.HandlerFunc
		want string // in the first attempt's error
		asks int
	}{
		{"404", http.NotFound, "404 Not Found", 1},
		{"403", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, "403", 1},
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "500", suspectAfter},
		{"204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, "204", 1},
		{"206 unasked", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-99999/100000")
			w.WriteHeader(206)
			w.Write(good)
		}, "206", 1},
		{"wrong byte", serveFile(wrong), "does not match", 1},
		{"too short", serveFile(good[:99_999]), "99999 bytes, want 100000", 1},
		{"too long", serveFile(append(bytes.Clone(good), 0)), "100001 bytes, want 100000", 1},
		{"too long, length untold", func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			w.Write(good)
			w.Write([]byte("x"))
		}, "more than 100000 bytes", 1},
		{"endless", func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			for {
				if _, err := w.Write(good[:4096]); err != nil {
					return
				}
			}
		}, "more than 100000 bytes", 1},
		{"too short, length untold", func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			w.Write(good[:10])
		}, "breaks off", suspectAfter},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var rec record
			first := serve(t, rec.wrap(tt.h))
			second := serve(t, serveFile(good))
			m, p := newMemory(), &counter{}
			c := newClient(t, quick())
			err := c.Fetch(context.Background(), m, []Job{{"it", []string{first, second}, blobOf(good)}}, p)
			if err != nil {
				t.Fatal(err)
			}
			want(t, m, good)
			if p.n != p.total {
				t.Errorf("progress ends at %d of %d", p.n, p.total)
			}
			if rec.count() != tt.asks {
				t.Errorf("the first mirror was asked %d times, want %d", rec.count(), tt.asks)
			}
			// And alone it is an error that says why, with nothing kept.
			m = newMemory()
			f := wantMissing(t, c.Fetch(context.Background(), m, []Job{{"it", []string{first}, blobOf(good)}}, nil))
			if len(f.Tried) != 1 || !strings.Contains(f.Tried[0].Err.Error(), tt.want) || f.Tried[0].URL != first {
				t.Errorf("got %+v, want %q", f, tt.want)
			}
			want(t, m)
		})
	}
}
