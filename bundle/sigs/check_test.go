package sigs

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"golang.org/x/crypto/ssh"

	"satchel/bundle"
	"satchel/manifest/compare"
)

// TestStatus: what became of a signature, one row a fate.
func TestStatus(t *testing.T) {
	doc, other := []byte("document"), []byte("another")
	alice, short, stranger := newKey(t, "alice", 0), newKey(t, "short", 400), newKey(t, "stranger", 0)
	revoked, retired := newKey(t, "revoked", 0), newKey(t, "retired", 0)
	if err := revoked.RevokeKey(packet.KeyCompromised, "", at(born.AddDate(3, 0, 0))); err != nil {
		t.Fatal(err)
	}
	if err := retired.RevokeKey(packet.KeyRetired, "", at(born.AddDate(3, 0, 0))); err != nil {
		t.Fatal(err)
	}
	keys := keysOf(t, alice, short, revoked, retired)
	day := func(n int) time.Time { return born.AddDate(0, 0, n) }
	for _, tt := range []struct {
		name string
		sig  []byte
		want compare.Status
		who  string
	}{
		{"good", signed(t, alice, doc, day(10), crypto.SHA256), compare.Good, "alice"},
		{"armoured", armoured(t, signed(t, alice, doc, day(10), crypto.SHA256)), compare.Good, "alice"},
		{"before the key expired", signed(t, short, doc, day(399), crypto.SHA512), compare.Old, "short"},
		{"after the key expired", signed(t, short, doc, day(401), crypto.SHA512), compare.ExpiredKey, ""},
		{"of another file", signed(t, alice, other, day(10), crypto.SHA256), compare.Bad, ""},
		{"by a stranger", signed(t, stranger, doc, day(10), crypto.SHA256), compare.UnknownKey, ""},
		{"revoked for ever", signed(t, revoked, doc, day(10), crypto.SHA256), compare.RevokedKey, ""},
		{"retired later", signed(t, retired, doc, day(10), crypto.SHA256), compare.Good, "retired"},
		{"retired before", signed(t, retired, doc, day(3*366), crypto.SHA256), compare.RevokedKey, ""},
		{"from the future", signed(t, alice, doc, now.Add(48*time.Hour), crypto.SHA256), compare.Future, ""},
		{"older than its key", signed(t, alice, doc, day(-1), crypto.SHA256), compare.Unusable, ""},
		{"SHA-1", signed(t, alice, doc, day(10), crypto.SHA1), compare.Weak, ""},
		{"none", nil, compare.Missing, ""},
		{"rubbish", []byte("rubbish"), compare.Unusable, ""},
		{"cut", signed(t, alice, doc, day(10), crypto.SHA256)[:40], compare.Unusable, ""},
		{"a key", public(t, alice), compare.Unusable, ""},
	} {
		got := keys.Check(doc, tt.sig, now)
		if got.Status != tt.want || got.Owner != tt.who || tt.who != "" && got.Key == "" {
			t.Errorf("%s: got %+v, want %s by %q", tt.name, got, tt.want, tt.who)
		}
		if len(tt.sig) > 0 && (*Keys)(nil).Check(doc, tt.sig, now).Status.Counts() {
			t.Errorf("%s: counts without a keyring", tt.name)
		}
	}
	// The clock: long before, nothing is made yet; long after, keys have expired, and what they signed is old.
	sig := signed(t, alice, doc, day(10), crypto.SHA256)
	if got := keys.Check(doc, sig, time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)); got.Status != compare.Future {
		t.Errorf("a clock in the past: got %+v", got)
	}
	if got := keys.Check(doc, sig, time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)); got.Status != compare.Good {
		t.Errorf("a clock in the future: got %+v", got)
	}
}

// armoured writes a signature as gpg --armor does.
func armoured(t testing.TB, sig []byte) []byte {
	t.Helper()
	cmd := exec.Command(needTool(t, "gpg"), "--batch", "--enarmor")
	cmd.Stdin = bytes.NewReader(sig)
	cmd.Env = append(os.Environ(), "GNUPGHOME="+gnupg(t))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	out = bytes.ReplaceAll(out, []byte("PGP ARMORED FILE"), []byte("PGP SIGNATURE"))
	return bytes.ReplaceAll(out, []byte("Comment: Use \"gpg --dearmor\" for unpacking\n"), nil)
}

// TestManyUserIDs: a key with a thousand user IDs is read, and soon.
func TestManyUserIDs(t *testing.T) {
	alice := newKey(t, "alice", 0)
	for i := range 1000 {
		if err := alice.AddUserId(fmt.Sprint("alice ", i), "", "a@example.org", at(born)); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	keys, err := ReadKeys([]KeyFile{{"alice.gpg", "alice", public(t, alice)}})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	if got := keys.Check([]byte("x"), signed(t, alice, []byte("x"), born.AddDate(0, 0, 1), crypto.SHA256), now); got.Status != compare.Good {
		t.Errorf("got %+v", got)
	}
}

func sshKey(t testing.TB) (bundle.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := bundle.SSHSigner(pem.EncodeToMemory(block), nil)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return s, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub)))
}

