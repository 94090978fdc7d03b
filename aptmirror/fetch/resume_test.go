package fetch

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"satchel/manifest"
)

// breakOff announces all of b and resets the connection after n bytes.
func breakOff(t *testing.T, w http.ResponseWriter, b []byte, n int) {
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.Write(b[:n])
	w.(http.Flusher).Flush()
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	conn.Close()
}

// breakingOnce serves b well but for the first request, which breaks off.
func breakingOnce(t *testing.T, b []byte, n int, good http.HandlerFunc) http.HandlerFunc {
	var asked atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) > 1 {
			good(w, r)
			return
		}
		w.Header().Set("ETag", fmt.Sprintf("%q", manifest.Sum(b).Hex()[:16]))
		breakOff(t, w, b, n)
	}
}

func TestResumeAfterReset(t *testing.T) {
	a := content(1, 900_000)
	const at = 500_000
	var rec record
	url := serve(t, rec.wrap(breakingOnce(t, a, at, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("If-Range"); got != fmt.Sprintf("%q", manifest.Sum(a).Hex()[:16]) {
			t.Errorf("If-Range %q, want the tag of the first answer", got)
		}
		serveFile(a)(w, r)
	})))
	m, p := newMemory(), &counter{}
	c := newClient(t, quick())
	if err := c.Fetch(context.Background(), m, []Job{{"a", []string{url}, blobOf(a)}}, p); err != nil {
		t.Fatal(err)
	}
	want(t, m, a)
	if !slices.Equal(rec.ranges, []string{"", fmt.Sprintf("bytes=%d-", at)}) {
		t.Errorf("asked for %q, want all, then what was missing", rec.ranges)
	}
	if p.n != p.total {
		t.Errorf("progress %d of %d", p.n, p.total)
	}
}

// An earlier process left bytes; only the others are asked for.
func TestResumeFromStore(t *testing.T) {
	a := content(1, 100_000)
	tests := []struct {
		name   string
		left   []byte
		serve  http.HandlerFunc
		ranges []string
	}{
		{"right bytes", a[:40_000], serveFile(a), []string{"bytes=40000-"}},
		{"all but the rename", a, serveFile(a), nil},
		{"wrong bytes", content(2, 40_000), serveFile(a), []string{"bytes=40000-", ""}},
		{"all of them wrong", content(2, 100_000), serveFile(a), []string{""}},
		{"ranges ignored", a[:40_000], func(w http.ResponseWriter, _ *http.Request) { w.Write(a) }, []string{"bytes=40000-"}},
		{"ranges ignored, wrong bytes", content(2, 40_000), func(w http.ResponseWriter, _ *http.Request) { w.Write(a) }, []string{"bytes=40000-"}},
		{"an earlier range", a[:40_000], func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 32768-99999/100000")
			w.WriteHeader(206)
			w.Write(a[32768:])
		}, []string{"bytes=40000-"}},
		{"a later range", a[:40_000], onRange(a, "bytes 40001-99999/100000", 206), []string{"bytes=40000-", ""}},
		{"a range unsaid", a[:40_000], onRange(a, "", 206), []string{"bytes=40000-", ""}},
		{"a shorter range", a[:40_000], func(w http.ResponseWriter, r *http.Request) {
			from, _ := strconv.Atoi(strings.Trim(r.Header.Get("Range"), "bytes=-"))
			to := min(from+30_000, 100_000)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/100000", from, to-1))
			w.WriteHeader(206)
			w.Write(a[from:to])
		}, []string{"bytes=40000-", "bytes=70000-"}},
		{"416", a[:40_000], onRange(a, "", 416), []string{"bytes=40000-", ""}},
		{"416, same length", a[:40_000], onRange(a, "bytes */100000", 416), []string{"bytes=40000-", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var rec record
			url := serve(t, rec.wrap(tt.serve))
			m, p := newMemory(), &counter{}
			m.parts[blobOf(a)] = tt.left
			c := newClient(t, quick())
			if err := c.Fetch(context.Background(), m, []Job{{"a", []string{url}, blobOf(a)}}, p); err != nil {
				t.Fatal(err)
			}
			want(t, m, a)
			if !slices.Equal(rec.ranges, tt.ranges) {
				t.Errorf("asked for %q, want %q", rec.ranges, tt.ranges)
			}
			if p.n != p.total || len(m.parts) > 0 {
				t.Errorf("progress %d of %d, %d partials left", p.n, p.total, len(m.parts))
			}
		})
	}
}

