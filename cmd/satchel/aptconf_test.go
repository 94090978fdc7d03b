package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"satchel/aptmirror"
)

// TestAptConfig: the proxy of the parts and of the main file, in apt's order.
func TestAptConfig(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	find := func() string {
		t.Helper()
		c, err := aptConfig(dir)
		if err != nil {
			t.Fatal(err)
		}
		return c.Find("Acquire::http::Proxy")
	}
	steps := []struct{ name, text, want string }{
		{"none", "", ""},
		{"apt.conf.d/10a", `Acquire::http::Proxy "http://a:1";`, "http://a:1"},
		{"apt.conf.d/20b.dpkg-old", `Acquire::http::Proxy "http://old:1";`, "http://a:1"},
		{"apt.conf.d/20b.conf", `Acquire::http::Proxy "http://b:1";`, "http://b:1"},
		{"more/1", `Acquire::http::Proxy "http://more:1";`, "http://b:1"},
		{"apt.conf.d/30c", `#include "` + dir + `/more/";`, "http://more:1"},
		{"apt.conf", `Acquire::http { Proxy "DIRECT"; };`, "DIRECT"},
	}
	for _, s := range steps {
		write(s.name, s.text)
		if got := find(); got != s.want {
			t.Errorf("with %s: %q, want %q", s.name, got, s.want)
		}
	}
	var story strings.Builder
	o := &online{ui: &ui{err: &story}, mirrors: aptmirror.Mirrors{}}
	write("apt.conf", `Acquire::http { Proxy "http://c:1"; Proxy-Auto-Detect "/bin/false"; };`)
	ask := func(host string) string {
		proxy, _ := o.reach(dir)
		u, err := proxy(httptest.NewRequest(http.MethodGet, "http://"+host+"/", nil))
		if err != nil {
			t.Fatal(err)
		}
		if u == nil {
			return ""
		}
		return u.Host
	}
	for _, v := range []string{"http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"} {
		t.Setenv(v, "")
	}
	if a, b := ask("snapshot-cloudflare.debian.org"), ask("other.example.org"); a != "c:1" || b != "" {
		t.Errorf("an archive by %q, another host by %q", a, b)
	}
	if !strings.Contains(story.String(), "Proxy-Auto-Detect") {
		t.Errorf("the story is %q", story.String())
	}
	write("apt.conf", `Acquire::http {`+"\nx")
	story.Reset()
	if got := ask("snapshot-cloudflare.debian.org"); got != "" || !strings.Contains(story.String(), "apt.conf") {
		t.Errorf("a file that cannot be read: %q; the story is %q", got, story.String())
	}
}

// TestProxyOfApt: a machine whose apt alone knows the way out locks and gathers by
// it, whatever the usual variables say, or by what it knows for each host.
func TestProxyOfApt(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.debian(t, "ftp.debian.org/debian", "security.debian.org/debian-security", "2.0", time.Now().Add(-time.Hour), 7*day)
	n.env = []string{"http_proxy=http://127.0.0.1:1"}
	n.write(t, "apt/apt.conf", []byte(`Acquire { http { Proxy "`+n.proxy.URL+`"; }; };`))
	n.satchel(t, 0, "lock", "tool.yml", "-o", "tool.lock")
	n.satchel(t, 0, "gather", "--lock", "tool.lock", "-o", "tool.satchel")
	n.freshCache(t)
	n.write(t, "apt/apt.conf", []byte(`Acquire::http::Proxy::ftp.debian.org "`+n.proxy.URL+`"; Acquire::http::Proxy::security.debian.org "`+n.proxy.URL+`";`))
	n.satchel(t, 0, "gather", "--lock", "tool.lock", "-o", "again.satchel", "--inputs", ".")
}
