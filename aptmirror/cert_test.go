package aptmirror

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// selfSignature makes another self-signature of a key's user ID.
func selfSignature(t *testing.T, e *openpgp.Entity, when time.Time, days uint32) []byte {
	t.Helper()
	id := e.PrimaryIdentity()
	sig := &packet.Signature{
		Version: 4, SigType: packet.SigTypePositiveCert, PubKeyAlgo: e.PrimaryKey.PubKeyAlgo, Hash: id.SelfSignature.Hash,
		CreationTime: when, IssuerKeyId: &e.PrimaryKey.KeyId, IssuerFingerprint: e.PrimaryKey.Fingerprint,
		FlagsValid: true, FlagSign: true, FlagCertify: true,
	}
	if days > 0 {
		seconds := days * 86400
		sig.KeyLifetimeSecs = &seconds
	}
	if err := sig.SignUserId(id.UserId.Id, e.PrimaryKey, e.PrivateKey, at(when)); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := sig.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestNewestSelfSignatureCounts: whichever stands first.
func TestNewestSelfSignatureCounts(t *testing.T) {
	for _, c := range []struct {
		name   string
		first  int    // days the key lives at first; 0: for ever
		then   uint32 // and what its owner says on day 50
		signed int    // day of the signature
		want   error
	}{
		{"extended", 100, 0, 200, nil},
		{"shortened", 0, 100, 200, ErrExpiredKey},
		{"shortened, signed before", 0, 100, 60, nil},
	} {
		key := newKey(t, "key", born, c.first, packet.PubKeyAlgoEdDSA)
		data := inRelease(t, releaseText, signature{key: key.PrivateKey, at: born.AddDate(0, 0, c.signed)})
		more := selfSignature(t, key, born.AddDate(0, 0, 50), c.then)
		pk, rest, _ := cutPacket(public(t, key))
		uid, rest, _ := cutPacket(rest)
		self, rest, err := cutPacket(rest)
		if err != nil {
			t.Fatal(err)
		}
		for order, ring := range map[string][]byte{
			"first": slices.Concat(pk.raw, uid.raw, more, self.raw, rest),
			"last":  slices.Concat(pk.raw, uid.raw, self.raw, more, rest),
			"in a second copy": slices.Concat(pk.raw, uid.raw, self.raw, rest,
				pk.raw, uid.raw, more),
		} {
			k, err := ReadKeyring("test", ring)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := k.VerifyInRelease(data, time.Now()); !errors.Is(err, c.want) {
				t.Errorf("%s, %s: got %v, want %v", c.name, order, err, c.want)
			}
		}
	}
}

// TestFlaglessSubkey: a subkey whose binding does not say that it signs has not
// consented to be bound either.
func TestFlaglessSubkey(t *testing.T) {
	key := newKey(t, "key", born, 0, packet.PubKeyAlgoEdDSA)
	if err := key.AddSigningSubkey(at(born)); err != nil {
		t.Fatal(err)
	}
	subkey := key.Subkeys[len(key.Subkeys)-1]
	data := inRelease(t, releaseText, signature{key: subkey.PrivateKey, at: born.AddDate(0, 0, 1)})
	if _, _, err := keyringOf(t, key).VerifyInRelease(data, time.Now()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*packet.Signature){
		"no flags":         func(s *packet.Signature) { s.FlagsValid, s.FlagSign = false, false },
		"for encryption":   func(s *packet.Signature) { s.FlagSign, s.FlagEncryptStorage = false, true },
		"expired":          func(s *packet.Signature) { one := uint32(1); s.KeyLifetimeSecs = &one },
		"of another type":  func(s *packet.Signature) { s.SigType = packet.SigTypeSubkeyRevocation },
		"without back-sig": func(s *packet.Signature) { s.EmbeddedSignature = nil },
	} {
		binding := *subkey.Sig
		change(&binding)
		if err := binding.SignKey(subkey.PublicKey, key.PrivateKey, at(born)); err != nil {
			t.Fatal(err)
		}
		changed := *key
		changed.Subkeys = slices.Clone(key.Subkeys)
		changed.Subkeys[len(changed.Subkeys)-1].Sig = &binding
		if _, signers, err := keyringOf(t, &changed).VerifyInRelease(data, time.Now()); err == nil {
			t.Errorf("%s: signed by %v", name, signers)
		}
	}
}
