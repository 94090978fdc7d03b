package aptmirror

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
)

// Limits of OpenPGP input. Debian's archive keyring has 55 KB, an InRelease of
// unstable about 300 KB.
const (
	maxKeyring   = 16 << 20
	maxRelease   = 16 << 20
	maxSignature = 1 << 20
	maxLine      = 16 << 10 // gpgv cuts longer lines
)

const (
	beginSigned    = "-----BEGIN PGP SIGNED MESSAGE-----"
	beginSignature = "-----BEGIN PGP SIGNATURE-----"
	endSignature   = "-----END PGP SIGNATURE-----"
	beginKey       = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
	endKey         = "-----END PGP PUBLIC KEY BLOCK-----"
)

// dearmor decodes one ASCII-armoured block that data starts with and returns
// its bytes and what follows it. It is strict: the exact first and last line,
// headers "Key: value", one empty line, base64, a right checksum
// (RFC 9580, section 6). The checksum may be missing from keys; gpgv does not
// read all signatures without one, so we read none.
func dearmor(data []byte, begin, end string) (body, rest []byte, err error) {
	line, data := cutLine(data)
	if string(line) != begin {
		return nil, nil, fmt.Errorf("want the line %q, got %s", begin, quoteBytes(line))
	}
	for {
		if len(data) == 0 {
			return nil, nil, fmt.Errorf("it ends before the line %q", end)
		}
		if line, data = cutLine(data); len(line) == 0 {
			break
		}
		if key, _, ok := bytes.Cut(line, []byte(": ")); !ok || len(line) > 1024 || !isHeaderKey(key) {
			return nil, nil, fmt.Errorf("want an armour header or an empty line, got %s", quoteBytes(line))
		}
	}
	var text, sum []byte
	for {
		if len(data) == 0 {
			return nil, nil, fmt.Errorf("it ends before the line %q", end)
		}
		line, data = cutLine(data)
		if string(line) == end {
			break
		}
		if len(line) == 0 || len(line) > 100 || sum != nil {
			return nil, nil, fmt.Errorf("want base64 or the line %q, got %s", end, quoteBytes(line))
		}
		if line[0] == '=' {
			sum = line[1:]
			continue
		}
		text = append(text, line...)
	}
	body, err = base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil {
		return nil, nil, fmt.Errorf("decoding armour: %w", err)
	}
	if len(body) == 0 {
		return nil, nil, errors.New("the armour is empty")
	}
	if sum == nil && begin == beginSignature {
		return nil, nil, errors.New("the armour has no checksum, which gpgv may not read")
	}
	if sum != nil {
		want, err := base64.StdEncoding.Strict().DecodeString(string(sum))
		if err != nil || len(want) != 3 {
			return nil, nil, fmt.Errorf("%s is no armour checksum", quoteBytes(sum))
		}
		if got := crc24(body); got != uint32(want[0])<<16|uint32(want[1])<<8|uint32(want[2]) {
			return nil, nil, errors.New("the armour's checksum is wrong")
		}
	}
	return body, data, nil
}

// cutLine cuts a line and its end, "\n" or "\r\n", off data.
func cutLine(data []byte) (line, rest []byte) {
	line, rest, found := bytes.Cut(data, []byte{'\n'})
	if found {
		line = bytes.TrimSuffix(line, []byte{'\r'})
	}
	return line, rest
}

func isHeaderKey(b []byte) bool {
	for _, c := range b {
		if !isAlnum(c) && c != '-' {
			return false
		}
	}
	return len(b) > 0
}

// crc24 is the checksum of RFC 9580, section 6.1.1.
func crc24(b []byte) uint32 {
	crc := uint32(0xb704ce)
	for _, c := range b {
		crc ^= uint32(c) << 16
		for range 8 {
			crc <<= 1
			if crc&0x1000000 != 0 {
				crc ^= 0x1864cfb
			}
		}
	}
	return crc & 0xffffff
}
