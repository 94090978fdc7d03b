package aptmirror

import (
	"bytes"
	"crypto"
	"encoding/binary"
	"testing"
)

// TestReadDated: signatures of version 3, and those by hashes that prove nothing.
func TestReadDated(t *testing.T) {
	const made, rsa, sha256, sha1, md5, ripemd = 1300000000, 1, 8, 2, 1, 3
	when := binary.BigEndian.AppendUint32(nil, made)
	id := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	number := []byte{0xab, 0xcd, 0, 9, 1, 0xff} // what is left of the hash, and a number of 9 bits
	three := func(kind, hash byte, change ...func([]byte) []byte) []byte {
		body := bytes.Join([][]byte{{3, 5, kind}, when, id, {rsa, hash}, number}, nil)
		for _, f := range change {
			body = f(body)
		}
		return body
	}
	four := func(kind, hash byte) []byte {
		return bytes.Join([][]byte{{4, kind, rsa, hash, 0, 6, 5, 2}, when, {0, 10, 9, 16}, id, number}, nil)
	}
	for name, tt := range map[string]struct {
		tag       byte
		body      []byte
		sig, void bool
		suffixIs  []byte // what is hashed behind the text; nil: as version 4 has it
		hash      crypto.Hash
	}{
		"version 3":               {tagSignature, three(0, sha256), true, false, append([]byte{0}, when...), crypto.SHA256},
		"version 3, text":         {tagSignature, three(1, sha1), true, false, append([]byte{1}, when...), crypto.SHA1},
		"version 3, MD5":          {tagSignature, three(0, md5), true, true, append([]byte{0}, when...), crypto.SHA256},
		"version 3, RIPEMD":       {tagSignature, three(0, ripemd), true, true, append([]byte{0}, when...), crypto.SHA256},
		"version 4, MD5":          {tagSignature, four(0, md5), true, true, nil, crypto.SHA256},
		"version 4, RIPEMD":       {tagSignature, four(0, ripemd), true, true, nil, crypto.SHA256},
		"version 4":               {tagSignature, four(0, sha256), false, false, nil, 0}, // the library's
		"version 5":               {tagSignature, append([]byte{5}, four(0, md5)[1:]...), false, false, nil, 0},
		"no signature":            {tagUserID, three(0, sha256), false, false, nil, 0},
		"another length":          {tagSignature, three(0, sha256, func(b []byte) []byte { b[1] = 6; return b }), false, false, nil, 0},
		"cut before the numbers":  {tagSignature, three(0, sha256)[:19], false, false, nil, 0},
		"cut in the number":       {tagSignature, three(0, sha256)[:22], false, false, nil, 0},
		"nothing":                 {tagSignature, nil, false, false, nil, 0},
		"a hash of no such thing": {tagSignature, three(0, 99), false, false, nil, 0},
	} {
		raw := packetOf(tt.tag, tt.body)
		p, _, err := cutPacket(raw)
		if err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(p.raw)
		sig, void := readDated(p)
		if (sig != nil) != tt.sig || void != tt.void {
			t.Errorf("%s: got %+v, void %v; want one: %v, void %v", name, sig, void, tt.sig, tt.void)
			continue
		}
		if !bytes.Equal(p.raw, before) {
			t.Errorf("%s: the packet was changed", name)
		}
		if sig == nil {
			continue
		}
		if sig.CreationTime.Unix() != made || sig.IssuerKeyId == nil || *sig.IssuerKeyId != binary.BigEndian.Uint64(id) || tt.suffixIs != nil && byte(sig.SigType) != tt.suffixIs[0] {
			t.Errorf("%s: got %+v", name, sig)
		}
		if tt.suffixIs != nil && !bytes.Equal(sig.HashSuffix, tt.suffixIs) || tt.suffixIs == nil && len(sig.HashSuffix) < 12 {
			t.Errorf("%s: behind the text it hashes %x, want %x", name, sig.HashSuffix, tt.suffixIs)
		}
		if sig.Hash != tt.hash {
			t.Errorf("%s: got hash %v, want %v", name, sig.Hash, tt.hash)
		}
	}
}
