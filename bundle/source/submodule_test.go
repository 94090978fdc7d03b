package source

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"satchel/bundle/source/pack"
)

// link commits a submodule without checking anything out.
func (r repo) link(path, commit string) {
	r.t.Helper()
	r.git("update-index", "--add", "--cacheinfo", "160000,"+commit+","+path)
}

// family makes three repositories beside one another: a has b in it by a
// relative URL, and b has c.
func family(t testing.TB) (a, b, c repo) {
	top := t.TempDir()
	make := func(name string) repo {
		r := repo{t, filepath.Join(top, name)}
		r.run("", "init", "-q", "-b", "master", r.dir)
		r.commit("file", name)
		return r
	}
	a, b, c = make("a"), make("b.git"), make("c")
	b.link("inner/c", c.git("rev-parse", "HEAD"))
	b.write(".gitmodules", "[submodule \"sea\"]\n\tpath = inner/c\n\turl = ../c\n")
	b.git("add", ".gitmodules")
	b.git("commit", "-q", "-m", "c")
	a.link("lib/b", b.git("rev-parse", "HEAD"))
	a.link("lib/never", b.git("rev-parse", "HEAD"))
	a.write(".gitmodules", "[submodule \"bee\"]\n\tpath = lib/b/\n\turl = ./../b.git\n"+
		"[submodule \"no\"]\n\tpath = lib/never\n\turl = ext::touch bad\n\tupdate = none\n")
	a.git("add", ".gitmodules")
	a.git("commit", "-q", "-m", "b")
	return a, b, c
}

func TestSubmodules(t *testing.T) {
	a, b, c := family(t)
	c.commit("later", "later") // so that c's pin is no tip
	pin, store := lockOf(t, a, "master", options(t))
	var got []string
	for _, s := range pin.Submodules {
		got = append(got, fmt.Sprintf("%s %s %s %s", s.Path, s.Name, filepath.Base(s.URL), s.Commit))
		if _, err := pack.Check(bytes.NewReader(store.blobs[s.Pack.SHA256]), s.Commit, ""); err != nil {
			t.Errorf("%s: %v", s.Path, err)
		}
	}
	want := fmt.Sprintf("lib/b bee b.git %s\nlib/b/inner/c sea c %s", b.git("rev-parse", "HEAD"), c.git("rev-parse", "HEAD~1"))
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

// TestHostileSubmodules checks that nothing of what .gitmodules may say makes
// git run, read or write anything.
func TestHostileSubmodules(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "touched")
	secret := newRepo(t)
	commit := secret.commit("secret", "secret")
	for name, c := range map[string]struct {
		path, text string
		local      bool
	}{
		"helper":           {"sub", "[submodule \"s\"]\n\tpath = sub\n\turl = ext::touch " + marker + "\n", true},
		"helper quoted":    {"sub", "[submodule \"s\"]\n\tpath = sub\n\turl = \"ext::sh -c touch% " + marker + "\"\n", true},
		"option":           {"sub", "[submodule \"s\"]\n\tpath = sub\n\turl = -u./" + filepath.Base(marker) + "\n", true},
		"upload pack":      {"sub", "[submodule \"s\"]\n\tpath = sub\n\turl = --upload-pack=touch\n", true},
		"ssh option":       {"sub", "[submodule \"s\"]\n\tpath = sub\n\turl = ssh://-oProxyCommand=touch/x\n", true},
		"scp option":       {"sub", "[submodule \"s\"]\n\tpath = sub\n\turl = -oProxyCommand=touch:x\n", true},
		"path":             {"sub", "[submodule \"s\"]\n\tpath = sub\n\turl = " + secret.dir + "\n", true},
		"file":             {"sub", "[submodule \"s\"]\n\tpath = sub\n\turl = file://" + secret.dir + "\n", true},
		"command":          {"sub", "[submodule \"s\"]\n\tpath = sub\n\tupdate = !touch " + marker + "\n\turl = ../x\n", true},
		"name":             {"sub", "[submodule \"../../x\"]\n\tpath = sub\n\turl = ../x\n", true},
		"name hooks":       {"sub", "[submodule \"a/.git/hooks\"]\n\tpath = sub\n\turl = ../x\n", true},
		"newline":          {"sub", "[submodule \"s\"]\n\tpath = sub\n\turl = \"https://example.org/\\nx\"\n", true},
		"no url":           {"sub", "[submodule \"s\"]\n\tpath = sub\n", true},
		"two names":        {"sub", "[submodule \"a\"]\n\tpath = sub\n\turl = ../x\n[submodule \"b\"]\n\tpath = sub\n\turl = ../y\n", true},
		"not mentioned":    {"sub", "[submodule \"a\"]\n\tpath = other\n\turl = ../x\n", true},
		"above everything": {"sub", "[submodule \"s\"]\n\tpath = sub\n\turl = " + strings.Repeat("../", 40) + "x\n", true},
		"include":          {"sub", "[include]\n\tpath = " + secret.dir + "/.git/config\n", true},
		"broken":           {"sub", "[submodule \"s\n", true},
		"dash":             {"-sub", "[submodule \"s\"]\n\tpath = -sub\n\turl = ../x\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			up := newRepo(t)
			up.commit("a", "a")
			up.link(c.path, commit)
			up.write(".gitmodules", c.text)
			up.git("add", ".gitmodules")
			up.git("commit", "-q", "-m", "x")
			opts := options(t)
			// Whatever upstream is willing to send: the checks must be ours too.
			_, err := Lock(t.Context(), Remote{Dir: "up", URL: up.dir, Ref: "master", Local: true}, opts, newStore())
			if err == nil {
				t.Fatal("Lock took it")
			}
			t.Log(err)
			if _, err := os.Stat(marker); err == nil {
				t.Fatal("a command was run")
			}
			repos, _ := filepath.Glob(filepath.Join(opts.Work, "*.git"))
			if len(repos) > 2 {
				t.Errorf("repositories %q", repos)
			}
		})
	}
}

