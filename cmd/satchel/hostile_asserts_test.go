package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// pText is the content of a.tar in the asserts of this file, pDescriptor what they
// are of.
const (
	pText       = "hello\n"
	pSum        = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
	pDescriptor = `name: "p"
distro: "debian"
suites: ["bookworm"]
architectures: ["amd64"]
packages: []
reference_datetime: "2020-01-01 00:00:00"
remotes: []
files: []
script: |
  true
`
	pAssert = `--- !!omap
- out_manifest: '` + pSum + `  a.tar

    '
- in_manifest: '3333333333333333333333333333333333333333333333333333333333333333  p-desc.yml'
- base_manifests: !!omap
  - bookworm-amd64: '4444444444444444444444444444444444444444444444444444444444444444  gcc-7_7.4_amd64.deb

      '
- release: 1.0
- name: p
- type: build
- optionals:
`
)

// world is a folder with a tree of asserts, keys, a policy and a descriptor.
type world struct{ dir, keys string }

func newWorld(t *testing.T, gpgNames ...string) *world {
	t.Helper()
	gpgHome(t, gpgNames...)
	w := &world{dir: t.TempDir()}
	w.keys = filepath.Join(w.dir, "keys")
	t.Setenv("SATCHEL_CACHE", filepath.Join(w.dir, "cache"))
	w.write(t, "a.tar", pText)
	w.write(t, "p.yml", pDescriptor)
	w.write(t, "apt/sources.list", "")
	for _, name := range gpgNames {
		w.write(t, "keys/"+name+".gpg", run(t, "gpg", "--batch", "--export", "="+name))
	}
	return w
}

func (w *world) write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(w.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
	return file
}

// policy writes one that the owner of a key file alone fulfils.
func (w *world) policy(t *testing.T, owner string) {
	t.Helper()
	out := run(t, "gpg", "--batch", "--with-colons", "--show-keys", filepath.Join(w.keys, owner+".gpg"))
	_, after, _ := strings.Cut(out, "\nfpr:")
	print := strings.Trim(strings.SplitN(after, "\n", 2)[0], ":")
	w.write(t, "policy.yaml", fmt.Sprintf("satchel-policy: 1\nminimum: 1\nkeyring: keys\nsigners:\n  - {name: %s, weight: 1, keys: [%s]}\n", owner, print))
}

// put writes an assert into the tree and signs it with gpg and what it is told besides.
func (w *world) put(t *testing.T, signer, text string, sign ...string) string {
	t.Helper()
	file := w.write(t, "sigs/1.0/"+signer+"/p-build.assert", text)
	if len(sign) > 0 {
		run(t, "gpg", append(append([]string{"--batch", "--yes", "--quiet"}, sign...), "--detach-sign", file)...)
	}
	return file
}

// ends wants an exit code and words, some of them on either stream.
func (w *world) ends(t *testing.T, want int, words []string, args ...string) {
	t.Helper()
	var out, story bytes.Buffer
	code := command(args, &ui{out: &out, err: &story})
	all := out.String() + story.String()
	if code != want {
		t.Errorf("satchel %q: exit status %d, want %d\n%s", args, code, want, all)
	}
	for _, word := range words {
		if !strings.Contains(strings.Join(strings.Fields(all), " "), word) {
			t.Errorf("satchel %q does not say %q:\n%s", args, word, all)
		}
	}
}

func (w *world) compare() []string {
	return []string{"compare", w.dir + "/sigs/1.0", "--keyring", w.keys}
}
func (w *world) check() []string {
	return []string{"check", w.dir + "/a.tar", "--against", w.dir + "/sigs", "--policy", w.dir + "/policy.yaml"}
}
func (w *world) attest(file string) []string {
	return []string{"attest", file, "--signer", "zoe", "--release", "1.0", "-d", w.dir + "/mine", "--no-sign"}
}
func (w *world) lock(file string) []string {
	return []string{"lock", w.dir + "/p.yml", "--from-assert", file, "--assert-keyring", w.keys, "-o", w.dir + "/p.lock", "--apt-sources", w.dir + "/apt", "--mirrors-only"}
}

