package archivetest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server serves an Archive on loopback. It is a proxy, too: what is asked of
// another host is looked for below a folder of that host's name, so that a test
// may stand in for the whole world. It has no answer for anything else.
type Server struct {
	*httptest.Server
	archive *Archive

	mu     sync.Mutex
	faults map[string]Fault // by path suffix
	asked  []string
}

// Fault answers in place of the right answer, which is whole; nil if there is none.
type Fault func(w http.ResponseWriter, whole []byte)

// Serve starts a server, which ends with the test.
func (a *Archive) Serve(t testing.TB) *Server {
	t.Helper()
	s := &Server{archive: a, faults: map[string]Fault{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Server.Close)
	return s
}

// Plant answers with f whatever path ends in suffix; nil takes it away.
func (s *Server) Plant(suffix string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f == nil {
		delete(s.faults, suffix)
	} else {
		s.faults[suffix] = f
	}
}

// Heal takes all faults away.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.faults)
}

// Asked returns the paths that were asked for, in order, without a slash before
// them; what was asked of another host has that host before it.
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}

// ServeHTTP answers with a file. Its ETag changes whenever the file does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	where := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	if r.URL.IsAbs() {
		where = r.URL.Host + "/" + where
	}
	s.mu.Lock()
	s.asked = append(s.asked, where)
	var fault Fault
	for suffix, f := range s.faults {
		if strings.HasSuffix(where, suffix) {
			fault = f
		}
	}
	s.mu.Unlock()
	name := filepath.Join(s.archive.Dir, filepath.FromSlash(where))
	if fault != nil {
		whole, _ := os.ReadFile(name)
		fault(w, whole)
		return
	}
	f, err := os.Open(name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%x-%x"`, fi.ModTime().UnixNano(), fi.Size()))
	http.ServeContent(w, r, "", time.Time{}, f)
}

// Faults are the usual ones, by name.
func Faults() map[string]Fault {
	status := func(code int) Fault {
		return func(w http.ResponseWriter, _ []byte) { http.Error(w, http.StatusText(code), code) }
	}
	return map[string]Fault{
		"404": status(http.StatusNotFound),
		"500": status(http.StatusInternalServerError),
		"half": func(w http.ResponseWriter, whole []byte) {
			w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
			w.Write(whole[:len(whole)/2])
		},
		"flip": func(w http.ResponseWriter, whole []byte) {
			other := bytes.Clone(whole)
			other[len(other)/2] ^= 1
			w.Write(other)
		},
		"endless": func(w http.ResponseWriter, whole []byte) {
			w.Write(whole)
			piece := make([]byte, 64<<10)
			for range 2000 { // 128 MB: endless enough, and bounded
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		},
	}
}
