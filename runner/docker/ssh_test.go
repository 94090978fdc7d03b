package docker

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParseSSH(t *testing.T) {
	for text, want := range map[string]string{
		"ssh://box":                           "-T -o ConnectTimeout=30 -- box docker system dial-stdio",
		"ssh://me@box.example.org:2222":       "-T -o ConnectTimeout=30 -l me -p 2222 -- box.example.org docker system dial-stdio",
		"ssh://box/run/user/1000/podman.sock": "-T -o ConnectTimeout=30 -- box docker --host unix:///run/user/1000/podman.sock system dial-stdio",
		"ssh://[fe80::1%25eth0]:22/":          "-T -o ConnectTimeout=30 -p 22 -- fe80::1%eth0 docker system dial-stdio",
	} {
		r, err := parseSSH("DOCKER_HOST", text)
		if err != nil || !slices.Equal(r.args, strings.Fields(want)) {
			t.Errorf("%s: %+v, %v; want %s", text, r, err, want)
		}
	}
	for _, bad := range []string{
		"ssh://", "ssh://-oProxyCommand=x", "ssh://-oProxyCommand=x@box", "ssh://me:secret@box", "ssh://box?x", "ssh://box/$(id)",
		"ssh://box/a b", "tcp://box", "ssh://box;id", "ssh://box:x", "ssh://a b", "ssh://me;id@box",
	} {
		if r, err := parseSSH("DOCKER_HOST", bad); err == nil {
			t.Errorf("%s: %q", bad, r.args)
		}
	}
}

// An ssh that has ended already is heard of by whoever writes, too.
func TestSSHEndsBeforeTheFirstWord(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte("#!/bin/sh\necho 'far: no such host' >&2\nexit 255\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	r, err := parseSSH("DOCKER_HOST", "ssh://far")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := r.dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	<-conn.(*sshConn).ended
	for name, do := range map[string]func([]byte) (int, error){"write": conn.Write, "read": conn.Read} {
		if _, err := do(make([]byte, 10)); err == nil || !strings.Contains(err.Error(), "no such host") {
			t.Errorf("%s: %v; want ssh's own words", name, err)
		}
	}
}

// Whatever DOCKER_HOST says, ssh sees one host that is no option, and a shell
// on the other side sees nothing to act on.
func FuzzParseSSH(f *testing.F) {
	f.Add("ssh://me@box:22/sock")
	f.Add("ssh://-x@-y/$(z)")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseSSH("DOCKER_HOST", text)
		if err != nil {
			return
		}
		at := slices.Index(r.args, "--")
		if at < 0 || at+1 >= len(r.args) || strings.HasPrefix(r.args[at+1], "-") {
			t.Fatalf("%q: %q", text, r.args)
		}
		for _, a := range r.args {
			if a == "" || strings.ContainsAny(a, " \t\n;&|<>$`\\\"'(){}*?[]~#!") {
				t.Errorf("%q: %q", text, r.args)
			}
		}
	})
}
