package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRedirects(t *testing.T) {
	a := content(1, 50_000)
	other := serve(t, serveFile(a))
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, a, 0o600); err != nil { // the right bytes, even
		t.Fatal(err)
	}
	var url string
	var rec record
	url = serve(t, rec.wrap(func(w http.ResponseWriter, r *http.Request) {
		to := map[string]string{
			"/other":    other + "/x",
			"/relative": "good",
			"/protocol": strings.TrimPrefix(other, "http:") + "/x",
			"/loop":     "/loop",
			"/file":     "file://" + secret,
			"/path":     secret,
			"/ftp":      "ftp://localhost/x",
			"/data":     "data:text/plain,x",
			"/nohost":   "http:///x",
			"/bad":      "http://[::1/%zz",
			"/none":     "",
			"/secret":   "ftp://user:hunter2@localhost/x?token=hunter2",
		}
		if l, ok := to[r.URL.Path]; ok {
			if l != "" {
				w.Header().Set("Location", l)
			}
			w.WriteHeader(302)
			return
		}
		var n int
		if _, err := fmt.Sscanf(r.URL.Path, "/chain/%d", &n); err == nil && n > 0 {
			http.Redirect(w, r, fmt.Sprintf("/chain/%d", n-1), 301+n%2)
			return
		}
		if r.URL.Path == secret {
			http.NotFound(w, r) // a path is one on the server
			return
		}
		serveFile(a)(w, r)
	}))
	for path, asks := range map[string]int{"/other": 1, "/relative": 2, "/protocol": 1, "/chain/5": 6} {
		rec.n = 0
		m := newMemory()
		c := newClient(t, quick())
		if err := c.Fetch(context.Background(), m, []Job{{"a", []string{url + path}, blobOf(a)}}, nil); err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		want(t, m, a)
		if rec.count() != asks || len(c.active) != 0 {
			t.Errorf("%s: %d requests, want %d; slots %v", path, rec.count(), asks, c.active)
		}
	}
	for path, asks := range map[string]int{"/loop": 6, "/chain/6": 6, "/file": 1, "/ftp": 1, "/data": 1, "/nohost": 1, "/bad": 1, "/none": 1, "/secret": 1} {
		rec.n = 0
		m := newMemory()
		c := newClient(t, quick())
		err := c.Fetch(context.Background(), m, []Job{{"a", []string{url + path}, blobOf(a)}}, nil)
		f := wantMissing(t, err)
		if !errors.As(f.Tried[0].Err, new(*RedirectError)) || rec.count() != asks {
			t.Errorf("%s: %v after %d requests, want a RedirectError after %d", path, err, rec.count(), asks)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: a password in %v", path, err)
		}
		want(t, m)
	}
	f := wantMissing(t, newClient(t, quick()).Fetch(context.Background(), newMemory(), []Job{{"a", []string{url + "/path"}, blobOf(a)}}, nil))
	if s := (*StatusError)(nil); !errors.As(f.Tried[0].Err, &s) || s.Code != 404 {
		t.Errorf("/path: %v", f.Tried[0].Err)
	}
}

// From https nothing leads back to http.
func TestRedirectLeavesTLS(t *testing.T) {
	a := content(1, 50_000)
	plain := serve(t, serveFile(a))
	var s *httptest.Server
	s = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/plain":
			http.Redirect(w, r, plain, http.StatusFound)
		case "/tls":
			http.Redirect(w, r, s.URL+"/x", http.StatusFound)
		default:
			serveFile(a)(w, r)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	tls := quick()
	tls.Transport = s.Client().Transport
	c := newClient(t, tls)
	f := wantMissing(t, c.Fetch(context.Background(), newMemory(), []Job{{"a", []string{s.URL + "/plain"}, blobOf(a)}}, nil))
	if !errors.As(f.Tried[0].Err, new(*RedirectError)) {
		t.Errorf("got %v", f.Tried[0].Err)
	}
	m := newMemory()
	up := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, s.URL+"/tls", http.StatusFound) })
	if err := c.Fetch(context.Background(), m, []Job{{"a", []string{up}, blobOf(a)}}, nil); err != nil {
		t.Fatal(err)
	}
	want(t, m, a)
	// A certificate that nobody vouches for is not tried twice.
	c = newClient(t, quick())
	f = wantMissing(t, c.Fetch(context.Background(), newMemory(), []Job{{"a", []string{s.URL + "/x"}, blobOf(a)}}, nil))
	if fateOf(f.Tried[0].Err) != final || !strings.Contains(f.Tried[0].Err.Error(), "certificate") {
		t.Errorf("got %v", f.Tried[0].Err)
	}
}

// Credentials go to the host they were given for, and into no message.
func TestCredentials(t *testing.T) {
	a := content(1, 5000)
	var leak record
	elsewhere := serve(t, leak.wrap(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header.Values("Authorization")) > 0 {
			t.Errorf("the other host was given %q", r.Header.Get("Authorization"))
		}
		serveFile(a)(w, r)
	}))
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, pass, _ := r.BasicAuth()
		switch {
		case user != "me" || pass != "hunter2":
			w.WriteHeader(401)
		case r.URL.Path == "/away":
			http.Redirect(w, r, elsewhere, http.StatusFound)
		case r.URL.Path == "/near":
			http.Redirect(w, r, "/a", http.StatusFound)
		case r.URL.Path == "/a":
			serveFile(a)(w, r)
		default:
			http.NotFound(w, r)
		}
	})
	with := strings.Replace(url, "http://", "http://me:hunter2@", 1)
	c := newClient(t, quick())
	for _, path := range []string{"/a", "/near", "/away"} {
		m := newMemory()
		if err := c.Fetch(context.Background(), m, []Job{{"a", []string{with + path}, blobOf(a)}}, nil); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if leak.count() != 1 {
		t.Errorf("the other host was asked %d times", leak.count())
	}
	for _, u := range []string{
		with + "/none?token=hunter2#hunter2", "http://hunter2@127.0.0.1:1/x", "gopher://me:hunter2@h/x",
		"http://me:hunter2@h:port/x", "http://me:hunter2@/x", "http://me:hunter2%zz@h/", "hunter2", "https://me:hunter2@127.0.0.1:1/x",
		"file://me:hunter2@h/x",
	} {
		err := c.Fetch(context.Background(), newMemory(), []Job{{"a", []string{u}, blobOf(a)}}, nil)
		_, _, err2 := c.Get(context.Background(), []string{u}, 10, Conditional{})
		for _, err := range []error{err, err2} {
			f := wantMissing(t, err)
			if text := fmt.Sprintf("%v %+v", err, f); strings.Contains(text, "hunter2") {
				t.Errorf("%s: a password in %s", u, text)
			}
		}
	}
}
