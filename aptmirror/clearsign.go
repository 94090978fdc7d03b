package aptmirror

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// ErrClearsign is returned for a file that is not exactly one clear-signed
// message.
var ErrClearsign = errors.New("it is not one clear-signed message and nothing else")

// clearsigned is a clear-signed message, split.
type clearsigned struct {
	text       []byte          // unescaped, without trailing white space, lines end in "\n"; the last in none
	hashes     map[string]bool // names of the Hash headers
	signatures []byte          // OpenPGP packets
}

// splitClearsigned splits a file such as InRelease. What is returned as text
// is what the signature covers, byte for byte but for the line ends, and it is
// the only thing that may be parsed later. So everything that could make two
// readers see two texts is refused: bytes before or after the message, a second
// message, headers but Hash, lines that start with an unescaped dash, lines
// that gpgv would cut, and control characters, CR among them. White space at
// the end of a line, which no signature covers, is not in the text.
func splitClearsigned(data []byte) (*clearsigned, error) {
	c, err := split(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrClearsign, err)
	}
	return c, nil
}

func split(data []byte) (*clearsigned, error) {
	if len(data) > maxRelease {
		return nil, fmt.Errorf("more than %d bytes: %w", maxRelease, ErrTooBig)
	}
	if i := bytes.IndexFunc(data, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f }); i >= 0 {
		return nil, fmt.Errorf("byte %d is the control character %+q", i, data[i])
	}
	line, data := cutLine(data)
	if string(line) != beginSigned {
		return nil, fmt.Errorf("the first line is not %q", beginSigned)
	}
	c := &clearsigned{hashes: make(map[string]bool)}
	for n := 2; ; n++ {
		line, data = cutLine(data)
		if len(line) == 0 {
			break
		}
		names, ok := bytes.CutPrefix(line, []byte("Hash: "))
		if !ok || n > 10 {
			return nil, fmt.Errorf("line %d is not a Hash header: %s", n, quoteBytes(line))
		}
		for i, name := range strings.Split(string(names), ",") {
			if i > 0 {
				name = strings.TrimPrefix(name, " ") // as gpg writes it; not all read other blanks
			}
			switch name {
			case "SHA1", "RIPEMD160", "SHA224", "SHA256", "SHA384", "SHA512": // what gpgv knows
				c.hashes[name] = true
			default:
				return nil, fmt.Errorf("line %d announces an unknown hash: %s", n, quoteBytes(line))
			}
		}
	}
	if len(c.hashes) == 0 {
		return nil, errors.New("it has no Hash header")
	}
	text := make([]byte, 0, len(data))
	for {
		if len(data) == 0 {
			return nil, fmt.Errorf("it ends before the line %q", beginSignature)
		}
		if bytes.HasPrefix(data, []byte(beginSignature)) {
			break
		}
		line, data = cutLine(data)
		if len(line) > maxLine {
			return nil, fmt.Errorf("a line has more than %d bytes: %w", maxLine, ErrTooBig)
		}
		if len(line) > 0 && line[0] == '-' {
			if len(line) < 2 || line[1] != ' ' {
				return nil, fmt.Errorf("a line starts with an unescaped dash: %s", quoteBytes(line))
			}
			line = line[2:]
		}
		text = append(append(text, bytes.TrimRight(line, " \t")...), '\n')
	}
	c.text = bytes.TrimSuffix(text, []byte{'\n'}) // the line end before the signature is not signed
	signatures, rest, err := dearmor(data, beginSignature, endSignature)
	if err != nil {
		return nil, fmt.Errorf("reading the signature: %w", err)
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("something follows the signature: %s", quoteBytes(rest))
	}
	c.signatures = signatures
	return c, nil
}

// canonical returns the bytes that a clear-sign signature is made over: lines
// end in CR LF.
func (c *clearsigned) canonical() []byte {
	return bytes.ReplaceAll(c.text, []byte{'\n'}, []byte("\r\n"))
}
