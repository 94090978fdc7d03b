package sigs

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"

	"satchel/manifest"
	"satchel/manifest/compare"
)

func result(t testing.TB, what string) manifest.Result {
	t.Helper()
	r, err := manifest.ParseResult("x", assert(t, "x", what))
	if err != nil {
		t.Fatal(err)
	}
	r.Release, r.Type = "", ""
	return *r
}

func TestPlan(t *testing.T) {
	r := result(t, "x")
	a, err := Plan(fstest.MapFS{}, r, "1.0", "alice")
	if err != nil || a.File != "1.0/alice/p-build.assert" || a.SigFile(nil) != "1.0/alice/p-build.assert.sig" || a.Exists || a.Signed || !bytes.Equal(a.Doc, assert(t, "1.0", "x")) {
		t.Fatalf("got %+v, %v", a, err)
	}
	f := tree{}
	f.put("1.0", "alice", assert(t, "1.0", "x"), []byte("sig"))
	f.put("1.0", "bob", assert(t, "1.0", "other"), nil)
	if a, err := Plan(f.fs(), r, "1.0", "alice"); err != nil || !a.Exists || !a.Signed {
		t.Errorf("the very same: got %+v, %v", a, err)
	}
	_, err = Plan(f.fs(), r, "1.0", "bob")
	var exists *ExistsError
	if !errors.As(err, &exists) || !strings.Contains(exists.Diff, "\n-- out_manifest: '"+manifest.Sum([]byte("other")).Hex()) || !strings.Contains(exists.Diff, "\n+- out_manifest: '"+manifest.Sum([]byte("x")).Hex()) {
		t.Errorf("another: got %v\n%+v", err, exists)
	}
	for _, tt := range []struct{ release, signer string }{{"", "alice"}, {"1.0", ""}, {"..", "alice"}, {"1.0", ".."}, {"1.0", "a/b"}, {"a/b", "alice"}, {"1.0", "-x"}, {"1.0", "ALICE"}, {"1.0", "a\nb"}} {
		if a, err := Plan(f.fs(), r, tt.release, tt.signer); err == nil {
			t.Errorf("%q %q: got %+v", tt.release, tt.signer, a)
		}
	}
}

// TestWrite: what is written is whole, what is there stays, and a retry finishes.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	plan := func() *Addition {
		a, err := Plan(root.FS(), result(t, "x"), "1.0", "alice")
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := plan()
	// Somebody writes between plan and write: theirs stays.
	if err := os.MkdirAll(filepath.Join(dir, "1.0", "alice"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, a.File)
	if err := os.WriteFile(file, []byte("theirs"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := a.Write(root, []byte("sig")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	if got, _ := os.ReadFile(file); string(got) != "theirs" {
		t.Errorf("got %q", got)
	}
	os.Remove(file)
	// What a killed run left is in nobody's way.
	if err := os.WriteFile(filepath.Join(dir, "1.0", "alice", ".satchel-p-build.assert.part"), []byte("ha"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := plan().Write(root, nil); err != nil {
		t.Fatal(err)
	}
	if err := plan().Write(root, []byte("sig")); err != nil {
		t.Fatal(err)
	}
	if err := plan().Write(root, []byte("another sig")); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "1.0", "alice"))
	if err != nil || len(entries) != 2 {
		t.Errorf("got %v, %v", entries, err)
	}
	if sig, _ := os.ReadFile(file + ".sig"); string(sig) != "sig" {
		t.Errorf("got %q", sig)
	}
	if doc, _ := os.ReadFile(file); !bytes.Equal(doc, assert(t, "1.0", "x")) {
		t.Errorf("got %s", doc)
	}
}

// TestOpenPGPSigner signs with keys of every kind, and refuses what cannot sign.
func TestOpenPGPSigner(t *testing.T) {
	secret := func(e *openpgp.Entity) []byte {
		var b bytes.Buffer
		if err := e.SerializePrivateWithoutSigning(&b, nil); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	doc := []byte("document")
	alice, locked := newKey(t, "alice", 0), newKey(t, "locked", 0)
	s, err := OpenPGPSigner(secret(alice), nil, now)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Sign(t.Context(), doc)
	if err != nil {
		t.Fatal(err)
	}
	if got := keysOf(t, alice).Check(doc, sig, now); got.Status != compare.Good || got.Key != s.Name() || !got.Created.Equal(now) {
		t.Errorf("got %+v", got)
	}
	lockedKeys := keysOf(t, locked)
	if err := locked.EncryptPrivateKeys([]byte("secret"), nil); err != nil {
		t.Fatal(err)
	}
	answer := func(s string) func() ([]byte, error) { return func() ([]byte, error) { return []byte(s), nil } }
	if s, err = OpenPGPSigner(secret(locked), answer("secret"), now); err != nil {
		t.Fatal(err)
	}
	if sig, err = s.Sign(t.Context(), doc); err != nil || lockedKeys.Check(doc, sig, now).Status != compare.Good {
		t.Errorf("an encrypted key: %v", err)
	}
	short := secret(newKey(t, "short", 10))
	for name, f := range map[string]func() (Signer, error){
		"no passphrase":    func() (Signer, error) { return OpenPGPSigner(secret(locked), nil, now) },
		"wrong passphrase": func() (Signer, error) { return OpenPGPSigner(secret(locked), answer("wrong"), now) },
		"public":           func() (Signer, error) { return OpenPGPSigner(public(t, alice), nil, now) },
		"two": func() (Signer, error) {
			return OpenPGPSigner(append(secret(alice), secret(newKey(t, "b", 0))...), nil, now)
		},
		"expired":          func() (Signer, error) { return OpenPGPSigner(short, nil, now) },
		"before its birth": func() (Signer, error) { return OpenPGPSigner(secret(alice), nil, born.Add(-time.Hour)) },
		"rubbish":          func() (Signer, error) { return OpenPGPSigner([]byte("rubbish"), nil, now) },
		"nothing":          func() (Signer, error) { return OpenPGPSigner(nil, nil, now) },
	} {
		if s, err := f(); err == nil {
			t.Errorf("%s: got %v", name, s.Name())
		}
	}
}
