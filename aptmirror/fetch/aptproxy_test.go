package fetch

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"satchel/aptmirror/aptconf"
)

// TestAptProxy: for each configuration, the proxy that is used is the one that
// the real apt uses.
func TestAptProxy(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	proxies := map[string]string{}
	for _, name := range []string{"A", "B", "C"} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, name)
			http.NotFound(w, r)
		}))
		defer s.Close()
		proxies[name] = s.URL
	}
	fill := func(s string) string {
		return strings.NewReplacer("@A", proxies["A"], "@B", proxies["B"], "@C", proxies["C"]).Replace(s)
	}
	for _, tt := range []struct{ conf, env, url, want string }{
		{``, ``, "http://one.invalid/x", ""},
		{``, `http_proxy=@C`, "http://one.invalid/x", "C"},
		{`Acquire::http::Proxy "@A";`, ``, "http://one.invalid/x", "A"},
		{`Acquire::http::Proxy "@A";`, `http_proxy=@C`, "http://one.invalid/x", "A"},
		{`Acquire::http::Proxy "@A/";`, `http_proxy=@C no_proxy=two.invalid`, "http://one.invalid/x", "A"},
		{`Acquire::http::Proxy "@A";`, `no_proxy=one.invalid`, "http://one.invalid/x", ""},
		{`Acquire::http { Proxy "@A"; Proxy::one.invalid "@B"; };`, ``, "http://one.invalid/x", "B"},
		{`Acquire::http { Proxy "@A"; Proxy { one.invalid "@B"; }; };`, ``, "http://two.invalid/x", "A"},
		{`acquire::HTTP { proxy "@A"; PROXY::one.invalid "DIRECT"; };`, ``, "http://one.invalid/x", ""},
		{`Acquire::http::Proxy::one.invalid "DIRECT";`, `http_proxy=@C`, "http://one.invalid/x", ""},
		{`Acquire::http::Proxy "";`, `http_proxy=@C`, "http://one.invalid/x", "C"},
		{`Acquire::http::Proxy "@A"; #clear Acquire::http;`, `http_proxy=@C`, "http://one.invalid/x", "C"},
		{`Acquire::https::Proxy "@A";`, ``, "http://one.invalid/x", ""},
		{`Acquire::http::Proxy "@A"; Acquire::https::Proxy "@B";`, ``, "https://one.invalid/x", "B"},
		{`Acquire::http::Proxy "@A";`, ``, "https://one.invalid/x", "A"},
		{`Acquire::http::Proxy::one.invalid "@A";`, ``, "https://one.invalid/x", "A"},
		{`Acquire::https::Proxy "DIRECT"; Acquire::http::Proxy "@A";`, ``, "https://one.invalid/x", ""},
		{`Acquire::http::Proxy "DIRECT";`, `http_proxy=@C`, "http://one.invalid/x", ""},
	} {
		conf := fill(tt.conf)
		env := map[string]string{}
		for _, v := range strings.Fields(fill(tt.env)) {
			k, v, _ := strings.Cut(v, "=")
			env[k] = v
		}
		var c aptconf.Config
		if err := c.Read(aptconf.File{Name: "apt.conf", Text: []byte(conf)}, nil); err != nil {
			t.Fatal(err)
		}
		proxy := AptProxy(c.Find, func(k string) string { return env[k] }, func(string) bool { return true })
		req := httptest.NewRequest(http.MethodGet, tt.url, nil)
		u, err := proxy(req)
		got := ""
		for name, p := range proxies {
			if u != nil && strings.TrimSuffix(u.String(), "/") == p {
				got = name
			}
		}
		if err != nil || got != tt.want {
			t.Errorf("%s %s %s: we use %q, want %q; %v", tt.conf, tt.env, tt.url, got, tt.want, err)
		}
		mu.Lock()
		asked = nil
		mu.Unlock()
		aptAsks(t, conf, env, tt.url)
		mu.Lock()
		apt := strings.Join(asked, "")
		mu.Unlock()
		if len(apt) > 1 {
			apt = apt[:1] // it tries again
		}
		if apt != tt.want {
			t.Errorf("%s %s %s: apt uses %q, want %q", tt.conf, tt.env, tt.url, apt, tt.want)
		}
	}
}

// aptAsks has apt's own fetcher ask for url.
func aptAsks(t *testing.T, conf string, env map[string]string, url string) {
	t.Helper()
	const helper = "/usr/lib/apt/apt-helper"
	if _, err := os.Stat(helper); err != nil {
		if os.Getenv("SATCHEL_CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no apt to compare with")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "apt.conf")
	head := "Dir::Etc::parts \"/nonexistent\"; Dir::Etc::main \"/nonexistent\"; APT::Sandbox::User \"root\"; Acquire::Retries \"0\";\n"
	if err := os.WriteFile(file, []byte(head+conf+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, helper, "download-file", url, filepath.Join(dir, "x"))
	cmd.Env = []string{"APT_CONFIG=" + file, "PATH=" + os.Getenv("PATH")}
	for k, v := range env {
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%s", k, v))
	}
	cmd.Run() // that it fails is certain: nobody has the file
}

// Other hosts than archives go by the variables alone; a proxy that cannot be
// used is an error that keeps its password to itself.
func TestAptProxyElsewhere(t *testing.T) {
	conf := map[string]string{"Acquire::http::Proxy": "http://apt.example.org:1/"}
	env := map[string]string{"http_proxy": "http://env.example.org:2/"}
	archive := func(host string) bool { return host == "archive.example.org" }
	proxy := AptProxy(func(k string) string { return conf[k] }, func(k string) string { return env[k] }, archive)
	for host, want := range map[string]string{"archive.example.org": "apt.example.org:1", "other.example.org": "env.example.org:2"} {
		u, err := proxy(httptest.NewRequest(http.MethodGet, "http://"+host+"/", nil))
		if err != nil || u == nil || u.Host != want {
			t.Errorf("%s: got %v, %v; want %s", host, u, err, want)
		}
	}
	for _, bad := range []string{"ftp://u:hunter2@p/", "http://u:hunter2@p:x:y/", "http://u:hunter2%@p"} {
		conf["Acquire::http::Proxy"] = bad
		_, err := proxy(httptest.NewRequest(http.MethodGet, "http://archive.example.org/", nil))
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "DIRECT") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}
