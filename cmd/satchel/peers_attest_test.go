package main

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"satchel/manifest"
	"satchel/manifest/provenance"
)

// TestEnvelopeByOpenSSL: openssl alone, and the envelope taken apart by hand, verifies
// provenance by keys of each kind; and not when a byte of it is another.
func TestEnvelopeByOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		skip(t, "openssl is not installed")
	}
	for name, k := range map[string]struct{ kind, bits, hash string }{
		"ed25519": {"ed25519", "", ""}, "P-256": {"ecdsa", "256", "-sha256"}, "P-384": {"ecdsa", "384", "-sha384"}, "P-521": {"ecdsa", "521", "-sha512"}, "RSA": {"rsa", "2048", "-sha256"},
	} {
		dir := t.TempDir()
		key := filepath.Join(dir, "key")
		args := []string{"-q", "-t", k.kind, "-N", "", "-f", key}
		if k.bits != "" {
			args = append(args, "-b", k.bits)
		}
		run(t, "ssh-keygen", args...)
		result := withProvenance(t, resultText, "1")
		attest(t, exitDone, result, "--signer", "alice", "--release", "1.0", "-d", filepath.Join(dir, "sigs"), "--key", key)
		text, err := os.ReadFile(filepath.Join(result, "p-provenance.intoto.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		var e provenance.Envelope
		if err := json.Unmarshal(text, &e); err != nil || len(e.Signatures) != 1 {
			t.Fatalf("%s: %v", name, err)
		}
		payload, err := base64.StdEncoding.DecodeString(e.Payload)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := base64.StdEncoding.DecodeString(e.Signatures[0].Sig)
		if err != nil {
			t.Fatal(err)
		}
		w := &world{dir: dir}
		public, sigFile := w.write(t, "key.pem", publicPEM(t, key+".pub")), w.write(t, "sig", string(sig))
		for _, pae := range []string{string(provenance.PAE(e.PayloadType, payload)), string(provenance.PAE(e.PayloadType, payload)) + "x"} {
			args := []string{"dgst", k.hash, "-verify", public, "-signature", sigFile, w.write(t, "pae", pae)}
			if k.hash == "" {
				args = []string{"pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", w.write(t, "pae", pae), "-sigfile", sigFile}
			}
			out, err := exec.Command("openssl", args...).CombinedOutput()
			if want := !strings.HasSuffix(pae, "x"); (err == nil) != want {
				t.Errorf("%s: openssl says %v, want %v\n%s", name, err, want, out)
			}
		}
	}
}

// TestSumsByCoreutils: a list of sums in guix.sigs' way is checked by sha256sum and
// gpg, and read by compare; and each finds what is not as it was.
func TestSumsByCoreutils(t *testing.T) {
	w := newWorld(t, "alice", "bob")
	files := map[string]string{"src/p-1.0.tar.gz": "source", "p-1.0-linux.tar.gz": "linux", "win/p-1.0-win.zip": "win", "p@1.0+~b:c": "odd"}
	r := manifest.Result{Name: "p", In: manifest.Inputs{Descriptor: manifest.FileSum{SHA256: manifest.Sum([]byte("d")), Path: "p-desc.yml"}}}
	for name, text := range files {
		w.write(t, "result/out/"+name, text)
		w.write(t, "flat/"+filepath.Base(name), text)
		r.Out = append(r.Out, manifest.FileSum{SHA256: manifest.Sum([]byte(text)), Path: name})
	}
	text, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, "result/p-res.yml", string(text))
	tree := filepath.Join(w.dir, "guix.sigs")
	for _, who := range []string{"alice", "bob"} {
		attest(t, exitDone, w.dir+"/result", "--signer", who, "--release", "1.0", "-d", tree, "--sums", "all")
	}
	list := filepath.Join(tree, "1.0", "alice", "all.SHA256SUMS")
	check := func() error {
		cmd := exec.Command("sha256sum", "--check", "--strict", "--quiet", list)
		cmd.Dir = filepath.Join(w.dir, "flat")
		return cmd.Run()
	}
	verify := func() error { return exec.Command("gpg", "--batch", "--verify", list+".asc", list).Run() }
	if err := check(); err != nil {
		t.Errorf("sha256sum: %v", err)
	}
	if err := verify(); err != nil {
		t.Errorf("gpg: %v", err)
	}
	// The very list that coreutils make.
	cmd := exec.Command("sh", "-c", "LC_ALL=C; export LC_ALL; sha256sum *")
	cmd.Dir = filepath.Join(w.dir, "flat")
	theirs, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	ours, err := os.ReadFile(list)
	if err != nil || string(ours) != string(theirs) {
		t.Errorf("%v, got\n%swant\n%s", err, ours, theirs)
	}
	compare := []string{"compare", tree, "--keyring", w.keys, "--threshold", "2"}
	w.ends(t, exitDone, []string{"1.0 all (sums): all 2 agree"}, compare...)

	w.write(t, "flat/p-1.0-win.zip", "other")
	if check() == nil {
		t.Error("sha256sum takes another file")
	}
	if err := os.WriteFile(list, []byte(strings.Replace(string(ours), "win.zip", "win.ZIP", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if verify() == nil {
		t.Error("gpg takes another list")
	}
	w.ends(t, exitNotVerified, []string{"the signature of alice is bad"}, compare...)
}
