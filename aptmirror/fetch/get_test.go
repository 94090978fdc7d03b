package fetch

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestGet(t *testing.T) {
	a := content(1, 1000)
	var rec record
	url := serve(t, rec.wrap(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/none", "/none/2":
			http.NotFound(w, r)
		case "/broken":
			w.WriteHeader(500)
		case "/dated":
			w.Header().Set("Last-Modified", "Wed, 01 May 2024 12:00:00 GMT")
			if r.Header.Get("If-Modified-Since") == w.Header().Get("Last-Modified") {
				w.WriteHeader(304)
				return
			}
			w.Write(a)
		case "/always304":
			w.WriteHeader(304)
		case "/endless":
			w.(http.Flusher).Flush()
			for {
				if _, err := w.Write(a); err != nil {
					return
				}
			}
		case "/half":
			breakOff(t, w, a, 500)
		default:
			if r.Header.Get("Cache-Control") != "max-age=0" {
				t.Errorf("Cache-Control %q", r.Header.Get("Cache-Control"))
			}
			serveFile(a)(w, r)
		}
	}))
	c := newClient(t, quick())
	ctx := context.Background()
	get := func(limit int64, cond Conditional, paths ...string) ([]byte, Meta, error) {
		var urls []string
		for _, p := range paths {
			urls = append(urls, url+p)
		}
		return c.Get(ctx, urls, limit, cond)
	}
	for _, path := range []string{"/tagged", "/dated"} {
		b, m, err := get(1000, Conditional{}, "/none", path)
		if err != nil || string(b) != string(a) || m.URL != url+path || m.NotModified {
			t.Fatalf("%s: %d bytes, %+v, %v", path, len(b), m, err)
		}
		b, m2, err := get(1000, m.Conditional(), path)
		if err != nil || b != nil || !m2.NotModified || m2.Conditional() != m.Conditional() {
			t.Errorf("%s again: %d bytes, %+v, %v", path, len(b), m2, err)
		}
		// Another mirror's validators are not told.
		m.URL = "http://elsewhere" + path
		if b, m, err = get(1000, m.Conditional(), path); err != nil || len(b) != 1000 || m.NotModified {
			t.Errorf("%s elsewhere: %d bytes, %+v, %v", path, len(b), m, err)
		}
	}
	if _, _, err := get(1000, Conditional{}, "/always304"); err == nil {
		t.Error("304 that was not asked for is taken")
	}
	for path, limit := range map[string]int64{"/tagged": 999, "/endless": 100_000} {
		if _, _, err := get(limit, Conditional{}, path); !errors.As(err, new(*TooLargeError)) {
			t.Errorf("%s: %v, want a TooLargeError", path, err)
		}
	}
	rec.n = 0
	b, _, err := get(1000, Conditional{}, "/half", "/broken", "/tagged")
	if err != nil || len(b) != 1000 || rec.count() != 9 {
		t.Errorf("%d bytes, %v after %d requests, want 4 + 4 + 1", len(b), err, rec.count())
	}
	_, _, err = get(1000, Conditional{}, "/none", "/none/2")
	var m *MissingError
	if !errors.As(err, &m) || !m.NotFound() || len(m.Jobs[0].Tried) != 2 {
		t.Errorf("got %v", err)
	}
	_, _, err = get(1000, Conditional{}, "/none", "/broken")
	if !errors.As(err, &m) || m.NotFound() || !strings.Contains(err.Error(), "500") {
		t.Errorf("got %v", err)
	}
	if _, _, err := get(0, Conditional{}, "/tagged"); err == nil {
		t.Error("no limit is taken")
	}
	if _, _, err := c.Get(ctx, nil, 10, Conditional{}); err == nil {
		t.Error("no address is taken")
	}
}

func TestGetStalls(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("x"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	c := newClient(t, Options{RateWindow: 50 * time.Millisecond, Retries: -1})
	_, _, err := c.Get(context.Background(), []string{url}, 1000, Conditional{})
	if !errors.As(err, new(*StallError)) {
		t.Errorf("got %v, want a StallError", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if _, _, err := newClient(t, Options{}).Get(ctx, []string{url}, 1000, Conditional{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's end", err)
	}
}
