package aptmirror

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Tags of OpenPGP packets (RFC 9580, section 5).
const (
	tagSignature     = 2
	tagSecretKey     = 5
	tagPublicKey     = 6
	tagSecretSubkey  = 7
	tagMarker        = 10
	tagTrust         = 12
	tagUserID        = 13
	tagPublicSubkey  = 14
	tagUserAttribute = 17
)

// rawPacket is an OpenPGP packet as it stood.
type rawPacket struct {
	tag    int
	raw    []byte // header and body
	header int    // bytes of raw
}

// body is the packet without its header.
func (p rawPacket) body() []byte { return p.raw[p.header:] }

// cutPacket cuts the first packet off data. Only packets of a definite length
// are accepted: keys and signatures have no others.
func cutPacket(data []byte) (p rawPacket, rest []byte, err error) {
	if len(data) < 2 || data[0]&0x80 == 0 {
		return p, nil, errors.New("want an OpenPGP packet")
	}
	var header, body int
	if data[0]&0x40 != 0 {
		p.tag = int(data[0] & 0x3f)
		switch n := data[1]; {
		case n < 192:
			header, body = 2, int(n)
		case n < 224:
			if len(data) < 3 {
				return p, nil, errors.New("an OpenPGP packet is cut short")
			}
			header, body = 3, int(n-192)<<8+int(data[2])+192
		case n < 255:
			return p, nil, errors.New("an OpenPGP packet has no definite length")
		default:
			header, body = 6, bigEndian(data, 2, 4)
		}
	} else {
		p.tag = int(data[0] >> 2 & 0xf)
		switch data[0] & 3 {
		case 0:
			header, body = 2, int(data[1])
		case 1:
			header, body = 3, bigEndian(data, 1, 2)
		case 2:
			header, body = 5, bigEndian(data, 1, 4)
		default:
			return p, nil, errors.New("an OpenPGP packet has no definite length")
		}
	}
	if body < 0 || len(data) < header || body > len(data)-header {
		return p, nil, errors.New("an OpenPGP packet is cut short")
	}
	p.raw, p.header = data[:header+body], header
	return p, data[header+body:], nil
}

// bigEndian reads n bytes at from, or -1 if they are not there.
func bigEndian(data []byte, from, n int) int {
	if len(data) < from+n {
		return -1
	}
	v := 0
	for _, c := range data[from : from+n] {
		v = v<<8 | int(c)
	}
	return v
}

// parse reads the packet. ok is false for what the library does not know:
// versions, algorithms, critical fields.
func (p rawPacket) parse() (parsed packet.Packet, ok bool, err error) {
	parsed, err = packet.Read(bytes.NewReader(p.raw))
	if err == nil {
		return parsed, true, nil
	}
	var unsupported pgperrors.UnsupportedError
	var unknown pgperrors.UnknownPacketTypeError
	if errors.As(err, &unsupported) || errors.As(err, &unknown) {
		return nil, false, nil
	}
	return nil, false, err
}

// fingerprint is how this package writes one: upper-case hexadecimal.
func fingerprint(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }

// strongHash says whether a signature over an archive may use a hash, and what
// the Hash header of a clear-signed message calls it.
func strongHash(h crypto.Hash) (name string, ok bool) {
	switch h {
	case crypto.SHA1:
		return "SHA1", false
	case crypto.SHA224:
		return "SHA224", true
	case crypto.SHA256:
		return "SHA256", true
	case crypto.SHA384:
		return "SHA384", true
	case crypto.SHA512:
		return "SHA512", true
	}
	return "", false
}

// strongKey reports why signatures of this key prove nothing.
func strongKey(pk *packet.PublicKey) error {
	switch pk.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly:
		if n, err := pk.BitLength(); err != nil || n < 2048 {
			return fmt.Errorf("an RSA key of %d bits", n)
		}
		return nil
	case packet.PubKeyAlgoECDSA, packet.PubKeyAlgoEdDSA, packet.PubKeyAlgoEd25519, packet.PubKeyAlgoEd448:
		return nil
	case packet.PubKeyAlgoDSA:
		return errors.New("a DSA key")
	}
	return fmt.Errorf("a key of algorithm %d", pk.PubKeyAlgo)
}
