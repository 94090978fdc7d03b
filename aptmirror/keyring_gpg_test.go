package aptmirror

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestKeysByGpg signs with gpg itself: text with dashes, trailing space, several
// signers, a subkey, an extended key, a revoked one.
func TestKeysByGpg(t *testing.T) {
	g := newGnuPG(t)
	g.run("20200101T000000", "--quick-gen-key", "plain", "rsa2048", "sign", "0")
	g.run("20200101T000000", "--quick-gen-key", "short", "ed25519", "sign", "30d")
	g.run("20200101T000000", "--quick-gen-key", "long", "ed25519", "cert", "30d")
	long := g.fingerprint("long")
	g.run("20200101T000000", "--quick-add-key", long, "ed25519", "sign", "30d")
	g.run("20200120T000000", "--quick-set-expire", long, "20y")
	g.run("20200120T000000", "--quick-set-expire", long, "20y", "*")
	g.run("20200101T000000", "--quick-gen-key", "gone", "ed25519", "sign", "0")
	const text = "- a\n-- b\n-----BEGIN PGP SIGNED MESSAGE-----\n\nFrom x\n\ttab \t\n\n"
	sign := func(when, text string, users ...string) []byte {
		args := []string{"--clearsign", "--output", "-", "--digest-algo", "SHA512"}
		for _, u := range users {
			args = append(args, "-u", u)
		}
		return g.pipe(when, text, args...)
	}
	type file struct {
		data []byte
		ok   bool
	}
	files := map[string]file{
		"odd text":          {sign("20200102T000000", text, "plain"), false}, // verified, but no Release
		"plain":             {sign("20200102T000000", releaseText, "plain"), true},
		"two":               {sign("20200102T000000", releaseText, "plain", "short"), true},
		"valid then":        {sign("20200102T000000", releaseText, "short"), true},
		"extended, subkey":  {sign("20200301T000000", releaseText, "long"), true},
		"revoked afterward": {sign("20200102T000000", releaseText, "gone"), false},
	}
	revoke, err := os.ReadFile(filepath.Join(g.home, "openpgp-revocs.d", g.fingerprint("gone")+".rev"))
	if err != nil {
		t.Fatal(err)
	}
	g.pipe("", strings.ReplaceAll(string(revoke), ":-----BEGIN", "-----BEGIN"), "--import")
	ring := g.pipe("", "", "--export")
	armoured := g.pipe("", "", "--export", "--armor")
	for name, f := range files {
		gpgOK, gpgText, story := gpgv(t, ring, f.data)
		for form, ring := range map[string][]byte{"binary": ring, "armoured": armoured} {
			k, err := ReadKeyring(form, ring)
			if err != nil {
				t.Fatal(err)
			}
			_, signers, err := k.VerifyInRelease(f.data, time.Now())
			if (err == nil) != f.ok || err == nil && !gpgOK {
				t.Errorf("%s, %s: got %v, want ok %v; gpgv %v:\n%s", name, form, err, f.ok, gpgOK, story)
			}
			if name == "extended, subkey" && (len(signers) != 1 || signers[0].Fingerprint != long || signers[0].KeyFingerprint == long) {
				t.Errorf("%s: got %+v", name, signers)
			}
			if name == "valid then" && (len(signers) != 1 || !signers[0].Expired) {
				t.Errorf("%s: got %+v", name, signers)
			}
		}
		c, err := splitClearsigned(f.data)
		if err != nil || strings.TrimRight(gpgText, "\n") != strings.TrimRight(string(c.text), "\n") {
			t.Errorf("%s: got text %q (%v), gpgv has %q", name, c.text, err, gpgText)
		}
	}
}

// gnuPG is a gpg with a home of its own.
type gnuPG struct {
	t    *testing.T
	home string
}

func newGnuPG(t *testing.T) *gnuPG {
	t.Helper()
	for _, tool := range []string{"gpg", "gpgconf", "gpg-agent"} {
		if _, err := exec.LookPath(tool); err != nil {
			need(t, tool)
		}
	}
	home, err := os.MkdirTemp("/tmp", "gpg") // short: the agent's socket is in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		os.RemoveAll(home)
	})
	return &gnuPG{t, home}
}

func (g *gnuPG) run(when string, args ...string) { g.t.Helper(); g.pipe(when, "", args...) }

func (g *gnuPG) pipe(when, in string, args ...string) []byte {
	g.t.Helper()
	base := []string{"--homedir", g.home, "--batch", "--quiet", "--yes", "--passphrase", "", "--pinentry-mode", "loopback"}
	if when != "" {
		base = append(base, "--faked-system-time", when)
	}
	cmd := exec.Command("gpg", append(base, args...)...)
	cmd.Stdin = strings.NewReader(in)
	var story bytes.Buffer
	cmd.Stderr = &story
	out, err := cmd.Output()
	if err != nil {
		g.t.Fatalf("gpg %s: %v\n%s", strings.Join(args, " "), err, story.String())
	}
	return out
}

func (g *gnuPG) fingerprint(user string) string {
	g.t.Helper()
	for line := range strings.Lines(string(g.pipe("", "", "--with-colons", "--list-keys", "="+user))) {
		if f := strings.Split(line, ":"); f[0] == "fpr" {
			return f[9]
		}
	}
	g.t.Fatalf("gpg has no key of %s", user)
	return ""
}
