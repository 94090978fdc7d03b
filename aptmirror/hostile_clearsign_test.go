package aptmirror

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// hostile are clear-signed files that try to make two readers see two texts,
// each truly signed by a key of the ring: what is odd is the text, the form or
// what else stands there.

// texts that no archive would publish, by what is odd about them.
var oddTexts = map[string]string{
	"plain":               "Origin: Test\nSuite: x\n",
	"no end of line":      "Origin: Test",
	"empty":               "",
	"empty lines":         "\n\n\n",
	"starts empty":        "\nOrigin: Test\n",
	"trailing space":      "Origin: Test \nSuite: x\t\n",
	"line of blanks":      "Origin: Test\n \t \nSuite: x\n",
	"trailing CR":         "Origin: Test\r\nSuite: x\n",
	"two CR":              "Origin: Test\r\r\n",
	"CR inside":           "Origin: Test\rOrigin: Evil\n",
	"NUL":                 "Origin: Test\x00Evil\n",
	"vertical tab":        "Origin: Test\vEvil\n",
	"form feed at end":    "Origin: Test\f\n",
	"next line":           "Origin: Test\u0085Origin: Evil\n",
	"line separator":      "Origin: Test\u2028Origin: Evil\n",
	"no-break space":      "Origin: Test\u00a0\nSuite: x\n",
	"byte order mark":     "\ufeffOrigin: Test\n",
	"latin-1":             "Origin: T\xe4st\x85\n",
	"broken UTF-8":        "Origin: \xc3\n\xa4\n",
	"escape sequence":     "Origin: \x1b[2JEvil\n",
	"dashes":              "-\n--\n- \n- -\n-----\n",
	"looks like a begin":  beginSigned + "\nHash: SHA256\n\nOrigin: Evil\n",
	"looks like an end":   "Origin: Test\n" + beginSignature + "\n\niQ\n" + endSignature + "\n",
	"looks like a key":    beginKey + "\n\n" + endKey + "\n",
	"From":                "From the top\n>From\n",
	"16 KiB line":         "X: " + strings.Repeat("x", maxLine-3) + "\n",
	"longer line":         "X: " + strings.Repeat("x", maxLine-2) + "\n",
	"19995 bytes":         "X: " + strings.Repeat("x", 19992) + "\n",
	"line that gpgv cuts": "X: " + strings.Repeat("x", 20010) + "Origin: Evil\n",
	"blanks beyond a cut": "Origin: Test" + strings.Repeat(" ", 20010) + "Evil\n",
	"only blanks, long":   strings.Repeat("\t", 17000) + "\n",
}

// stripped are the ways to take white space off the ends of lines before
// signing: none, what RFC 9580 says, and what GnuPG does.
var stripped = map[string]string{"nothing": "", "blanks": " \t", "blanks and CR": " \t\r"}

// clearSigned writes a text as gpg does, with the packets and headers given.
func clearSigned(headers, text string, packets []byte) []byte {
	var b strings.Builder
	b.WriteString(beginSigned + "\n" + headers + "\n")
	if text != "" {
		for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
			if strings.HasPrefix(line, "-") {
				line = "- " + line
			}
			b.WriteString(line + "\n")
		}
	}
	b.WriteString(armored(beginSignature, endSignature, packets))
	return []byte(b.String())
}

// over is what a text signature is made over.
func over(text, cut string) []byte {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], cut)
	}
	return []byte(strings.Join(lines, "\r\n"))
}

func TestOddTexts(t *testing.T) {
	key := newKey(t, "good", born, 0, packet.PubKeyAlgoEdDSA)
	ring := public(t, key)
	s := signature{key: key.PrivateKey, at: born.AddDate(0, 0, 1), kind: packet.SigTypeText}
	release := strings.TrimPrefix(releaseText, "Origin: Test\n")
	accepted := 0
	for name, text := range oddTexts {
		for how, cut := range stripped {
			for where, whole := range map[string]string{"alone": text, "before": text + release, "after": releaseText + text} {
				data := clearSigned("Hash: SHA256\n", whole, s.sign(t, over(whole, cut)))
				if agree(t, fmt.Sprintf("%s, %s, without %s", name, where, how), ring, data) {
					accepted++
				}
			}
		}
	}
	if accepted < 20 {
		t.Errorf("of all these %d were accepted: they prove nothing", accepted)
	}
	t.Logf("%d accepted", accepted)
}

