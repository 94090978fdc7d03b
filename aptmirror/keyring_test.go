package aptmirror

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

func TestReadKeyringOfThisMachine(t *testing.T) {
	files, _ := filepath.Glob("/usr/share/keyrings/*.gpg")
	armoured, _ := filepath.Glob("/etc/apt/trusted.gpg.d/*.asc")
	if len(files) == 0 {
		need(t, "keyrings in /usr/share/keyrings")
	}
	for _, f := range append(files, armoured...) {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		k, err := ReadKeyring(f, data)
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		if got, want := k.Fingerprints(), gpgFingerprints(t, f); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, gpg has %v", f, got, want)
		}
		whole, err := k.Subset(k.Fingerprints())
		if err != nil {
			t.Fatal(err)
		}
		if data[0]&0x80 != 0 && len(whole) != len(data) {
			t.Errorf("%s: all keys have %d bytes, the keyring %d", f, len(whole), len(data))
		}
		for _, print := range k.Fingerprints() {
			one, err := k.Subset([]string{print})
			if err != nil || !bytes.Contains(whole, one) || data[0]&0x80 != 0 && !bytes.Contains(data, one) {
				t.Errorf("%s: key %s is not as it stood (%v)", f, print, err)
			}
			again, err := ReadKeyring("one", one)
			if err != nil || !slices.Equal(again.Fingerprints(), []string{print}) {
				t.Errorf("%s: key %s reads as %v, %v", f, print, again, err)
			}
		}
	}
}

// gpgFingerprints asks gpg which primary keys a file has.
func gpgFingerprints(t *testing.T, file string) []string {
	t.Helper()
	gpg, err := exec.LookPath("gpg")
	if err != nil {
		need(t, "gpg")
	}
	out, err := exec.Command(gpg, "--homedir", t.TempDir(), "--with-colons", "--show-keys", file).Output()
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var prints []string
	last := ""
	for line := range strings.Lines(string(out)) {
		f := strings.Split(line, ":")
		switch {
		case f[0] == "pub" || f[0] == "sub":
			last = f[0]
		case f[0] == "fpr" && last == "pub":
			prints = append(prints, f[9])
		}
	}
	slices.Sort(prints)
	return prints
}

// TestSuiteKeys: the fingerprints of the table are those of Debian's keyrings,
// by their own names.
func TestSuiteKeys(t *testing.T) {
	known := make(map[string]bool)
	for _, name := range []string{"debian-archive-keyring.gpg", "debian-archive-removed-keys.gpg"} {
		data, err := os.ReadFile("/usr/share/keyrings/" + name)
		if err != nil {
			need(t, name)
		}
		k, err := ReadKeyring(name, data)
		if err != nil {
			t.Fatal(err)
		}
		for _, print := range k.Fingerprints() {
			known[print] = true
		}
	}
	for _, suite := range SuiteNames("debian") {
		for _, print := range debianKeys(suite) {
			if !known[print] {
				t.Errorf("%s: no keyring of Debian has %s", suite, print)
			}
		}
	}
	for _, suite := range []string{"bullseye", "bookworm", "trixie"} {
		for _, kind := range []string{"automatic", "security-automatic", "stable"} {
			data, err := os.ReadFile("/usr/share/keyrings/debian-archive-" + suite + "-" + kind + ".gpg")
			if err != nil {
				need(t, "the keyring of "+suite)
			}
			k, err := ReadKeyring(kind, data)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(debianKeys(suite), k.Fingerprints()[0]) {
				t.Errorf("%s: the table lacks its %s key %s", suite, kind, k.Fingerprints()[0])
			}
		}
	}
}

