package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"satchel/manifest"
	"satchel/manifest/provenance"
	"satchel/runner"
)

// verifyEnvelope checks a DSSE envelope with the library of in-toto and TUF, given
// the public key in PEM.
const verifyEnvelope = `
import base64, json, sys
from cryptography.hazmat.primitives import serialization as s
from securesystemslib.signer import SSlibKey, Signature
e = json.load(open(sys.argv[1]))
pem = open(sys.argv[2]).read()
kind, scheme = sys.argv[3], sys.argv[4]
if kind == "ed25519":
    pem = s.load_pem_public_key(pem.encode()).public_bytes(s.Encoding.Raw, s.PublicFormat.Raw).hex()
payload = base64.b64decode(e["payload"])
pae = b"DSSEv1 %d %s %d %s" % (len(e["payloadType"]), e["payloadType"].encode(), len(payload), payload)
sig = e["signatures"][0]
key = SSlibKey(sig["keyid"], kind, scheme, {"public": pem})
key.verify_signature(Signature(sig["keyid"], base64.b64decode(sig["sig"]).hex()), pae)
try:
    key.verify_signature(Signature(sig["keyid"], base64.b64decode(sig["sig"]).hex()), pae + b"x")
except Exception:
    print(json.loads(payload)["predicateType"])
`

