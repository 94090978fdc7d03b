package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"satchel/manifest/compare"
)

// gitianTool returns gsign or gverify, which lie beside the gbuild that $SATCHEL_GBUILD
// names; they are no part of the project.
func gitianTool(t *testing.T, name string) string {
	t.Helper()
	program := os.Getenv("SATCHEL_GBUILD")
	if program == "" {
		t.Skip("gitian-builder is not here: SATCHEL_FULL=1 and SATCHEL_GBUILD=…/bin/gbuild compare with it")
	}
	if _, err := exec.LookPath("ruby"); err != nil {
		skip(t, "ruby is not installed")
	}
	return filepath.Join(filepath.Dir(program), name)
}

// verdictLine is a line of gverify's.
var verdictLine = regexp.MustCompile(`(?m)^(\S+): (OK|MISMATCH|BAD SIGNATURE)$`)

// gverify lets gitian's own program judge a release by what one of its signers has, and
// returns what it says of each. The gpg that it is given asks no key server.
func (w *world) gverify(t *testing.T, tree, release, name, by string) map[string]string {
	t.Helper()
	gpg := w.write(t, "gpg-alone", "#!/bin/sh\n[ \"$1\" != --keyserver ] || exit 1\nexec gpg \"$@\"\n")
	if err := os.Chmod(gpg, 0o755); err != nil {
		t.Fatal(err)
	}
	desc := w.write(t, name+"-only.yml", "name: "+name+"\n")
	cmd := exec.Command("ruby", "-W0", gitianTool(t, "gverify"), "--no-markup", "-r", release, "-d", tree, "-c", by, "-p", gpg, desc)
	out, _ := cmd.CombinedOutput() // 1 for whatever is not OK
	said := map[string]string{}
	for _, m := range verdictLine.FindAllStringSubmatch(string(out), -1) {
		said[m[1]] = m[2]
	}
	if len(said) == 0 {
		t.Fatalf("gverify: %s", out)
	}
	return said
}

// TestGitianSigns: gsign takes our result and makes of it the very assert that attest
// makes, and gverify takes both; and neither gverify nor compare takes what was changed.
func TestGitianSigns(t *testing.T) {
	gsign := gitianTool(t, "gsign")
	w := newWorld(t, "alice", "bob")
	w.write(t, "p-only.yml", "name: p\n")
	w.write(t, "result/p-res.yml", resultText)
	tree := filepath.Join(w.dir, "gitian.sigs")
	attest(t, exitDone, w.dir+"/result", "--signer", "alice", "--release", "1.0-linux", "-d", tree)
	cmd := exec.Command("ruby", "-W0", gsign, "--signer", "bob", "--release", "1.0-linux", "--destination", tree, "p-only.yml")
	cmd.Dir = w.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gsign: %v\n%s", err, out)
	}
	file := func(signer string) string { return filepath.Join(tree, "1.0-linux", signer, "p-build.assert") }
	ours, err := os.ReadFile(file("alice"))
	theirs, err2 := os.ReadFile(file("bob"))
	if err != nil || err2 != nil || !bytes.Equal(ours, theirs) {
		t.Errorf("attest writes\n%s\ngsign\n%s", ours, theirs)
	}
	compare := []string{"compare", tree, "--keyring", w.keys, "--threshold", "2"}
	if said := w.gverify(t, tree, "1.0-linux", "p", "alice"); said["alice"] != "OK" || said["bob"] != "OK" {
		t.Errorf("gverify says %v", said)
	}
	w.ends(t, exitDone, []string{"all 2 agree"}, compare...)
	if err := os.WriteFile(file("bob"), bytes.Replace(theirs, []byte("1111  a.tar"), []byte("1112  a.tar"), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	if said := w.gverify(t, tree, "1.0-linux", "p", "alice"); said["alice"] != "OK" || said["bob"] != "BAD SIGNATURE" {
		t.Errorf("gverify says %v of a changed assert", said)
	}
	w.ends(t, exitNotVerified, []string{"the signature of bob is bad"}, compare...)
}

// TestGitianVerifiesCorpus: of every signer of the real releases gverify and compare say
// the same: it calls good what counts here and agrees, but for SHA-1, which gpg takes; a
// mismatch what counts and is in another camp; and anything else a bad signature.
func TestGitianVerifiesCorpus(t *testing.T) {
	dir := corpus()
	if dir == "" {
		t.Skip("the corpus is not beside this checkout")
	}
	gitianTool(t, "gverify")
	w := newWorld(t)
	keys, err := filepath.Glob(filepath.Join(dir, "builder-keys", "*"))
	if err != nil || len(keys) == 0 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	run(t, "gpg", append([]string{"--batch", "--quiet", "--import"}, keys...)...)
	signers := 0
	for release, name := range map[string]string{"0.9.3-win": "bitcoin", "0.17.1-osx-signed": "bitcoin-dmg-signer", "0.20.1-linux": "bitcoin-core-linux-0.20"} {
		var out, story bytes.Buffer
		command([]string{"compare", filepath.Join(dir, "asserts", release), "--keyring", filepath.Join(dir, "builder-keys"), "--json"}, &ui{out: &out, err: &story})
		var c compared
		if err := json.Unmarshal(out.Bytes(), &c); err != nil || len(c.Reports) != 1 {
			t.Fatalf("%s: %v\n%s", release, err, story.String())
		}
		said := w.gverify(t, filepath.Join(dir, "asserts"), release, name, c.Reports[0].Camps[0].Signers[0])
		for _, b := range c.Reports[0].Builders {
			want := "BAD SIGNATURE"
			if s := b.Signature.Status; s.Counts() || s == compare.Weak {
				if want = "OK"; b.Camp != "A" {
					want = "MISMATCH"
				}
			}
			if said[b.Signer] != want {
				t.Errorf("%s, %s: %s in camp %s; gverify says %q, want %q", release, b.Signer, b.Signature.Status, b.Camp, said[b.Signer], want)
			}
			signers++
		}
		if len(said) != len(c.Reports[0].Builders) {
			t.Errorf("%s: gverify judges %d signers, compare %d", release, len(said), len(c.Reports[0].Builders))
		}
	}
	if signers < 35 {
		t.Errorf("only %d signers", signers)
	}
}