// onRange answers requests with a Range so, and others well.
func onRange(a []byte, contentRange string, code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") == "" {
			w.Write(a)
			return
		}
		if contentRange != "" {
			w.Header().Set("Content-Range", contentRange)
		}
		w.WriteHeader(code)
		if code == 206 {
			w.Write(a[40_001:])
		}
	}
}

// A mirror with another length is passed by, and the bytes that are here are
// kept for the next mirror.
func TestOtherLengthKeepsPartial(t *testing.T) {
	a := content(1, 100_000)
	for name, h := range map[string]http.HandlerFunc{
		"206": serveFile(append(bytes.Clone(a), 1)),
		"200": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "50000")
			w.Write(a[:50_000])
		},
		"416": serveFile(a[:30_000]),
	} {
		t.Run(name, func(t *testing.T) {
			var rec, rec2 record
			first, second := serve(t, rec.wrap(h)), serve(t, rec2.wrap(serveFile(a)))
			m := newMemory()
			m.parts[blobOf(a)] = a[:40_000]
			c := newClient(t, quick())
			if err := c.Fetch(context.Background(), m, []Job{{"a", []string{first, second}, blobOf(a)}}, nil); err != nil {
				t.Fatal(err)
			}
			want(t, m, a)
			if rec.count() != 1 || !slices.Equal(rec2.ranges, []string{"bytes=40000-"}) {
				t.Errorf("asked the first %q, the second %q", rec.ranges, rec2.ranges)
			}
		})
	}
}

// The file changes on the server between two ranges: with a validator the
// server says so, without one the hash does. Either way it ends well once the
// right file is there.
func TestChangesBetweenRanges(t *testing.T) {
	old, now := content(1, 100_000), content(2, 100_000)
	for name, good := range map[string]http.HandlerFunc{
		"validator": serveFile(now),
		"none": func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("If-Range")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(now))
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, breakingOnce(t, old, 60_000, good))
			m := newMemory()
			c := newClient(t, quick())
			if err := c.Fetch(context.Background(), m, []Job{{"a", []string{url}, blobOf(now)}}, nil); err != nil {
				t.Fatal(err)
			}
			want(t, m, now)
		})
	}
}

// A connection that breaks again and again still brings the file, for each
// time it gets a good way further.
func TestManyBreaks(t *testing.T) {
	a := content(1, 12*worthwhile)
	var rec record
	url := serve(t, rec.wrap(func(w http.ResponseWriter, r *http.Request) {
		from := 0
		if v := r.Header.Get("Range"); v != "" {
			from, _ = strconv.Atoi(strings.Trim(v, "bytes=-"))
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(a)-1, len(a)))
			w.Header().Set("Content-Length", strconv.Itoa(len(a)-from))
			w.WriteHeader(206)
		}
		to := min(from+worthwhile+100_000, len(a))
		if to == len(a) {
			w.Write(a[from:])
			return
		}
		breakOff(t, w, a[from:], to-from)
	}))
	m := newMemory()
	o := quick()
	o.Retries = 1
	c := newClient(t, o)
	if err := c.Fetch(context.Background(), m, []Job{{"a", []string{url}, blobOf(a)}}, nil); err != nil {
		t.Fatal(err)
	}
	want(t, m, a)
	if n := rec.count(); n < 8 {
		t.Errorf("got %d requests; this test wants more", n)
	}
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-0/1", "bytes 5-9/10", "bytes 5-9/*", "bytes */10", "bytes */*", "", "bytes 9-5/10",
		"bytes 0-18446744073709551615/*", "bytes -1-5/10", "octets 0-1/2", "bytes 0-10/10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		from, of, err := contentRange(s)
		if err != nil {
			if from != -1 || of != -1 {
				t.Errorf("%q: %d, %d with an error", s, from, of)
			}
			return
		}
		if from < -1 || of < -1 || of >= 0 && from >= of {
			t.Errorf("%q: from %d of %d", s, from, of)
		}
	})
}