// withProvenance writes a result folder that has provenance, with an environment.
func withProvenance(t *testing.T, text, environment string) string {
	t.Helper()
	dir := newResult(t, text)
	r, err := manifest.ParseResult("x", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	lockText, err := os.ReadFile("../../manifest/testdata/sample.lock")
	if err != nil {
		t.Fatal(err)
	}
	lock, err := manifest.ParseLock("sample.lock", lockText)
	if err != nil {
		t.Fatal(err)
	}
	s, err := provenance.New(provenance.Build{Lock: lock, Descriptor: manifest.DescriptorPin{Name: "p", File: "p.yml"}, Result: r, ResultText: []byte(text),
		Environments: map[string]manifest.Digest{"bionic-amd64": manifest.Sum([]byte(environment))}, Started: time.Unix(0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := s.Marshal()
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "p-provenance.json"), doc, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestProvenanceElsewhere: in-toto's own library verifies what attest signs, with
// keys of each kind.
func TestProvenanceElsewhere(t *testing.T) {
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import securesystemslib.signer").Run(); err != nil {
		skip(t, "python3-securesystemslib is not installed")
	}
	for _, k := range []struct{ kind, bits, theirs, scheme string }{{"ed25519", "", "ed25519", "ed25519"}, {"ecdsa", "256", "ecdsa", "ecdsa-sha2-nistp256"}, {"rsa", "2048", "rsa", "rsa-pkcs1v15-sha256"}} {
		key := filepath.Join(t.TempDir(), k.kind)
		args := []string{"-q", "-t", k.kind, "-N", "", "-f", key}
		if k.bits != "" {
			args = append(args, "-b", k.bits)
		}
		run(t, "ssh-keygen", args...)
		public := key + ".pem"
		if err := os.WriteFile(public, []byte(publicPEM(t, key+".pub")), 0o644); err != nil {
			t.Fatal(err)
		}
		result := withProvenance(t, resultText, "1")
		_, story := attest(t, exitDone, result, "--signer", "alice", "--release", "1.0", "-d", t.TempDir(), "--key", key)
		if !strings.Contains(story, "p-provenance.intoto.jsonl: signed by SHA256:") {
			t.Errorf("%s: got %s", k.kind, story)
		}
		out := run(t, python, "-c", verifyEnvelope, filepath.Join(result, "p-provenance.intoto.jsonl"), public, k.theirs, k.scheme)
		if strings.TrimSpace(out) != provenance.PredicateType {
			t.Errorf("%s: got %q: a changed payload was taken", k.kind, out)
		}
	}
}

// publicPEM is an SSH public key as other tools read it.
func publicPEM(t *testing.T, pub string) string {
	t.Helper()
	text, err := os.ReadFile(pub)
	if err != nil {
		t.Fatal(err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.(ssh.CryptoPublicKey).CryptoPublicKey())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// TestProvenanceCompared: same packages, other outputs, other environments.
func TestProvenanceCompared(t *testing.T) {
	other := strings.Replace(resultText, "1111  a.tar", "1112  a.tar", 1)
	a, b, c := withProvenance(t, resultText, "1"), withProvenance(t, other, "2"), withProvenance(t, other, "1")
	for _, tt := range []struct{ with, want string }{{b, "environment bionic-amd64"}, {c, "run --twice"}} {
		var out, story bytes.Buffer
		if code := command([]string{"compare", a, tt.with}, &ui{out: &out, err: &story}); code != exitDiffer || !strings.Contains(out.String(), tt.want) {
			t.Errorf("exit status %d, want %d and %q\n%s%s", code, exitDiffer, tt.want, out.String(), story.String())
		}
	}
	// Provenance of another result is a mix-up.
	doc, err := os.ReadFile(filepath.Join(a, "p-provenance.json"))
	if err == nil {
		err = os.WriteFile(filepath.Join(b, "p-provenance.json"), doc, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"compare", a, b}, {"attest", b, "--signer", "x", "--release", "1", "-d", t.TempDir(), "--no-sign"}} {
		var out, story bytes.Buffer
		if code := command(args, &ui{out: &out, err: &story}); code != exitFailed || !strings.Contains(story.String(), "the provenance is of another result") {
			t.Errorf("%q: exit status %d\n%s", args, code, story.String())
		}
	}
}

// explained: what run wrote beside its result is the provenance of just that
// result, environment and bundle included, and compare agrees with both runs.
func (c *crossing) explained(t *testing.T, name string, built runner.Built) {
	t.Helper()
	text := c.read(t, name+"-1", built.Provenance)
	s, err := provenance.Parse(built.Provenance, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	r, err := manifest.ParseResult(built.Manifest.Path, []byte(c.read(t, name+"-1", built.Manifest.Path)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Of(r); err != nil {
		t.Error(err)
	}
	var roots []manifest.Digest
	for _, d := range s.Environments() {
		roots = append(roots, d)
	}
	if len(roots) != 1 || roots[0] != built.Environments[0].Root {
		t.Errorf("%s: got environments %v, want %v", name, roots, built.Environments)
	}
	identity, _, _ := strings.Cut(c.must(t, nil, "verify", "--unsigned", name+".satchel"), " ")
	if !strings.Contains(text, strings.TrimPrefix(identity, "sha256:")) {
		t.Errorf("%s: the provenance does not name the bundle %s", name, identity)
	}
	if out := c.must(t, nil, "compare", name+"-1", name+"-2"); !strings.Contains(out, "all 2 agree") {
		t.Errorf("got %s", out)
	}
}

// TestVerifyProvenance: verify takes what attest signed, with the right key and over
// these files alone.
func TestVerifyProvenance(t *testing.T) {
	keys := t.TempDir()
	for _, k := range [][2]string{{"ed25519", ""}, {"ecdsa", "384"}, {"rsa", "2048"}} {
		key := filepath.Join(keys, k[0])
		args := []string{"-q", "-t", k[0], "-N", "", "-f", key}
		if k[1] != "" {
			args = append(args, "-b", k[1])
		}
		run(t, "ssh-keygen", args...)
	}
	verify := func(want int, file string, more ...string) string {
		t.Helper()
		cmd := exec.Command(os.Args[0], append([]string{"verify", file}, more...)...)
		cmd.Env = append(os.Environ(), asSatchel+"=1")
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("verify %s %v: exit %d, want %d\n%s", filepath.Base(file), more, got, want, out)
		}
		return string(out)
	}
	for _, k := range []string{"ed25519", "ecdsa", "rsa"} {
		result := withProvenance(t, resultText, "1")
		attest(t, exitDone, result, "--signer", "alice", "--release", "1.0", "-d", t.TempDir(), "--key", filepath.Join(keys, k))
		file := filepath.Join(result, "p-provenance.intoto.jsonl")
		ring := []string{"--keyring", filepath.Join(keys, k+".pub")}
		other := filepath.Join(keys, map[string]string{"ed25519": "rsa", "ecdsa": "ed25519", "rsa": "ecdsa"}[k]+".pub")
		if got := verify(exitDone, file, ring...); !strings.Contains(got, strings.Repeat("1", 64)+"  a.tar") || !strings.Contains(got, "signed by SHA256:") && !strings.Contains(got, "signed by \"") {
			t.Errorf("%s: got %s", k, got)
		}
		verify(exitNotVerified, file)
		verify(exitNotVerified, file, "--keyring", other)
		verify(exitNotVerified, file, append(ring, "--threshold", "2")...)
		verify(exitDone, file, "--unsigned")
		for namespace, want := range map[string]int{"satchel-provenance": exitDone, "satchel-*": exitDone, "satchel-bundle": exitNotVerified, "satchel-assert": exitNotVerified} {
			allowed := filepath.Join(keys, "allowed")
			public, err := os.ReadFile(filepath.Join(keys, k+".pub"))
			if err == nil {
				err = os.WriteFile(allowed, []byte(fmt.Sprintf("alice namespaces=%q %s", namespace, public)), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			verify(want, file, "--keyring", allowed)
		}
		if got := verify(exitDone, file, append(ring, "--json")...); !strings.Contains(got, `"here": "absent"`) {
			t.Errorf("%s: got %s", k, got)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for name, changed := range map[string]string{
			"payload":   strings.Replace(string(text), `"payload":"e`, `"payload":"f`, 1),
			"signature": strings.Replace(string(text), `"sig":"`, `"sig":"AAAA`, 1),
			"type":      strings.Replace(string(text), "in-toto+json", "in-toto-json", 1),
			"more":      string(text) + "{}",
			"a key":     strings.Replace(string(text), `"payload":`, `"x":1,"payload":`, 1),
			"none":      strings.Replace(string(text), `"signatures":[`, `"signatures":[],"y":[`, 1),
			"base64":    strings.Replace(string(text), `"payload":"`, `"payload":"*`, 1),
			"cut":       string(text[:len(text)/2]),
		} {
			bad := filepath.Join(result, "bad.intoto.jsonl")
			if err := os.WriteFile(bad, []byte(changed), 0o600); err != nil || changed == string(text) {
				t.Fatal(name, err)
			}
			verify(exitNotVerified, bad, ring...)
		}
		if err := os.MkdirAll(filepath.Join(result, "out"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(result, "out", "a.tar"), []byte("other"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := verify(exitDiffer, file, ring...); !strings.Contains(got, "a.tar beside") {
			t.Errorf("%s: got %s", k, got)
		}
	}
}