// version3 is a signature of the old form, by an RSA key.
func version3(t *testing.T, key *packet.PrivateKey, at uint32, kind byte, signed []byte) []byte {
	t.Helper()
	tail := binary.BigEndian.AppendUint32([]byte{kind}, at)
	sum := sha256.Sum256(append(bytes.Clone(signed), tail...))
	mpi, err := rsa.SignPKCS1v15(rand.Reader, key.PrivateKey.(*rsa.PrivateKey), crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	body := append([]byte{3, 5}, tail...)
	body = binary.BigEndian.AppendUint64(body, key.KeyId)
	body = append(body, 1, 8, sum[0], sum[1])
	bits := len(mpi) * 8
	for b := mpi[0]; b < 0x80; b <<= 1 {
		bits--
	}
	body = binary.BigEndian.AppendUint16(body, uint16(bits))
	body = append(body, mpi...)
	return packetOf(tagSignature, body)
}

// packetOf writes an old-form packet.
func packetOf(tag byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0x81 | tag<<2}, uint16(len(body))), body...)
}

// patched changes one byte of a signature packet's body: 0 is its version, 3
// its hash. So it is good for nobody.
func patched(t *testing.T, sig []byte, at int, to byte) []byte {
	t.Helper()
	p, rest, err := cutPacket(sig)
	if err != nil || len(rest) > 0 {
		t.Fatal(err)
	}
	out := bytes.Clone(p.raw)
	out[p.header+at] = to
	return out
}

// subkeyOf is the newest subkey.
func subkeyOf(e *openpgp.Entity) *packet.PrivateKey { return e.Subkeys[len(e.Subkeys)-1].PrivateKey }

// withoutCross binds the newest subkey anew, for signing but without its own
// consent.
func withoutCross(t *testing.T, e *openpgp.Entity) {
	t.Helper()
	sub := &e.Subkeys[len(e.Subkeys)-1]
	sub.Sig.EmbeddedSignature = nil
	if err := sub.Sig.SignKey(sub.PublicKey, e.PrivateKey, at(born)); err != nil {
		t.Fatal(err)
	}
}

// oddKeys are the signers of TestOddPackets; the ring has all but the stranger.
type oddKeys struct {
	good, old, stranger, other, expired, revoked, short, crossed, uncrossed, forEncryption *openpgp.Entity
}

