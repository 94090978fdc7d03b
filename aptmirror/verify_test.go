package aptmirror

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

func TestVerifyMachineReleases(t *testing.T) {
	k, err := ReadKeyring("debian", machineKeyring(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range machineReleases(t) {
		release, signers, err := k.VerifyInRelease(data, time.Now())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		ok, text, story := gpgv(t, machineKeyring(t), data)
		if !ok {
			t.Errorf("%s: gpgv refuses: %s", name, story)
		}
		if n := strings.Count(story, "VALIDSIG"); n != len(signers) {
			t.Errorf("%s: got %d signers, gpgv has %d:\n%s", name, len(signers), n, story)
		}
		for _, s := range signers {
			want := fmt.Sprintf("VALIDSIG %s %s %d", s.KeyFingerprint, s.Created.Format(time.DateOnly), s.Created.Unix())
			if !strings.Contains(story, want) || !strings.Contains(story, s.Fingerprint+"\n") {
				t.Errorf("%s: gpgv does not say %q of %s:\n%s", name, want, s.Fingerprint, story)
			}
		}
		again, err := ParseRelease("text", []byte(text))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(release) {
			t.Errorf("%s: what gpgv says was signed reads otherwise: %v", name, err)
		}
	}
}

// verifyCase is one file and what we and gpgv must say of it.
type verifyCase struct {
	name string
	data []byte
	want error // nil: accepted
}

func TestVerifyInRelease(t *testing.T) {
	now := time.Now()
	good := newKey(t, "good", born, 0, packet.PubKeyAlgoEdDSA)
	rsa := newKey(t, "rsa", born, 0, packet.PubKeyAlgoRSA)
	short, err := openpgp.NewEntity("short", "", "", &packet.Config{
		Time: func() time.Time { return born }, Algorithm: packet.PubKeyAlgoRSA, RSABits: 1024,
	})
	if err != nil {
		t.Fatal(err)
	}
	expired := newKey(t, "expired", born, 100, packet.PubKeyAlgoEdDSA)
	stranger := newKey(t, "stranger", born, 0, packet.PubKeyAlgoEdDSA)
	withSubkey := newKey(t, "subkey", born, 0, packet.PubKeyAlgoEdDSA)
	if err := withSubkey.AddSigningSubkey(at(born)); err != nil {
		t.Fatal(err)
	}
	compromised := newKey(t, "compromised", born, 0, packet.PubKeyAlgoEdDSA)
	if err := compromised.RevokeKey(packet.KeyCompromised, "", at(born.AddDate(1, 0, 0))); err != nil {
		t.Fatal(err)
	}
	retired := newKey(t, "retired", born, 0, packet.PubKeyAlgoEdDSA)
	if err := retired.RevokeKey(packet.KeyRetired, "", at(born.AddDate(1, 0, 0))); err != nil {
		t.Fatal(err)
	}
	ring := public(t, good, rsa, short, expired, withSubkey, compromised, retired)
	k, err := ReadKeyring("test", ring)
	if err != nil {
		t.Fatal(err)
	}
	day := func(n int) time.Time { return born.AddDate(0, 0, n) }
	from := func(e *packet.PrivateKey, n int) signature { return signature{key: e, at: day(n)} }
	g := from(good.PrivateKey, 10)
	weak, binary, limited, future, early := g, g, g, g, g
	weak.hash, limited.lives, future.at, early.at = crypto.SHA1, 3600, now.Add(48*time.Hour), day(-1)
	binary.kind = packet.SigTypeBinary
	noted := g
	noted.note = &packet.Notation{Name: "x@example.org", Value: []byte("y"), IsCritical: true, IsHumanReadable: true}
	subkey := withSubkey.Subkeys[len(withSubkey.Subkeys)-1].PrivateKey
	bad := inRelease(t, strings.Replace(releaseText, "Label: Test", "Label: Best", 1), g)
	badPackets, err := splitClearsigned(bad)
	if err != nil {
		t.Fatal(err)
	}
	mixed := append(from(rsa.PrivateKey, 5).text(t, releaseText), badPackets.signatures...)
	cases := []verifyCase{
		{"good", inRelease(t, releaseText, g), nil},
		{"rsa", inRelease(t, releaseText, from(rsa.PrivateKey, 1)), nil},
		{"sha512", inRelease(t, releaseText, signature{key: rsa.PrivateKey, at: day(1), hash: crypto.SHA512}), nil},
		{"subkey", inRelease(t, releaseText, from(subkey, 1)), nil},
		{"two", inRelease(t, releaseText, g, from(rsa.PrivateKey, 1)), nil},
		{"good and stranger", inRelease(t, releaseText, from(stranger.PrivateKey, 1), g), nil},
		{"expired since", inRelease(t, releaseText, from(expired.PrivateKey, 50)), nil},
		{"weak and good", inRelease(t, releaseText, weak, from(rsa.PrivateKey, 1)), nil},
		{"retired later", inRelease(t, releaseText, from(retired.PrivateKey, 50)), ErrRevokedKey},
		{"stranger", inRelease(t, releaseText, from(stranger.PrivateKey, 1)), ErrUnknownSigner},
		{"expired before", inRelease(t, releaseText, from(expired.PrivateKey, 101)), ErrExpiredKey},
		{"compromised", inRelease(t, releaseText, from(compromised.PrivateKey, 50)), ErrRevokedKey},
		{"retired before", inRelease(t, releaseText, from(retired.PrivateKey, 400)), ErrRevokedKey},
		{"weak", inRelease(t, releaseText, weak), ErrWeakSignature},
		{"short key", inRelease(t, releaseText, from(short.PrivateKey, 1)), ErrWeakSignature},
		{"signature expired", inRelease(t, releaseText, limited), ErrExpiredSignature},
		{"future", inRelease(t, releaseText, future), ErrFutureSignature},
		{"before its key", inRelease(t, releaseText, early), ErrUnusableSignature},
		{"critical notation", inRelease(t, releaseText, noted), ErrUnusableSignature},
		{"bad", bytes.Replace(inRelease(t, releaseText, g), []byte("Label: Test"), []byte("Label: Best"), 1), ErrBadSignature},
		{"good and bad", []byte(beginSigned + "\nHash: SHA256\n\n" + releaseText + armored(beginSignature, endSignature, mixed)), ErrBadSignature},
		{"binary signature", []byte(beginSigned + "\nHash: SHA256\n\n" + releaseText +
			armored(beginSignature, endSignature, binary.sign(t, []byte(strings.TrimSuffix(releaseText, "\n"))))), ErrUnusableSignature},
		{"no Hash header for it", bytes.Replace(inRelease(t, releaseText, g), []byte("Hash: SHA256"), []byte("Hash: SHA512"), 1), ErrUnusableSignature},
		{"two stanzas", inRelease(t, releaseText+"\nOrigin: Other\n", g), errAny},
		{"weak release", inRelease(t, strings.Replace(releaseText, "SHA256:", "SHA1:", 1), g), ErrWeakRelease},
	}
	for _, c := range cases {
		_, signers, err := k.VerifyInRelease(c.data, now)
		if c.want == nil && (err != nil || len(signers) == 0) {
			t.Errorf("%s: got %v", c.name, err)
		}
		if c.want != nil && (err == nil || c.want != errAny && !errors.Is(err, c.want)) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if agree(t, c.name, ring, c.data) != (err == nil) {
			t.Errorf("%s: a second reading says otherwise", c.name)
		}
	}
}

// errAny stands for any error.
var errAny = errors.New("any error")

// text signs a text as inRelease does and returns the packet.
func (s signature) text(t testing.TB, text string) []byte {
	s.kind = packet.SigTypeText
	return s.sign(t, []byte(strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\r\n")))
}

func TestSigners(t *testing.T) {
	expired := newKey(t, "expired", born, 100, packet.PubKeyAlgoEdDSA)
	withSubkey := newKey(t, "subkey", born, 0, packet.PubKeyAlgoEdDSA)
	if err := withSubkey.AddSigningSubkey(at(born)); err != nil {
		t.Fatal(err)
	}
	subkey := withSubkey.Subkeys[len(withSubkey.Subkeys)-1].PrivateKey
	when := born.AddDate(0, 0, 50)
	data := inRelease(t, releaseText, signature{key: expired.PrivateKey, at: when}, signature{key: subkey, at: when})
	k := keyringOf(t, withSubkey, expired)
	for _, c := range []struct {
		now     time.Time
		expired bool
	}{{when, false}, {born.AddDate(0, 0, 101), true}} {
		release, got, err := k.VerifyInRelease(data, c.now)
		if err != nil || len(got) != 2 || release.Codename != "test" {
			t.Fatalf("got %v, %v, %v", release, got, err)
		}
		want := map[string]Signer{
			fingerprint(subkey.Fingerprint): {
				Fingerprint:    fingerprint(withSubkey.PrimaryKey.Fingerprint),
				KeyFingerprint: fingerprint(subkey.Fingerprint), Created: when,
			},
			fingerprint(expired.PrimaryKey.Fingerprint): {
				Fingerprint:    fingerprint(expired.PrimaryKey.Fingerprint),
				KeyFingerprint: fingerprint(expired.PrimaryKey.Fingerprint), Created: when, Expired: c.expired,
			},
		}
		for _, s := range got {
			if s != want[s.KeyFingerprint] {
				t.Errorf("at %v: got %+v, want %+v", c.now, s, want[s.KeyFingerprint])
			}
		}
		if got[0].KeyFingerprint > got[1].KeyFingerprint {
			t.Errorf("the signers are not sorted: %v", got)
		}
	}
}

func TestVerifyRelease(t *testing.T) {
	key := newKey(t, "good", born, 0, packet.PubKeyAlgoEdDSA)
	other := newKey(t, "other", born, 0, packet.PubKeyAlgoEdDSA)
	ring := public(t, key, other)
	k := keyringOf(t, key, other)
	s := signature{key: key.PrivateKey, at: born.AddDate(0, 0, 1), kind: packet.SigTypeBinary}
	o := s
	o.key = other.PrivateKey
	text := s
	text.kind = packet.SigTypeText
	release := []byte(releaseText)
	armor := func(p []byte) []byte { return []byte(armored(beginSignature, endSignature, p)) }
	one, two := s.sign(t, release), o.sign(t, release)
	for _, c := range []struct {
		name          string
		release, sigs []byte
		signers       int // 0: refused
	}{
		{"binary", release, one, 1},
		{"armoured", release, armor(one), 1},
		{"two in one", release, armor(append(bytes.Clone(one), two...)), 2},
		{"two after another", release, append(armor(one), armor(two)...), 2},
		{"changed", bytes.Replace(release, []byte("Test"), []byte("Best"), 1), one, 0},
		{"longer", append(bytes.Clone(release), '\n'), one, 0},
		{"CR LF", bytes.ReplaceAll(release, []byte("\n"), []byte("\r\n")), one, 0},
		{"of text", release, text.sign(t, bytes.ReplaceAll(release, []byte("\n"), []byte("\r\n"))), 0},
		{"none", release, nil, 0},
		{"cut", release, one[:len(one)-1], 0},
		{"garbage behind", release, append(bytes.Clone(one), 0), 0},
		{"text behind", release, append(armor(one), "x\n"...), 0},
		{"a key in it", release, append(bytes.Clone(one), ring...), 0},
		{"a message", release, inRelease(t, releaseText, s), 0},
		{"many", release, bytes.Repeat(one, maxSignatures+1), 0},
	} {
		_, signers, err := k.VerifyRelease(c.release, c.sigs, time.Now())
		if len(signers) != c.signers || (err == nil) != (c.signers > 0) {
			t.Errorf("%s: got %v, %v, want %d signers", c.name, signers, err, c.signers)
		}
		if agreeDetached(t, c.name, ring, c.release, c.sigs) != (err == nil) {
			t.Errorf("%s: a second reading says otherwise", c.name)
		}
	}
}

// TestRetired: what a key signed before it was retired stands in a document of a
// person's, and in no archive's.
func TestRetired(t *testing.T) {
	key := newKey(t, "retired", born, 0, packet.PubKeyAlgoEdDSA)
	if err := key.RevokeKey(packet.KeyRetired, "", at(born.AddDate(1, 0, 0))); err != nil {
		t.Fatal(err)
	}
	k := keyringOf(t, key)
	for days, want := range map[int]bool{50: true, 400: false} {
		sig := signature{key: key.PrivateKey, at: born.AddDate(0, 0, days), kind: packet.SigTypeBinary}.sign(t, []byte(releaseText))
		if _, err := k.VerifyDetached([]byte(releaseText), sig, time.Now()); (err == nil) != want {
			t.Errorf("a document, after %d days: got %v", days, err)
		}
		if _, _, err := k.VerifyRelease([]byte(releaseText), sig, time.Now()); !errors.Is(err, ErrRevokedKey) {
			t.Errorf("a Release, after %d days: got %v", days, err)
		}
	}
}

func FuzzVerifyInRelease(f *testing.F) {
	good := fixture(f, "InRelease")
	k, err := ReadKeyring("good", fixture(f, "good.asc"))
	if err != nil {
		f.Fatal(err)
	}
	want, err := splitClearsigned(good)
	if err != nil {
		f.Fatal(err)
	}
	ring, err := k.Subset(k.Fingerprints())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for _, changed := range tricks(good) {
		f.Add(changed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := splitClearsigned(data)
		if err == nil {
			if bytes.ContainsAny(c.text, "\r\x00\f") || bytes.Contains(c.text, []byte(" \n")) {
				t.Fatalf("the text has what it must not: %q", c.text)
			}
		}
		_, signers, verifyErr := k.VerifyInRelease(data, born.AddDate(0, 0, 2))
		if verifyErr != nil {
			return
		}
		if err != nil || !bytes.Equal(c.text, want.text) || len(signers) == 0 {
			t.Fatalf("accepted what nobody signed: %q", data)
		}
		agree(t, fmt.Sprintf("%q", data), ring, data)
	})
}
