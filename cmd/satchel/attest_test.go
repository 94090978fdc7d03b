package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// resultText is a small result as run writes it.
const resultText = `--- !!omap
- out_manifest: '1111111111111111111111111111111111111111111111111111111111111111  a.tar

    '
- in_manifest: |-
    3333333333333333333333333333333333333333333333333333333333333333  p-desc.yml
    git:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa src
- base_manifests: !!omap
  - bionic-amd64: '4444444444444444444444444444444444444444444444444444444444444444  gcc-7_7.4_amd64.deb

      '
- cache_common_manifest: ''
- cache_package_manifest: ''
`

// gverify does what gitian's gverify does: Ruby reads the assert, gpg checks its
// signature, and outputs, release and name must be those asked for.
const gverify = `require "yaml"
dir, release, name, first = ARGV[0], ARGV[1], ARGV[2], nil
Dir.children(File.join(dir, release)).sort.each { |signer|
  file = File.join(dir, release, signer, "#{name}-build.assert")
  r = YAML.load_file(file)
  ok = system("gpg", "--quiet", "--batch", "--verify", file + ".sig", file, err: File::NULL)
  first ||= r["out_manifest"]
  puts "#{signer}: " + (!ok ? "BAD SIGNATURE" : first == r["out_manifest"] && r["release"] == release && r["name"] == name ? "OK" : "MISMATCH")
}`

// gpgHome makes a home for gpg with a key for each name; its path is short enough
// for sockets.
func gpgHome(t *testing.T, names ...string) string {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		skip(t, "gpg is not installed")
	}
	dir, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", dir, "--kill", "all").Run()
		os.RemoveAll(dir)
	})
	if err := os.WriteFile(filepath.Join(dir, "gpg-agent.conf"), []byte("s2k-count 65536\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GNUPGHOME", dir)
	for _, name := range names {
		run(t, "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "never")
	}
	return dir
}

func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	var story bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stderr = &story
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, story.String())
	}
	return string(out)
}

// attest runs the verb and wants an exit code.
func attest(t *testing.T, want int, args ...string) (out, story string) {
	t.Helper()
	var o, s bytes.Buffer
	if code := command(append([]string{"attest"}, args...), &ui{out: &o, err: &s}); code != want {
		t.Fatalf("attest %q: exit status %d, want %d\n%s", args, code, want, s.String())
	}
	return o.String(), s.String()
}