// untouched: nothing was written of what was refused.
func (w *world) untouched(t *testing.T) {
	t.Helper()
	for _, name := range []string{"mine", "p.lock"} {
		if _, err := os.Lstat(filepath.Join(w.dir, name)); err == nil {
			t.Errorf("%s is there", name)
		}
	}
}

// TestHostileAsserts hands documents that are no honest assert to each command that
// reads asserts. They hinder nobody else: alice's still counts.
func TestHostileAsserts(t *testing.T) {
	if _, err := exec.LookPath("gpg"); err != nil {
		skip(t, "gpg is not installed")
	}
	laughs := "a0: &a0 {k: x}\n"
	for i := 1; i < 12; i++ {
		laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	w := newWorld(t, "alice")
	w.policy(t, "alice")
	good := w.put(t, "alice", pAssert, "-u", "alice")
	for name, tt := range map[string]struct{ text, words string }{
		"aliases":               {laughs + "out_manifest: ''\nin_manifest: '" + strings.Repeat("3", 64) + "  p-desc.yml'\nbase_manifests: *a11\n", "each entry must be one key: value"},
		"aliases of many lines": {"a: &a [" + strings.Repeat("{k: ''},", 100000) + "]\nb: &b [" + strings.Repeat("*a,", 50) + "]\nout_manifest: ''\nin_manifest: ''\nbase_manifests: *b\noptionals: *b\n", "p-build.assert:"},
		"an alias of itself":    {"out_manifest: &a\n- *a\nin_manifest: *a\nbase_manifests: *a\n", "p-build.assert:1: "},
		"an output elsewhere":   {strings.Replace(pAssert, "  a.tar", "  ../../../etc/passwd\x00", 1), "control character"},
		"a name elsewhere":      {strings.ReplaceAll(pAssert, "p-desc.yml", "../p-desc.yml"), "its first line must be the sum of NAME-desc.yml"},
		"a target elsewhere":    {strings.Replace(pAssert, "bookworm-amd64:", "..:", 1), `base_manifests: ".."`},
		"a release elsewhere":   {strings.Replace(pAssert, "release: 1.0", "release: ../1.0", 1), "release: "},
		"a web page":            {"<!DOCTYPE html><html>" + pAssert, "it is a web page"},
		"nothing":               {"", "it is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			file := w.put(t, "mallory", tt.text, "-u", "alice")
			start := time.Now()
			w.ends(t, exitDone, []string{"1 not compared", tt.words}, w.compare()...)
			w.ends(t, exitDone, []string{"vouches alice"}, w.check()...)
			w.ends(t, exitFailed, []string{tt.words}, w.attest(file)...)
			w.ends(t, exitFailed, []string{tt.words}, w.lock(file)...)
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
			w.untouched(t)
		})
	}
	os.RemoveAll(w.dir + "/sigs/1.0/mallory")

	// Paths are names alone, wherever they lead.
	up := strings.Replace(pAssert, "  a.tar", "  ../../../../../../etc/passwd", 1)
	file := w.put(t, "mallory", up, "-u", "alice")
	w.ends(t, exitDiffer, []string{"../../../../../../etc/passwd"}, w.compare()...)
	w.ends(t, exitDone, []string{"vouches alice"}, w.check()...)
	if err := os.Mkdir(filepath.Join(filepath.Dir(file), "out"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.ends(t, exitFailed, []string{`"../../../../../../etc/passwd" leads out of`}, w.attest(file)...)
	w.untouched(t)
	deb := strings.Replace(pAssert, "  gcc-7_7.4", "  ../../../../gcc-7_7.4", 1)
	desc := strings.ReplaceAll(deb, strings.Repeat("3", 64), hashOf(pDescriptor))
	w.ends(t, exitFailed, []string{`"../../../../gcc-7_7.4_amd64.deb" in the list of bookworm-amd64 is no name of a package's file`}, w.lock(w.put(t, "mallory", desc, "-u", "alice"))...)
	w.untouched(t)
	os.RemoveAll(w.dir + "/sigs/1.0/mallory")

	// Two names that are one on another system are both listed, and one key counts once.
	w.put(t, "Alice", pAssert, "-u", "alice")
	w.ends(t, exitDone, []string{"all 2 agree", `its name differs from "Alice" by upper and lower case alone`}, w.compare()...)
	w.ends(t, exitNotVerified, []string{"1 of 2 good signatures"}, append(w.compare(), "--threshold", "2")...)
	w.ends(t, exitDone, []string{"weight 1 of 1"}, w.check()...)
	w.ends(t, exitFailed, []string{"differs from it by upper and lower case alone"}, "attest", good, "--signer", "ALICE", "--release", "1.0", "-d", w.dir+"/sigs", "--no-sign")
}

// TestHostileSignatures: signatures that prove nothing, by each command.
func TestHostileSignatures(t *testing.T) {
	if _, err := exec.LookPath("gpg"); err != nil {
		skip(t, "gpg is not installed")
	}
	w := newWorld(t, "alice")
	// Keys of other times. gpg believes the clock that it is given.
	at := func(when string) []string {
		return []string{"--faked-system-time", when + "!", "--ignore-time-conflict"}
	}
	for name, when := range map[string]string{"ancient": "19800101T000000", "tomorrow": "21000101T000000"} {
		run(t, "gpg", append(at(when), "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", name, "rsa2048", "sign", "5y")...)
		w.write(t, "keys/"+name+".gpg", run(t, "gpg", append(at(when), "--batch", "--export", "="+name)...))
	}
	public, private := manyUserIDs(t)
	w.write(t, "keys/many.gpg", public)
	secret := w.write(t, "many.key", private)
	for name, tt := range map[string]struct {
		owner   string
		sign    []string
		compare int // with --threshold 1
		check   int
		words   string
	}{
		"good":                     {"alice", []string{"-u", "alice"}, exitDone, exitDone, "good"},
		"SHA-1":                    {"alice", []string{"-u", "alice", "--digest-algo", "SHA1", "--allow-weak-digest-algos"}, exitNotVerified, exitNotVerified, "weak"},
		"made in 2100":             {"tomorrow", append(at("21000601T000000"), "-u", "tomorrow"), exitNotVerified, exitNotVerified, "from the future"},
		"made in 2100, an old key": {"alice", append(at("21000601T000000"), "-u", "alice"), exitNotVerified, exitNotVerified, "from the future"},
		"made in 1980":             {"ancient", append(at("19800601T000000"), "-u", "ancient"), exitDone, exitDone, "good, old"},
		"made in 1980, a new key":  {"alice", append(at("19800601T000000"), "-u", "alice"), exitNotVerified, exitNotVerified, "unusable"},
		"it has expired itself":    {"alice", append(at("20260101T000000"), "-u", "alice", "--default-sig-expire", "1d"), exitNotVerified, exitNotVerified, "expired signature"},
	} {
		t.Run(name, func(t *testing.T) {
			w.policy(t, tt.owner)
			os.RemoveAll(w.dir + "/sigs")
			file := w.put(t, tt.owner, strings.ReplaceAll(pAssert, strings.Repeat("3", 64), hashOf(pDescriptor)), tt.sign...)
			w.ends(t, tt.compare, []string{tt.words}, w.compare()...)
			w.ends(t, tt.check, []string{tt.words}, w.check()...)
			lock := exitNotVerified
			if tt.compare == exitDone {
				lock = exitMissing // it is believed, and then no archive is there
			}
			w.ends(t, lock, nil, w.lock(file)...)
			w.untouched(t)
		})
	}
	// Of another file, and of none.
	w.policy(t, "alice")
	os.RemoveAll(w.dir + "/sigs")
	file := w.put(t, "alice", pAssert, "-u", "alice")
	w.write(t, "sigs/1.0/alice/p-build.assert", strings.Replace(pAssert, "1.0", "1.00", 1))
	w.ends(t, exitNotVerified, []string{"the signature of alice is bad"}, w.compare()...)
	w.ends(t, exitNotVerified, []string{"does not count alice bad"}, w.check()...)
	w.ends(t, exitNotVerified, []string{"its signature is bad"}, w.lock(file)...)
	os.Remove(file + ".sig")
	w.ends(t, exitNotVerified, []string{"missing"}, w.compare()...)
	w.ends(t, exitNotVerified, []string{"its signature is missing"}, w.lock(file)...)

	// A key of a thousand names signs, and is read, in good time.
	start := time.Now()
	os.RemoveAll(w.dir + "/sigs")
	w.policy(t, "many")
	from := w.write(t, "from/p-res.yml", strings.Split(pAssert, "- release")[0])
	w.ends(t, exitDone, nil, "attest", from, "--signer", "many", "--release", "1.0", "-d", w.dir+"/sigs", "--key", secret)
	w.ends(t, exitDone, []string{"good"}, w.compare()...)
	w.ends(t, exitDone, []string{"vouches many"}, w.check()...)
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("a thousand user IDs took %v", took)
	}
}

func hashOf(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

// manyUserIDs is a key with a thousand user IDs.
func manyUserIDs(t *testing.T) (public, secret string) {
	t.Helper()
	born := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	conf := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return born }}
	key, err := openpgp.NewEntity("many", "", "many@example.org", conf)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if err := key.AddUserId(fmt.Sprint("many ", i), "", "many@example.org", conf); err != nil {
			t.Fatal(err)
		}
	}
	var pub, sec bytes.Buffer
	if err := errors.Join(key.Serialize(&pub), key.SerializePrivateWithoutSigning(&sec, nil)); err != nil {
		t.Fatal(err)
	}
	return pub.String(), sec.String()
}