func newOddKeys(t *testing.T) *oddKeys {
	t.Helper()
	good := newKey(t, "good", born, 0, packet.PubKeyAlgoEdDSA)
	old := newKey(t, "rsa", born, 0, packet.PubKeyAlgoRSA)
	stranger := newKey(t, "stranger", born, 0, packet.PubKeyAlgoEdDSA)
	other := newKey(t, "other", born, 0, packet.PubKeyAlgoEdDSA)
	expired := newKey(t, "expired", born, 100, packet.PubKeyAlgoEdDSA)
	revoked := newKey(t, "revoked", born, 0, packet.PubKeyAlgoEdDSA)
	short, err := openpgp.NewEntity("short", "", "", &packet.Config{Time: func() time.Time { return born }, Algorithm: packet.PubKeyAlgoRSA, RSABits: 1024})
	if err == nil {
		err = revoked.RevokeKey(packet.KeySuperseded, "", at(born.AddDate(1, 0, 0)))
	}
	crossed, uncrossed := newKey(t, "crossed", born, 0, packet.PubKeyAlgoEdDSA), newKey(t, "uncrossed", born, 0, packet.PubKeyAlgoEdDSA)
	for _, k := range []*openpgp.Entity{crossed, uncrossed} {
		if err == nil {
			err = k.AddSigningSubkey(at(born))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	withoutCross(t, uncrossed)
	forEncryption := newKey(t, "encryption", born, 0, packet.PubKeyAlgoRSA)
	return &oddKeys{good, old, stranger, other, expired, revoked, short, crossed, uncrossed, forEncryption}
}

// by is a text signature over signed.
func (k *oddKeys) by(t *testing.T, key *packet.PrivateKey, signed []byte) []byte {
	return signature{key: key, at: born.AddDate(0, 0, 1), kind: packet.SigTypeText}.sign(t, signed)
}

// packets are what may stand where a signature over text belongs, by what is odd
// about them; evil is another text.
func (k *oddKeys) packets(t *testing.T, text, evil []byte) map[string][]byte {
	t.Helper()
	when := born.AddDate(0, 0, 1)
	by := func(key *packet.PrivateKey, signed []byte) []byte { return k.by(t, key, signed) }
	noted := func(critical bool) []byte {
		return signature{key: k.other.PrivateKey, at: when, kind: packet.SigTypeText,
			note: &packet.Notation{Name: "x@example.org", Value: []byte("y"), IsCritical: critical, IsHumanReadable: true}}.sign(t, text)
	}
	standalone := signature{key: k.other.PrivateKey, at: when, kind: 0x02}
	binarySig := signature{key: k.other.PrivateKey, at: when, kind: packet.SigTypeBinary}
	return map[string][]byte{
		"version 3":                  version3(t, k.old.PrivateKey, uint32(when.Unix()), 1, text),
		"version 3 over evil":        version3(t, k.old.PrivateKey, uint32(when.Unix()), 1, evil),
		"version 3, binary":          version3(t, k.old.PrivateKey, uint32(when.Unix()), 0, text),
		"version 5":                  patched(t, by(k.other.PrivateKey, text), 0, 5),
		"version 6":                  patched(t, by(k.other.PrivateKey, text), 0, 6),
		"version 2":                  patched(t, by(k.other.PrivateKey, text), 0, 2),
		"over evil":                  by(k.other.PrivateKey, evil),
		"by a stranger":              by(k.stranger.PrivateKey, text),
		"by a stranger over evil":    by(k.stranger.PrivateKey, evil),
		"the same again":             by(k.good.PrivateKey, text),
		"standalone":                 standalone.sign(t, nil),
		"of a binary":                binarySig.sign(t, []byte(releaseText)),
		"of the binary form of text": binarySig.sign(t, text),
		"SHA-1":                      signature{key: k.other.PrivateKey, at: when, hash: crypto.SHA1, kind: packet.SigTypeText}.sign(t, text),
		"SHA-1 over evil":            signature{key: k.other.PrivateKey, at: when, hash: crypto.SHA1, kind: packet.SigTypeText}.sign(t, evil),
		"it says MD5":                patched(t, by(k.other.PrivateKey, text), 3, 1),
		"critical notation":          noted(true),
		"notation":                   noted(false),
		"expired":                    signature{key: k.other.PrivateKey, at: when, lives: 60, kind: packet.SigTypeText}.sign(t, text),
		"of another algorithm":       patched(t, by(k.other.PrivateKey, text), 2, 99),
		"future":                     signature{key: k.other.PrivateKey, at: time.Now().Add(48 * time.Hour), kind: packet.SigTypeText}.sign(t, text),
		"older than its key":         signature{key: k.other.PrivateKey, at: born.AddDate(0, 0, -1), kind: packet.SigTypeText}.sign(t, text),
		"key expired":                signature{key: k.expired.PrivateKey, at: born.AddDate(0, 0, 101), kind: packet.SigTypeText}.sign(t, text),
		"key expired, evil":          signature{key: k.expired.PrivateKey, at: born.AddDate(0, 0, 101), kind: packet.SigTypeText}.sign(t, evil),
		"key expired since":          by(k.expired.PrivateKey, text),
		"key revoked":                by(k.revoked.PrivateKey, text),
		"key revoked, evil":          by(k.revoked.PrivateKey, evil),
		"short key":                  by(k.short.PrivateKey, text),
		"short key, evil":            by(k.short.PrivateKey, evil),
		"subkey":                     by(subkeyOf(k.crossed), text),
		"subkey not crossed":         by(subkeyOf(k.uncrossed), text),
		"encryption subkey":          by(k.forEncryption.Subkeys[0].PrivateKey, text),
		"a marker":                   packetOf(tagMarker, []byte("PGP")),
		"a user ID":                  packetOf(tagUserID, []byte("evil")),
		"a literal":                  packetOf(11, []byte("t\x00\x00\x00\x00\x00Origin: Evil\n")),
		"a one-pass":                 packetOf(4, append([]byte{3, 1, 8, 22}, append(make([]byte, 8), 1)...)),
		"a compressed":               packetOf(8, []byte{0}),
		"an empty packet":            packetOf(tagSignature, nil),
		"nothing":                    nil,
	}
}

// TestOddPackets: a good signature beside others, and others alone.
func TestOddPackets(t *testing.T) {
	k := newOddKeys(t)
	ring := public(t, k.good, k.old, k.other, k.expired, k.revoked, k.short, k.crossed, k.uncrossed, k.forEncryption)
	text := over(releaseText, " \t")
	g := k.by(t, k.good.PrivateKey, text)
	accepted := 0
	var alone []string
	for name, packets := range k.packets(t, text, over("Origin: Evil\n", "")) {
		for how, all := range map[string][]byte{
			"alone": packets, "after a good one": bytes.Join([][]byte{g, packets}, nil), "before a good one": bytes.Join([][]byte{packets, g}, nil),
			"between": bytes.Join([][]byte{g, packets, k.by(t, k.old.PrivateKey, text)}, nil),
		} {
			if len(all) == 0 {
				continue
			}
			for _, header := range []string{"Hash: SHA256\n", "Hash: SHA256, SHA1\n", "Hash: SHA512\n"} {
				if agree(t, name+" "+how+", "+header, ring, clearSigned(header, releaseText, all)) {
					accepted++
					if how == "alone" && header == "Hash: SHA256\n" {
						alone = append(alone, name)
					}
				}
			}
		}
	}
	slices.Sort(alone)
	if got, want := strings.Join(alone, ", "), "key expired since, notation, subkey, the same again"; got != want {
		t.Errorf("by itself we accept %s, want %s", got, want)
	}
	if accepted < 50 {
		t.Errorf("of all these %d were accepted: they prove nothing", accepted)
	}
	t.Logf("%d accepted", accepted)
}
