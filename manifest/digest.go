package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Digest is a SHA-256 sum. Its zero value names nothing: every function that
// takes a Digest refuses it, so that a forgotten hash can never mean
// "do not check".
type Digest [sha256.Size]byte

// digestPrefix is how OCI spells the algorithm.
const digestPrefix = "sha256:"

// ErrDigest is returned by a verified reader whose bytes are not the ones named.
var ErrDigest = errors.New("content does not match its hash")

// Sum returns the digest of b.
func Sum(b []byte) Digest { return sha256.Sum256(b) }

// ParseDigest reads 64 lower-case hexadecimal digits, with or without the
// prefix "sha256:". Anything else, upper case included, is refused, so that a
// digest has one spelling.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	h := s
	if len(h) == len(digestPrefix)+2*len(d) && h[:len(digestPrefix)] == digestPrefix {
		h = h[len(digestPrefix):]
	}
	if len(h) != 2*len(d) {
		return Digest{}, fmt.Errorf("reading digest %q: want 64 lower-case hexadecimal digits", shorten(s))
	}
	bad := byte(0) // a tree of asserts has millions of digests, so each is read in one go
	for i := range d {
		high, low := nibble(h[2*i]), nibble(h[2*i+1])
		bad |= high | low
		d[i] = high<<4 | low&0xf
	}
	if bad&0xf0 != 0 {
		return Digest{}, fmt.Errorf("reading digest %q: want 64 lower-case hexadecimal digits", s)
	}
	if d.IsZero() {
		return Digest{}, fmt.Errorf("reading digest %q: all zeros name nothing", s)
	}
	return d, nil
}

// nibble is what a lower-case hexadecimal digit stands for; 0xff for what is none.
func nibble(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}

// IsZero reports whether d names nothing.
func (d Digest) IsZero() bool { return d == Digest{} }

// Hex returns the 64 digits alone, as sha256sum prints them.
func (d Digest) Hex() string { return hex.EncodeToString(d[:]) }

// String returns the OCI form, "sha256:" and 64 digits.
func (d Digest) String() string { return digestPrefix + d.Hex() }

// MarshalText writes the 64 digits alone; it refuses the zero digest.
func (d Digest) MarshalText() ([]byte, error) {
	if d.IsZero() {
		return nil, errors.New("writing digest: it is empty")
	}
	return []byte(d.Hex()), nil
}

// UnmarshalText is ParseDigest.
func (d *Digest) UnmarshalText(b []byte) (err error) {
	*d, err = ParseDigest(string(b))
	return err
}

// Blob names bytes: how many, and which. Both are always checked together.
type Blob struct {
	SHA256 Digest `yaml:"sha256" json:"sha256"`
	Size   int64  `yaml:"size" json:"size"` // bytes
}

// Verify returns a reader of r that hands on exactly b.Size bytes and then
// io.EOF, and only if they hash to b.SHA256 and r has no byte more. A short, a
// longer or a different r gives an error that wraps ErrDigest in place of
// io.EOF; so a caller may use nothing before it has read to the end.
func (b Blob) Verify(r io.Reader) io.Reader {
	return &verifiedReader{r: r, want: b, h: sha256.New()}
}

type verifiedReader struct {
	r    io.Reader
	want Blob
	n    int64
	h    hash.Hash
	err  error // what every later Read answers
}

func (v *verifiedReader) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	if v.want.SHA256.IsZero() {
		v.err = fmt.Errorf("%w: no hash was given", ErrDigest)
		return 0, v.err
	}
	left := v.want.Size - v.n
	if left <= 0 {
		v.err = v.end()
		return 0, v.err
	}
	if int64(len(p)) > left {
		p = p[:left]
	}
	n, err := v.r.Read(p)
	v.h.Write(p[:n])
	v.n += int64(n)
	switch {
	case err == io.EOF && v.n < v.want.Size:
		v.err = fmt.Errorf("%w: it ends after %d of %d bytes", ErrDigest, v.n, v.want.Size)
		return n, v.err
	case err != nil && err != io.EOF:
		v.err = err
		return n, err
	}
	return n, nil
}

// end checks the sum and that r has no trailing byte.
func (v *verifiedReader) end() error {
	var one [1]byte
	for {
		n, err := v.r.Read(one[:])
		if n > 0 {
			return fmt.Errorf("%w: it has more than %d bytes", ErrDigest, v.want.Size)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if got := Digest(v.h.Sum(nil)); got != v.want.SHA256 {
		return fmt.Errorf("%w: got sha256 %s, want %s", ErrDigest, got.Hex(), v.want.SHA256.Hex())
	}
	return io.EOF
}

// shorten keeps hostile text out of error messages.
func shorten(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