// TestHugeAsserts: what is far too long is refused by each command, in the memory that
// a short one takes.
func TestHugeAsserts(t *testing.T) {
	if _, err := exec.LookPath("gpg"); err != nil {
		skip(t, "gpg is not installed")
	}
	w := newWorld(t, "alice")
	w.policy(t, "alice")
	good := w.put(t, "alice", pAssert, "-u", "alice")
	huge := w.write(t, "sigs/1.0/huge/p-build.assert", pAssert+"# ")
	if err := os.Truncate(huge, 1<<30); err != nil { // the disk has a few bytes of it
		t.Fatal(err)
	}
	for _, name := range []string{"huge.assert", "huge-res.yml", "huge.SHA256SUMS", "huge-policy.yaml", "huge.gpg"} {
		if err := os.Link(huge, filepath.Join(w.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	// A signature that is too long is unusable; the assert beside it is read.
	if err := os.Link(huge, w.write(t, "sigs/1.0/bob/p-build.assert", pAssert)+".sig"); err != nil {
		t.Fatal(err)
	}
	const kilobytes = 128 << 10 // of data; a short assert takes a third
	at := func(name string) string { return filepath.Join(w.dir, name) }
	for _, tt := range []struct {
		want  int
		words string
		args  []string
	}{
		{exitDone, "it has 1073741824 bytes, the limit is 16777216", w.compare()},
		{exitDone, "vouches", w.check()},
		{exitFailed, "the limit is 16777216", []string{"compare", good, at("huge.assert")}},
		{exitFailed, "the limit is 16777216", []string{"compare", good, at("huge.SHA256SUMS")}},
		{exitFailed, "it has more than 16.0 MiB", w.attest(at("huge-res.yml"))},
		{exitFailed, "it has more than 16.0 MiB", w.lock(at("huge.assert"))},
		{exitFailed, "it has more than 16.0 MiB", append(w.lock(good), "--assert-keyring", at("huge.gpg"))},
		{exitFailed, "it has more than 16.0 MiB", []string{"check", at("a.tar"), "--against", at("sigs"), "--policy", at("huge-policy.yaml")}},
		{exitFailed, "it is larger than 64.0 MiB", []string{"inspect", at("huge.assert")}},
	} {
		cmd := exec.Command("sh", append([]string{"-c", fmt.Sprintf(`ulimit -d %d; exec "$0" "$@"`, kilobytes), os.Args[0]}, tt.args...)...)
		cmd.Env = append(os.Environ(), asSatchel+"=1")
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != tt.want || !strings.Contains(string(out), tt.words) {
			t.Errorf("satchel %q: exit status %d, want %d and %q\n%.2000s", tt.args, got, tt.want, tt.words, out)
		}
	}
	w.untouched(t)
}