// TestModuleNames looks at the checks that stand behind those of git's fsck.
func TestModuleNames(t *testing.T) {
	for s, ok := range map[string]bool{"lib/b": true, "a.b": true, "a": true, "": false, "..": false, "../x": false, "a/../b": false, "a/..": false,
		"/a": false, "a//b": false, "a/": false, "-a": false, ".git": false, "a/.GIT/b": false, "GIT~1": false, "a\\b": false, "a\nb": false, ".": false} {
		if err := checkModule(s, "path"); ok != (err == nil) {
			t.Errorf("name %q: got %v", s, err)
		}
		if err := checkModule("name", s); ok != (err == nil) {
			t.Errorf("path %q: got %v", s, err)
		}
	}
}

func TestURLs(t *testing.T) {
	for url, want := range map[string]string{ // "": refused; "local": only if the user named it
		"https://github.com/a/b.git":     "ok",
		"http://127.0.0.1:8080/a":        "ok",
		"https://[::1]:8080/a":           "ok",
		"ssh://git@example.org:22/a/b":   "ok",
		"git://example.org/~a/b":         "ok",
		"git@example.org:a/b.git":        "ok",
		"example.org:a/b.git":            "ok",
		"/srv/git/a":                     "local",
		"../a":                           "local",
		"./a:b":                          "local",
		"file:///srv/git/a":              "local",
		"file://host/srv/git/a":          "", // not absolute
		"":                               "",
		"-u/bin/sh":                      "",
		"ext::sh -c x":                   "",
		"ext::sh":                        "",
		"fd::17":                         "",
		"::x":                            "",
		"ftp://example.org/a":            "",
		"git+ssh://example.org/a":        "",
		"ssh://-oProxyCommand=x/a":       "",
		"ssh://-oProxyCommand=x@h/a":     "",
		"ssh://git@-oProxyCommand=x/a":   "",
		"ssh://git@%2doProxyCommand=x/a": "",
		"-oProxyCommand=x:a":             "",
		"git@-oProxyCommand=x:a":         "",
		"host:-a":                        "",
		"host:":                          "",
		"https:///a":                     "",
		"https://a@b@c/d":                "",
		"https://example.org/a b":        "",
		"https://example.org/a\nb":       "",
		"https://example.org/a\x00b":     "",
		"https://example.org/$(x)`":      "",
		"https://example.org/\u00e9":     "",
	} {
		for _, local := range []bool{false, true} {
			err := checkURL(url, local)
			if ok := want == "ok" || want == "local" && local; ok != (err == nil) {
				t.Errorf("%q, local %v: got %v, want %q", url, local, err, want)
			}
			if err != nil && !errors.Is(err, ErrRefused) {
				t.Errorf("%q: %v does not wrap ErrRefused", url, err)
			}
		}
	}
}