func TestReadKeyringForms(t *testing.T) {
	a := newKey(t, "a", born, 0, packet.PubKeyAlgoEdDSA)
	b := newKey(t, "b", born, 0, packet.PubKeyAlgoEdDSA)
	pa, pb := public(t, a), public(t, b)
	armor := func(p []byte) string { return armored(beginKey, endKey, p) }
	prints := []string{fingerprint(a.PrimaryKey.Fingerprint), fingerprint(b.PrimaryKey.Fingerprint)}
	slices.Sort(prints)
	sorted := slices.Concat(pa, pb)
	if prints[0] != fingerprint(a.PrimaryKey.Fingerprint) {
		sorted = slices.Concat(pb, pa)
	}
	for name, data := range map[string]string{
		"binary":             string(pa) + string(pb),
		"the other way":      string(pb) + string(pa),
		"one twice":          string(pa) + string(pb) + string(pa),
		"armoured":           armor(slices.Concat(pa, pb)),
		"armoured, two":      armor(pa) + armor(pb),
		"empty lines":        "\n\n" + armor(pb) + "\n\n" + armor(pa) + "\n",
		"CR LF":              strings.ReplaceAll(armor(slices.Concat(pa, pb)), "\n", "\r\n"),
		"without a checksum": regexp.MustCompile("\n=....\n").ReplaceAllString(armor(slices.Concat(pa, pb)), "\n"),
		"header":             strings.Replace(armor(slices.Concat(pa, pb)), "\n\n", "\nVersion: GnuPG v2\nComment: x: y\n\n", 1),
	} {
		k, err := ReadKeyring("test", []byte(data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := k.Fingerprints(); !slices.Equal(got, prints) {
			t.Errorf("%s: got %v, want %v", name, got, prints)
		}
		got, err := k.Subset([]string{prints[1], prints[0], prints[1]})
		if err != nil || !bytes.Equal(got, sorted) {
			t.Errorf("%s: the subset is not the two keys, sorted (%v)", name, err)
		}
	}
	k := keyringOf(t, a)
	for _, want := range [][]string{nil, {prints[0], prints[1]}, {strings.ToLower(fingerprint(a.PrimaryKey.Fingerprint))}, {""},
		{fingerprint(a.Subkeys[0].PublicKey.Fingerprint)}} {
		if got, err := k.Subset(want); err == nil {
			t.Errorf("Subset(%v): got %d bytes and no error", want, len(got))
		}
	}
}

func TestReadKeyringRefused(t *testing.T) {
	a := newKey(t, "a", born, 0, packet.PubKeyAlgoEdDSA)
	pa := public(t, a)
	var secret bytes.Buffer
	if err := a.SerializePrivate(&secret, at(born)); err != nil {
		t.Fatal(err)
	}
	armor := armored(beginKey, endKey, pa)
	var first rawPacket
	first, rest, err := cutPacket(pa)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"nothing":              "",
		"spaces":               " \n",
		"text":                 "hello",
		"a secret key":         secret.String(),
		"cut":                  string(pa[:len(pa)-1]),
		"garbage behind":       string(pa) + "\x00",
		"text behind":          armor + "hello\n",
		"text before":          "hello\n" + armor,
		"without its start":    string(rest),
		"armour, wrong sum":    strings.Replace(armor, "\n=", "\n=AAAA\n=", 1),
		"armour, one bit":      strings.Replace(armor, "\n\nx", "\n\ny", 1)[:100],
		"armour, no end":       strings.TrimSuffix(armor, endKey+"\n"),
		"armour of a message":  armored(beginSignature, endSignature, pa),
		"keybox":               "\x00\x00\x00\x20\x01\x01\x00\x02KBXf\x00\x00\x00\x00",
		"a stream of packets":  "\xc6\xe1" + string(pa),
		"length of no end":     "\xc6\xff\xff\xff\xff\xff" + string(pa),
		"old, without length":  "\x9b" + string(pa),
		"a message in it":      string(pa) + "\xcb\x01x",
		"unknown version only": "\xc6\x01\x03",
		"key alone":            "\xc6\x00",
	} {
		if k, err := ReadKeyring("test", []byte(data)); err == nil {
			t.Errorf("%s: got %v and no error", name, k.Fingerprints())
		} else if !strings.Contains(err.Error(), "reading keyring test") {
			t.Errorf("%s: the error does not name the keyring: %v", name, err)
		}
	}
	// A key with nothing about it is there, but may not sign.
	bare, err := ReadKeyring("bare", first.raw)
	if err != nil {
		t.Fatal(err)
	}
	data := inRelease(t, releaseText, signature{key: a.PrivateKey, at: born.AddDate(0, 0, 1)})
	if _, _, err := bare.VerifyInRelease(data, time.Now()); err == nil {
		t.Error("a key without self-signature has signed")
	}
}

// TestForeignBinding: a signing subkey counts only with the signatures of both
// keys, and only beside its own primary key.
func TestForeignBinding(t *testing.T) {
	owner := newKey(t, "owner", born, 0, packet.PubKeyAlgoEdDSA)
	if err := owner.AddSigningSubkey(at(born)); err != nil {
		t.Fatal(err)
	}
	thief := newKey(t, "thief", born, 0, packet.PubKeyAlgoEdDSA)
	subkey := owner.Subkeys[len(owner.Subkeys)-1]
	data := inRelease(t, releaseText, signature{key: subkey.PrivateKey, at: born.AddDate(0, 0, 1)})
	if _, _, err := keyringOf(t, owner).VerifyInRelease(data, time.Now()); err != nil {
		t.Fatal(err)
	}
	var moved bytes.Buffer
	moved.Write(public(t, thief))
	if err := subkey.PublicKey.Serialize(&moved); err != nil {
		t.Fatal(err)
	}
	if err := subkey.Sig.Serialize(&moved); err != nil { // the owner's binding, copied
		t.Fatal(err)
	}
	k, err := ReadKeyring("moved", moved.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if _, signers, err := k.VerifyInRelease(data, time.Now()); err == nil {
		t.Errorf("a copied binding: got %v", signers)
	}
	binding := *subkey.Sig // the thief binds it, without the subkey's consent
	binding.EmbeddedSignature = nil
	binding.IssuerKeyId, binding.IssuerFingerprint = &thief.PrimaryKey.KeyId, thief.PrimaryKey.Fingerprint
	if err := binding.SignKey(subkey.PublicKey, thief.PrivateKey, at(born)); err != nil {
		t.Fatal(err)
	}
	moved.Reset()
	moved.Write(public(t, thief))
	subkey.PublicKey.Serialize(&moved)
	binding.Serialize(&moved)
	if k, err = ReadKeyring("bound", moved.Bytes()); err != nil {
		t.Fatal(err)
	}
	if _, signers, err := k.VerifyInRelease(data, time.Now()); err == nil {
		t.Errorf("a binding without consent: got %v", signers)
	}
	if ok, _, story := gpgv(t, moved.Bytes(), data); ok {
		t.Errorf("gpgv accepts it:\n%s", story)
	}
}

// TestRevokedByOther: a revocation by somebody else, such as a key's designated
// revoker, cannot be checked, and counts.
func TestRevokedByOther(t *testing.T) {
	key := newKey(t, "key", born, 0, packet.PubKeyAlgoEdDSA)
	other := newKey(t, "other", born, 0, packet.PubKeyAlgoEdDSA)
	data := inRelease(t, releaseText, signature{key: key.PrivateKey, at: born.AddDate(0, 0, 1)})
	revocation := signature{key: other.PrivateKey, at: born, kind: packet.SigTypeKeyRevocation}.sign(t, []byte("x"))
	first, rest, err := cutPacket(public(t, key))
	if err != nil {
		t.Fatal(err)
	}
	k, err := ReadKeyring("revoked", slices.Concat(first.raw, revocation, rest))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.VerifyInRelease(data, time.Now()); !errors.Is(err, ErrRevokedKey) {
		t.Errorf("got %v, want ErrRevokedKey", err)
	}
	if _, _, err := keyringOf(t, key).VerifyInRelease(data, time.Now()); err != nil {
		t.Error(err)
	}
}

// FuzzReadKeyring: what is accepted can be written as a subset, and reads the
// same.
func FuzzReadKeyring(f *testing.F) {
	good, retired, data := fixture(f, "good.asc"), fixture(f, "retired.asc"), fixture(f, "InRelease")
	f.Add(good)
	f.Add(retired)
	f.Add(slices.Concat(good, retired))
	binary, _, err := dearmor(good, beginKey, endKey)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(binary)
	f.Add(binary[:len(binary)-10])
	k, err := ReadKeyring("good", slices.Concat(good, retired))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, ring []byte) {
		fuzzed, err := ReadKeyring("fuzz", ring)
		if err != nil {
			return
		}
		_, signers, err := fuzzed.VerifyInRelease(data, born.AddDate(0, 0, 2))
		if err == nil && k.certs[signers[0].Fingerprint] == nil {
			t.Fatalf("signed by %v", signers)
		}
		sub, err := fuzzed.Subset(fuzzed.Fingerprints())
		if err != nil {
			t.Fatal(err)
		}
		again, err := ReadKeyring("again", sub)
		if err != nil || fmt.Sprint(again.Fingerprints()) != fmt.Sprint(fuzzed.Fingerprints()) {
			t.Fatalf("the subset of all keys reads otherwise: %v", err)
		}
		more, err := again.Subset(again.Fingerprints())
		if err != nil || !bytes.Equal(sub, more) {
			t.Fatalf("the subset of the subset differs: %v", err)
		}
	})
}
