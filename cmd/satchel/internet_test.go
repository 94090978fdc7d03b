package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"satchel/aptmirror/archivetest"
)

// internet stands in for every host there is: it is the proxy of a satchel that
// knows no other way out, and serves each host from a folder of its name. So a
// test sees the very URLs that are asked for. The hosts of snapshot services
// answer as those do: a moment is redirected to the last one before it that they have.
type internet struct {
	*archivetest.Archive
	dir   string // where satchel works
	proxy *httptest.Server
	env   []string // variables besides those that lead here

	mu     sync.Mutex
	asked  []string                    // URLs without their scheme, in order
	faults map[string]http.HandlerFunc // by a part of the URL
}

func newInternet(t *testing.T) *internet {
	t.Helper()
	n := &internet{Archive: archivetest.New(t), dir: t.TempDir(), faults: map[string]http.HandlerFunc{}}
	files := n.Serve(t)
	n.proxy = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host == "" {
			http.Error(w, "not asked as a proxy", http.StatusBadRequest)
			return
		}
		if n.answer(w, r) {
			files.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(n.proxy.Close)
	n.write(t, "archive.gpg", n.Keyring(t))
	n.write(t, "tool.yml", []byte(strings.ReplaceAll(toolDescriptor, "'", `"`)))
	if err := os.Mkdir(filepath.Join(n.dir, "apt"), 0o755); err != nil {
		t.Fatal(err)
	}
	return n
}

// toolDescriptor builds nothing of a package called tool.
const toolDescriptor = `name: 'tool'
distro: 'debian'
suites: ['bookworm']
architectures: ['amd64']
packages: ['tool']
reference_datetime: '2020-01-01 00:00:00'
remotes: []
files: []
script: |
  true
`

// answer does what this world does besides serving files, and tells whether
// there is still something to serve.
func (n *internet) answer(w http.ResponseWriter, r *http.Request) bool {
	n.mu.Lock()
	url := r.URL.Host + r.URL.Path
	n.asked = append(n.asked, url)
	var fault http.HandlerFunc
	for part, f := range n.faults {
		if strings.Contains(url, part) {
			fault = f
		}
	}
	n.mu.Unlock()
	if fault != nil {
		fault(w, r)
		return false
	}
	at := regexp.MustCompile(`/(\d{8}T\d{6}Z)/`).FindStringSubmatchIndex(url)
	if at == nil {
		return true
	}
	runs, err := os.ReadDir(filepath.Join(n.Dir, url[:at[0]]))
	if err != nil {
		return true
	}
	last := ""
	for _, run := range runs {
		if run.Name() <= url[at[2]:at[3]] {
			last = run.Name()
		}
	}
	if last == "" || last == url[at[2]:at[3]] {
		return true
	}
	http.Redirect(w, r, "http://"+url[:at[2]]+last+url[at[3]:], http.StatusFound)
	return false
}

// fault answers with f whatever URL has part in it.
func (n *internet) fault(part string, f http.HandlerFunc) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults[part] = f
}

// requests returns the URLs asked for since the last call that match a pattern.
func (n *internet) requests(pattern string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var found []string
	for _, u := range n.asked {
		if regexp.MustCompile(pattern).MatchString(u) {
			found = append(found, u)
		}
	}
	n.asked = nil
	return found
}

// debian publishes all of bookworm at a host; tool has the version, and each
// pocket the date. With until 0 it never expires.
func (n *internet) debian(t *testing.T, host, securityHost, version string, date time.Time, until time.Duration) {
	t.Helper()
	for i, s := range []archivetest.Suite{{Archive: host, Name: "bookworm"}, {Archive: host, Name: "bookworm-updates"}, {Archive: securityHost, Name: "bookworm-security"}} {
		if s.Date = date; until != 0 {
			s.Until = date.Add(until)
		}
		if i == 0 {
			s.Packages = []archivetest.Package{archivetest.Deb("base", "1.0", "Essential: yes\n"), archivetest.Deb("tool", version, "")}
		}
		n.Publish(t, s)
	}
}

// snapshot publishes bookworm as snapshot-cloudflare.debian.org saw it at a moment.
func (n *internet) snapshot(t *testing.T, at time.Time, version string, date time.Time, until time.Duration) {
	t.Helper()
	id := at.UTC().Format("20060102T150405Z")
	n.debian(t, "snapshot-cloudflare.debian.org/archive/debian/"+id, "snapshot-cloudflare.debian.org/archive/debian-security/"+id, version, date, until)
}

// forget removes what a host has.
func (n *internet) forget(t *testing.T, host string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(n.Dir, host)); err != nil {
		t.Fatal(err)
	}
}

// move gives what a host has to another.
func (n *internet) move(t *testing.T, from, to string) {
	t.Helper()
	from, to = filepath.Join(n.Dir, from), filepath.Join(n.Dir, to)
	if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.Rename(from, to)); err != nil {
		t.Fatal(err)
	}
}

func (n *internet) write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(n.dir, name), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func (n *internet) read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(n.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// satchel runs a command line in a world that has this internet alone, and
// wants an exit code. A verb that asks archives gets their keys. It returns what
// was printed on both streams.
func (n *internet) satchel(t *testing.T, want int, args ...string) string {
	t.Helper()
	if slices.Contains([]string{"lock", "gather"}, args[0]) {
		args = append(args, "--archive-keyring=archive.gpg", "--apt-sources=apt")
		if args[0] == "lock" && !slices.Contains(args, "--from-assert") {
			args = append(args, "--base-packages=base")
		}
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = n.dir
	cmd.Env = append(os.Environ(), asSatchel+"=1", "SATCHEL_CACHE="+filepath.Join(n.dir, "cache"),
		"http_proxy="+n.proxy.URL, "https_proxy="+n.proxy.URL, "HTTP_PROXY=", "HTTPS_PROXY=", "no_proxy=", "NO_PROXY=")
	cmd.Env = append(cmd.Env, n.env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		t.Fatalf("running satchel: %v", err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Fatalf("satchel %s: exit status %d, want %d\n%s", strings.Join(args, " "), got, want, out.String())
	}
	return out.String()
}

// freshCache makes the next command one that has fetched nothing yet.
func (n *internet) freshCache(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(n.dir, "cache")); err != nil {
		t.Fatal(err)
	}
}

// wantLines compares lists, one a line.
func wantLines(t *testing.T, what string, got []string, want string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(strings.Fields(want), "\n"); g != w {
		t.Errorf("%s: got\n%s\nwant\n%s", what, g, w)
	}
}

// status answers with a code.
func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, fmt.Sprint(code), code) }
}