func TestStatusSSH(t *testing.T) {
	doc := []byte("document")
	s, pub := sshKey(t)
	_, other := sshKey(t)
	sign := func(namespace string, doc []byte) []byte {
		sig, err := s.Sign(t.Context(), namespace, doc)
		if err != nil {
			t.Fatal(err)
		}
		return sig.Armoured
	}
	for _, tt := range []struct {
		name, keyring string
		sig           []byte
		want          compare.Status
		who           string
	}{
		{"good", "alice@example.org " + pub, sign(Namespace, doc), compare.Good, "alice@example.org"},
		{".pub line, its owner by the file's name", pub + " comment", sign(Namespace, doc), compare.Good, "file"},
		{"for bundles", "alice " + pub, sign(bundle.SignatureNamespace, doc), compare.Bad, ""},
		{"of another file", "alice " + pub, sign(Namespace, []byte("x")), compare.Bad, ""},
		{"unknown", "bob " + other, sign(Namespace, doc), compare.UnknownKey, ""},
		{"not for this", `alice namespaces="satchel-bundle" ` + pub, sign(Namespace, doc), compare.Unusable, ""},
		{"expired", `alice valid-before="20230101Z" ` + pub, sign(Namespace, doc), compare.ExpiredKey, ""},
		{"not yet valid", `alice valid-after="20260101Z" ` + pub, sign(Namespace, doc), compare.Unusable, ""},
	} {
		keys, err := ReadKeys([]KeyFile{{"file.pub", "file", []byte(tt.keyring + "\n")}})
		if err != nil {
			t.Fatal(err)
		}
		if got := keys.Check(doc, tt.sig, now); got.Status != tt.want || got.Owner != tt.who {
			t.Errorf("%s: got %+v, want %s by %q", tt.name, got, tt.want, tt.who)
		}
	}
}

func TestReadKeysRefuses(t *testing.T) {
	alice := newKey(t, "alice", 0)
	for name, files := range map[string][]KeyFile{
		"none":            nil,
		"rubbish":         {{"x", "", []byte("rubbish")}},
		"empty":           {{"x", "", nil}},
		"one, two owners": {{"alice.gpg", "alice", public(t, alice)}, {"bob.gpg", "bob", public(t, alice)}},
	} {
		if k, err := ReadKeys(files); err == nil || k != nil && name != "rubbish" && k.pgp != nil {
			t.Errorf("%s: got %v, %v", name, k, err)
		}
	}
	// The same key in a keyring of all and in its owner's file is one.
	k, err := ReadKeys([]KeyFile{{"all.gpg", "", public(t, alice)}, {"alice.gpg", "alice", public(t, alice)}})
	if err != nil {
		t.Fatal(err)
	}
	if got := k.Check([]byte("x"), signed(t, alice, []byte("x"), born.AddDate(0, 0, 1), crypto.SHA256), now); got.Owner != "alice" {
		t.Errorf("got %+v", got)
	}
}

// TestAgainstGpgv: gpgv and we agree about every real signature and about ours.
func TestAgainstGpgv(t *testing.T) {
	gpgv := needTool(t, "gpgv")
	keys := corpusKeys(t)
	names, err := filepath.Glob(filepath.Join(corpusDir(), "asserts", "*", "*", "*.assert"))
	if err != nil || len(names) < 35 {
		t.Fatalf("%d asserts, %v", len(names), err)
	}
	ring := filepath.Join(t.TempDir(), "ring.gpg")
	binary, err := keys.pgp.Subset(keys.pgp.Fingerprints())
	if err == nil {
		err = os.WriteFile(ring, binary, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	good := 0
	for _, name := range names {
		doc, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := os.ReadFile(name + ".sig")
		if err != nil {
			t.Fatal(err)
		}
		got := keys.Check(doc, sig, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
		out, err := exec.Command(gpgv, "--status-fd", "1", "--keyring", ring, name+".sig", name).Output()
		status := string(out)
		theirs := err == nil && (strings.Contains(status, "GOODSIG") || strings.Contains(status, "EXPKEYSIG"))
		if got.Status.Counts() != theirs && got.Status != compare.Weak {
			t.Errorf("%s: we say %s, gpgv\n%s", name, got.Status, status)
		}
		if old := strings.Contains(status, "EXPKEYSIG"); old != (got.Status == compare.Old) {
			t.Errorf("%s: we say %s, gpgv says expired key: %v", name, got.Status, old)
		}
		if strings.Contains(status, "NO_PUBKEY") != (got.Status == compare.UnknownKey) {
			t.Errorf("%s: we say %s, gpgv\n%s", name, got.Status, status)
		}
		if got.Status.Counts() {
			good++
		}
		doc[len(doc)/2] ^= 1
		if got := keys.Check(doc, sig, now); got.Status.Counts() {
			t.Errorf("%s: a changed file: %+v", name, got)
		}
	}
	if good < 15 {
		t.Errorf("only %d good signatures", good)
	}
}

func needTool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("SATCHEL_CI") == "1" {
			t.Fatalf("%s is not installed, and SATCHEL_CI=1 allows no skip", name)
		}
		t.Skipf("%s, the reference, is not installed", name)
	}
	return path
}

// gnupg is an empty home for gpg, short enough for its sockets.
func gnupg(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", dir, "--kill", "all").Run()
		os.RemoveAll(dir)
	})
	return dir
}
