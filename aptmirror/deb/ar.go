package deb

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// The ar format, as far as deb(5) uses it: a magic line, then members of a
// 60-byte header of blank-padded text and the content, padded to even length.
const (
	arMagic      = "!<arch>\n"
	arHeaderSize = 60
	arHeaderEnd  = "`\n"
)

// maxMembers bounds a .deb's ar members; real ones have three, or four with a signature.
const maxMembers = 16

// arReader reads the members of an ar archive in order.
type arReader struct {
	r      *bufio.Reader
	member io.LimitedReader
	pad    int64
	count  int
}

// newArReader checks the magic line.
func newArReader(r io.Reader) (*arReader, error) {
	a := &arReader{r: bufio.NewReaderSize(r, 128<<10)}
	a.member.R = a.r
	var magic [len(arMagic)]byte
	if _, err := io.ReadFull(a.r, magic[:]); err != nil {
		return nil, fmt.Errorf("reading its first bytes: %w", noEOF(err))
	}
	if string(magic[:]) != arMagic {
		return nil, errors.New("it is not an ar archive")
	}
	return a, nil
}

// next skips what is left of the member before and returns the name and size
// of the next one, io.EOF after the last. A name's trailing slash (GNU's way
// to end names) is dropped.
func (a *arReader) next() (name string, size int64, err error) {
	if _, err := io.Copy(io.Discard, &a.member); err != nil {
		return "", 0, err
	}
	if a.member.N > 0 {
		return "", 0, io.ErrUnexpectedEOF
	}
	if n, err := a.r.Discard(int(a.pad)); err != nil && n == 0 && a.pad > 0 {
		// The pad byte of the last member may be missing, as for dpkg.
		return "", 0, io.EOF
	}
	a.pad = 0
	var h [arHeaderSize]byte
	switch n, err := io.ReadFull(a.r, h[:]); {
	case err == io.EOF && n == 0:
		return "", 0, io.EOF
	case err != nil:
		return "", 0, fmt.Errorf("reading the header of its part %d: %w", a.count+1, noEOF(err))
	}
	if a.count++; a.count > maxMembers {
		return "", 0, fmt.Errorf("it has more than %d parts", maxMembers)
	}
	if string(h[58:]) != arHeaderEnd {
		return "", 0, fmt.Errorf("the header of its part %d is malformed", a.count)
	}
	name = strings.TrimSuffix(string(bytes.TrimRight(h[:16], " ")), "/")
	size, err = strconv.ParseInt(string(bytes.TrimRight(h[48:58], " ")), 10, 64)
	if err != nil || size < 0 || h[48] == '+' {
		return "", 0, fmt.Errorf("the size %q of its part %q is malformed", h[48:58], name)
	}
	a.member.N, a.pad = size, size&1
	return name, size, nil
}

// Read reads the current member. A member that is shorter than its header says
// ends with io.ErrUnexpectedEOF.
func (a *arReader) Read(p []byte) (int, error) {
	n, err := a.member.Read(p)
	if err == io.EOF && a.member.N > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// noEOF makes an end in the middle an error of its own.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