// newResult writes a result folder.
func newResult(t *testing.T, text string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "result")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "p-res.yml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestAttestForGitian: what gpg, an exported OpenPGP key and gsign's own way make
// passes gverify, and compare.
func TestAttestForGitian(t *testing.T) {
	if _, err := exec.LookPath("ruby"); err != nil {
		skip(t, "ruby is not installed")
	}
	gpgHome(t, "alice", "bob", "carol")
	result, tree := newResult(t, resultText), filepath.Join(t.TempDir(), "gitian.sigs")
	attest(t, exitDone, result, "--signer", "alice", "--release", "1.0-linux", "-d", tree)
	secret := filepath.Join(t.TempDir(), "bob.key")
	for _, armour := range []string{"--armor", "--no-armor"} {
		if err := os.WriteFile(secret, []byte(run(t, "gpg", "--batch", armour, "--export-secret-keys", "bob")), 0o600); err != nil {
			t.Fatal(err)
		}
		os.RemoveAll(filepath.Join(tree, "1.0-linux", "bob"))
		attest(t, exitDone, result, "--signer", "bob", "--release", "1.0-linux", "-d", tree, "--key", secret)
	}
	// carol writes here and lets gpg sign elsewhere, as people with smartcards do.
	attest(t, exitDone, result, "--signer", "carol", "--release", "1.0-linux", "-d", tree, "--no-sign")
	carol := filepath.Join(tree, "1.0-linux", "carol", "p-build.assert")
	run(t, "gpg", "--batch", "--detach-sign", "-u", "carol", carol)
	out := run(t, "ruby", "-W0", "-e", gverify, tree, "1.0-linux", "p")
	if want := "alice: OK\nbob: OK\ncarol: OK\n"; out != want {
		t.Errorf("gverify says\n%swant\n%s", out, want)
	}
	keyring := filepath.Join(t.TempDir(), "keyring.gpg")
	if err := os.WriteFile(keyring, []byte(run(t, "gpg", "--batch", "--export")), 0o600); err != nil {
		t.Fatal(err)
	}
	var o, s bytes.Buffer
	if code := command([]string{"compare", tree, "--keyring", keyring, "--threshold", "3"}, &ui{out: &o, err: &s}); code != exitDone || !strings.Contains(o.String(), "all 3 agree") {
		t.Errorf("compare: exit status %d\n%s%s", code, o.String(), s.String())
	}
	// Lists of sums, as guix-attest writes them.
	for _, who := range []struct{ name, key string }{{"alice", "gpg:alice"}, {"bob", secret}} {
		attest(t, exitDone, result, "--signer", who.name, "--release", "1.0", "-d", tree, "--key", who.key, "--sums", "all")
		file := filepath.Join(tree, "1.0", who.name, "all.SHA256SUMS")
		run(t, "gpg", "--batch", "--verify", file+".asc", file)
		if text, _ := os.ReadFile(file); string(text) != strings.Repeat("1", 64)+"  a.tar\n" {
			t.Errorf("got %q", text)
		}
	}
	o.Reset()
	if code := command([]string{"compare", filepath.Join(tree, "1.0"), "--keyring", keyring, "--threshold", "2"}, &ui{out: &o, err: &s}); code != exitDone || !strings.Contains(o.String(), "1.0 all (sums): all 2 agree") {
		t.Errorf("compare of sums: exit status %d\n%s%s", code, o.String(), s.String())
	}
	// What Ruby would write, byte for byte.
	again := run(t, "ruby", "-W0", "-ryaml", "-e", "print YAML.unsafe_load(File.read(ARGV[0])).to_yaml", carol)
	if text, _ := os.ReadFile(carol); string(text) != again {
		t.Errorf("got\n%s\nRuby writes\n%s", text, again)
	}
}

// TestAttestWeak: what gpg signs with SHA-1, because its settings say so, is
// refused here and not by those who compare.
func TestAttestWeak(t *testing.T) {
	home := gpgHome(t, "alice")
	if err := os.WriteFile(filepath.Join(home, "gpg.conf"), []byte("digest-algo SHA1\nallow-weak-digest-algos\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(t.TempDir(), "sigs")
	_, story := attest(t, exitFailed, newResult(t, resultText), "--signer", "alice", "--release", "1.0", "-d", tree)
	if !strings.Contains(story, "nobody would accept the signature") {
		t.Errorf("got %s", story)
	}
	if _, err := os.Stat(tree); err == nil {
		t.Error("something was written")
	}
}

// TestAttestPassphrase: an encrypted key asks on the terminal, and without one
// says so.
func TestAttestPassphrase(t *testing.T) {
	gpgHome(t)
	run(t, "gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "secret", "--quick-generate-key", "dora", "ed25519", "sign", "never")
	key := filepath.Join(t.TempDir(), "dora.key")
	if err := os.WriteFile(key, []byte(run(t, "gpg", "--batch", "--armor", "--pinentry-mode", "loopback", "--passphrase", "secret", "--export-secret-keys", "dora")), 0o600); err != nil {
		t.Fatal(err)
	}
	if tty, err := os.Open("/dev/tty"); err == nil {
		tty.Close()
		t.Log("there is a terminal here: not asked")
		return
	}
	_, story := attest(t, exitFailed, newResult(t, resultText), "--signer", "dora", "--release", "1.0", "-d", t.TempDir(), "--key", key)
	if !strings.Contains(story, "passphrase") {
		t.Errorf("got %s", story)
	}
}
