package aptmirror

import (
	"bytes"
	"encoding/binary"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// What people's signatures may be besides, those of VerifyDetached: over a text
// (gpg --textmode), and of version 3, which gpg made when it was asked to until 2014.

// canonicalText is what a text's signature is over: lines end in CR LF, as gpg
// makes them, which drops every CR at a line's end.
func canonicalText(data []byte) []byte {
	out := make([]byte, 0, len(data)+len(data)/32)
	for line := range bytes.Lines(data) {
		text, ended := bytes.CutSuffix(line, []byte("\n"))
		out = append(out, bytes.TrimRight(text, "\r")...)
		if ended {
			out = append(out, "\r\n"...)
		}
	}
	return out
}

// readDated reads a signature that the library does not: of version 3 (RFC 4880,
// 5.2.2), which has the same numbers as one of version 4 with other bytes before
// them, and whose type and time are all that is hashed of it; or one with MD5 or
// RIPEMD, by which anybody can make two documents alike: void then, and good for no
// more than to say whose it claims to be. It is nil for what is neither.
func readDated(p rawPacket) (sig *packet.Signature, void bool) {
	body := p.body()
	const fixed = 19 // up to the numbers of version 3
	var four, suffix []byte
	switch {
	case p.tag == tagSignature && len(body) > fixed && body[0] == 3 && body[1] == 5:
		suffix = bytes.Clone(body[2:7])
		four = []byte{4, body[2], body[15], body[16], 0, 6, 5, 2}
		four = append(four, body[3:7]...)  // a hashed field: when
		four = append(four, 0, 10, 9, 16)  // one that is not:
		four = append(four, body[7:15]...) // who
		four = append(four, body[17:]...)
	case p.tag == tagSignature && len(body) > fixed && body[0] == 4:
		four = bytes.Clone(body)
	default:
		return nil, false
	}
	if hash := four[3]; hash == hashMD5 || hash == hashRIPEMD {
		four[3], void = hashSHA256, true
	}
	if suffix == nil && !void {
		return nil, false
	}
	raw := append([]byte{0xc0 | tagSignature, 255}, binary.BigEndian.AppendUint32(nil, uint32(len(four)))...)
	parsed, ok, err := (rawPacket{tag: tagSignature, raw: append(raw, four...), header: 6}).parse()
	sig, isSig := parsed.(*packet.Signature)
	if err != nil || !ok || !isSig {
		return nil, false
	}
	if suffix != nil {
		sig.HashSuffix = suffix
	}
	return sig, void
}

// Hashes by OpenPGP's numbers (RFC 9580, 9.5).
const (
	hashMD5    = 1
	hashRIPEMD = 3
	hashSHA256 = 8
)