// TestRelativeURL compares with what `git submodule init` makes of a URL.
func TestRelativeURL(t *testing.T) {
	bases := []string{
		"https://example.org/a/b.git", "https://example.org/a/b/", "ssh://git@example.org/a/b",
		"git@example.org:a/b", "git@example.org:b", "/srv/git/a/b", "https://example.org/a",
	}
	urls := []string{"../c.git", "../../c", "./c", "./../c", ".././c", "../c/", "../../d/c", "https://else.org/c", "../"}
	for _, base := range bases {
		r := newRepo(t)
		commit := r.commit("a", "a")
		r.git("remote", "add", "origin", base)
		text := ""
		for i, url := range urls {
			r.link(fmt.Sprintf("s%d", i), commit)
			text += fmt.Sprintf("[submodule \"s%d\"]\n\tpath = s%d\n\turl = %s\n", i, i, url)
		}
		r.write(".gitmodules", text)
		for i, url := range urls {
			got, err := relativeURL(base, url)
			if err != nil {
				t.Logf("%s + %s: %v", base, url, err)
				continue // refused although git would go on: above the host
			}
			r.git("submodule", "init", fmt.Sprintf("s%d", i))
			if want := r.git("config", fmt.Sprintf("submodule.s%d.url", i)); got != want {
				t.Errorf("%s + %s: got %s, want %s", base, url, got, want)
			}
		}
	}
}

func TestDirs(t *testing.T) {
	for dir, ok := range map[string]bool{"bitcoin": true, "a.b-c_1": true, "": false, ".": false, "..": false, "a/b": false,
		".git": false, ".GIT": false, "-x": false, "a b": false, "a\n": false, "...": false} {
		if err := checkDir(dir); ok != (err == nil) {
			t.Errorf("%q: got %v", dir, err)
		}
	}
}

// TestEnvironment checks that what the caller's environment tells git is not
// passed on.
func TestEnvironment(t *testing.T) {
	env := environment([]string{"PATH=/bin", "GIT_DIR=/x", "GIT_SSH=touch", "HOME=/root", "LC_ALL=de", "https_proxy=http://p"}, "/h", "/c", false)
	text := "\n" + strings.Join(env, "\n") + "\n"
	for _, want := range []string{"\nPATH=/bin\n", "\nHOME=/h\n", "\nhttps_proxy=http://p\n", "\nGIT_CONFIG_GLOBAL=/c\n", "\nGIT_ALLOW_PROTOCOL=https:http:ssh:git\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	for _, not := range []string{"GIT_DIR", "GIT_SSH=", "/root", "=de"} {
		if strings.Contains(text, not) {
			t.Errorf("%q is in %s", not, text)
		}
	}
}

func TestTail(t *testing.T) {
	var w tail
	fmt.Fprintf(&w, "%sfatal: https://me:secret@example.org/x\n\x1b[31mred\x07", strings.Repeat("x", 9000))
	got := w.text()
	if strings.Contains(got, "secret") || strings.Contains(got, "\x1b") || len(got) > tailSize || !strings.HasSuffix(got, "https://example.org/x ?[31mred?") {
		t.Errorf("got %q", got)
	}
}

// FuzzModules checks that what is taken from .gitmodules is safe to use.
func FuzzModules(f *testing.F) {
	f.Add("submodule.a.path\nsub\x00submodule.a.url\n../x\x00")
	f.Add("submodule.a.b.path\nsub\x00submodule.a.b.url\next::x\x00submodule.a.b.update\nnone\x00")
	f.Fuzz(func(t *testing.T, config string) {
		all, err := matchSubmodules(map[string]pack.ID{"sub": {}}, config)
		if err != nil {
			return
		}
		for _, s := range all {
			if checkModule(s.name, s.path) != nil || s.url == "" || s.path != "sub" {
				t.Errorf("%+v", s)
			}
			url, err := relativeURL("https://example.org/a/b", s.url)
			if err == nil && checkURL(url, false) == nil && (strings.HasPrefix(url, "-") || strings.Contains(url, "\n")) {
				t.Errorf("URL %q", url)
			}
		}
	})
}
