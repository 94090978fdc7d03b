package archivetest

import (
	"bytes"
	"crypto"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// A Key signs archives.
type Key struct {
	entity        *openpgp.Entity
	old, version3 bool // see NewDSAKey
}

// NewKey makes a key of a kind that gpgv and sqv know (Ed25519, version 4). It
// is born in 2010, so that it may sign for any suite.
func NewKey(t testing.TB) *Key {
	t.Helper()
	born := time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)
	e, err := openpgp.NewEntity("Test Archive", "", "archive@example.org", &packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return born },
	})
	if err != nil {
		t.Fatal(err)
	}
	return &Key{entity: e}
}

// Public is the public key, as gpg --export writes it.
func (k *Key) Public(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := k.entity.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Fingerprint is the key's, in upper-case hexadecimal.
func (k *Key) Fingerprint() string { return fmt.Sprintf("%X", k.entity.PrimaryKey.Fingerprint) }

// ClearSign is what stands in an InRelease file: text, in lines without
// trailing white space, signed by all of keys at a moment.
func ClearSign(t testing.TB, text []byte, when time.Time, keys ...*Key) []byte {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	sigs := sign(t, []byte(strings.Join(lines, "\r\n")), when, packet.SigTypeText, keys)
	for i, l := range lines {
		if strings.HasPrefix(l, "-") {
			lines[i] = "- " + l
		}
	}
	return []byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: " + hashes(keys) + "\n\n" + strings.Join(lines, "\n") + "\n" + armored(t, sigs))
}

// DetachSign is what stands in a Release.gpg file.
func DetachSign(t testing.TB, data []byte, when time.Time, keys ...*Key) []byte {
	t.Helper()
	return []byte(armored(t, sign(t, data, when, packet.SigTypeBinary, keys)))
}

// hashes are what a clear-signed text announces.
func hashes(keys []*Key) string {
	for _, k := range keys {
		if k.old {
			return "SHA512, SHA1"
		}
	}
	return "SHA512"
}

// sign returns the signature packets of all keys.
func sign(t testing.TB, data []byte, when time.Time, kind packet.SignatureType, keys []*Key) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, k := range keys {
		if k.old {
			sig, err := k.signOld(data, when, kind)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(sig)
			continue
		}
		by := openpgp.DetachSign
		if kind == packet.SigTypeText {
			by = openpgp.DetachSignText
		}
		c := &packet.Config{DefaultHash: crypto.SHA512, Time: func() time.Time { return when }}
		if err := by(&b, k.entity, bytes.NewReader(data), c); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// armored writes a block with the checksum that older readers want.
func armored(t testing.TB, body []byte) string {
	t.Helper()
	var b bytes.Buffer
	w, err := armor.EncodeWithChecksumOption(&b, "PGP SIGNATURE", nil, true)
	if err == nil {
		_, err = w.Write(body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String() + "\n"
}
