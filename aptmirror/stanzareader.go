package aptmirror

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Limits of the stanza reader. The longest stanza of Debian's indexes has
// about 100 KiB, the one with the most fields about 40.
const (
	maxStanza = 1 << 20 // bytes of a stanza
	maxFields = 256     // fields of a stanza
	maxIndex  = 2 << 30 // bytes of a whole file
	readSize  = 64 << 10
)

// ErrTooBig is returned when an input passes one of this package's limits.
var ErrTooBig = errors.New("it is too big")

// Stanzas reads a deb822 file stanza by stanza, in bounded memory. It refuses,
// with name and line, what other readers understand in different ways: a field
// twice in one stanza, a line of spaces only, a NUL, a line that is neither
// field nor continuation, a stanza over 1 MiB (ErrTooBig). Lines may end in
// CR LF. Format: deb822(5).
type Stanzas struct {
	name     string
	r        io.Reader
	buf      []byte
	start    int // of the stanza at hand, in buf
	pos, end int // read so far, filled so far
	line     int // of the line last read
	total    int64
	max      int  // bytes of a stanza
	comments bool // lines that start with # are skipped
	eof      bool
	err      error
	stanza   Stanza
}

// NewStanzas returns a reader of r. name is for errors. Lines that start with
// "#" are refused: indexes have none.
func NewStanzas(name string, r io.Reader) *Stanzas {
	return &Stanzas{name: name, r: r, max: maxStanza}
}

// NewCommentedStanzas is NewStanzas for files that people write: lines that
// start with "#" are skipped.
func NewCommentedStanzas(name string, r io.Reader) *Stanzas {
	return &Stanzas{name: name, r: r, max: maxStanza, comments: true}
}

// Next returns the next stanza, or io.EOF after the last one and once r has
// answered io.EOF. After an error it answers that error for ever.
func (d *Stanzas) Next() (*Stanza, error) {
	if d.err != nil {
		return nil, d.err
	}
	if d.err = d.next(); d.err != nil {
		return nil, d.err
	}
	return &d.stanza, nil
}

func (d *Stanzas) next() error {
	s := &d.stanza
	s.fields = s.fields[:0]
	d.start = d.pos
	var seen uint64 // a small set of field names, see isDuplicate
	length := 0
	for {
		from, to, err := d.readLine()
		if err == io.EOF {
			if len(s.fields) == 0 {
				return io.EOF
			}
			length = d.pos - d.start
			break
		}
		if err != nil {
			return err
		}
		line := d.buf[d.start+from : d.start+to]
		if len(line) == 0 {
			if len(s.fields) > 0 {
				length = from
				break
			}
			d.start = d.pos
			continue
		}
		if line[0] == '#' && d.comments {
			if len(s.fields) == 0 {
				d.start = d.pos
			}
			continue
		}
		if err := d.addLine(from, line, &seen); err != nil {
			return fmt.Errorf("%s:%d: %w", d.name, d.line, err)
		}
	}
	s.text = d.buf[d.start : d.start+length]
	s.Line = s.fields[0].line
	if len(s.text) > d.max {
		return fmt.Errorf("%s:%d: this stanza has more than %d bytes: %w", d.name, s.Line, d.max, ErrTooBig)
	}
	if bytes.IndexByte(s.text, 0) >= 0 {
		return fmt.Errorf("%s:%d: this stanza has a NUL byte", d.name, s.Line)
	}
	return nil
}

// addLine takes a line that is not empty; from is its offset in the stanza.
func (d *Stanzas) addLine(from int, line []byte, seen *uint64) error {
	s := &d.stanza
	if line[0] == ' ' || line[0] == '\t' {
		if len(s.fields) == 0 {
			return errors.New("a continuation line without a field before it")
		}
		if len(bytes.TrimLeft(line, " \t\r")) == 0 {
			return errors.New("a line of spaces only: readers disagree on whether it ends the stanza")
		}
		f := &s.fields[len(s.fields)-1]
		f.valueEnd = from + len(line)
		f.folded = true
		return nil
	}
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return fmt.Errorf("want a field, \"Name: value\", got %s", quoteBytes(line))
	}
	name := line[:colon]
	for _, c := range name {
		if c <= ' ' || c > '~' {
			return fmt.Errorf("%s is no field name", quoteBytes(name))
		}
	}
	if c := name[0]; c == '-' || c == '#' {
		return fmt.Errorf("%s is no field name", quoteBytes(name))
	}
	if len(s.fields) == maxFields {
		return fmt.Errorf("more than %d fields in one stanza: %w", maxFields, ErrTooBig)
	}
	if d.isDuplicate(name, seen) {
		return fmt.Errorf("field %s is given twice in one stanza", name)
	}
	begin, end := colon+1, len(line)
	for begin < end && (line[begin] == ' ' || line[begin] == '\t') {
		begin++
	}
	for end > begin && (line[end-1] == ' ' || line[end-1] == '\t') {
		end--
	}
	s.fields = append(s.fields, field{
		name: from, nameEnd: from + colon, value: from + begin, valueEnd: from + end, line: d.line,
	})
	return nil
}

// isDuplicate reports whether the stanza has a field of that name. A set of 64
// bits answers most calls; only when it says "perhaps" are names compared.
func (d *Stanzas) isDuplicate(name []byte, seen *uint64) bool {
	bit := uint64(1) << ((uint(name[0]|0x20)*7 + uint(name[len(name)-1]|0x20)*31 + uint(len(name))*3) & 63)
	if *seen&bit == 0 {
		*seen |= bit
		return false
	}
	text := d.buf[d.start:]
	for i := range d.stanza.fields {
		f := &d.stanza.fields[i]
		if f.nameEnd-f.name == len(name) && bytes.EqualFold(text[f.name:f.nameEnd], name) {
			return true
		}
	}
	return false
}

// readLine reads a line and returns where in the stanza it stands, without its
// end. io.EOF comes alone: a last line without "\n" is a line.
func (d *Stanzas) readLine() (from, to int, err error) {
	scanned := d.pos
	for {
		if i := bytes.IndexByte(d.buf[scanned:d.end], '\n'); i >= 0 {
			from, to = d.pos-d.start, scanned+i-d.start
			d.pos = scanned + i + 1
			break
		}
		scanned = d.end
		if d.eof {
			if d.pos == d.end {
				return 0, 0, io.EOF
			}
			from, to = d.pos-d.start, d.end-d.start
			d.pos = d.end
			break
		}
		shift := d.start
		if err := d.fill(); err != nil {
			return 0, 0, err
		}
		scanned -= shift - d.start
	}
	d.line++
	if to > from && d.buf[d.start+to-1] == '\r' {
		to--
	}
	return from, to, nil
}

// fill moves the stanza at hand to the front of the buffer and reads on.
func (d *Stanzas) fill() error {
	if d.start > 0 {
		copy(d.buf, d.buf[d.start:d.end])
		d.pos -= d.start
		d.end -= d.start
		d.start = 0
	}
	if d.end > d.max {
		return fmt.Errorf("%s:%d: a stanza has more than %d bytes: %w", d.name, d.line+1, d.max, ErrTooBig)
	}
	if d.end == len(d.buf) {
		grown := make([]byte, max(readSize, 2*len(d.buf)))
		copy(grown, d.buf[:d.end])
		d.buf = grown
	}
	for tries := 0; ; tries++ {
		n, err := d.r.Read(d.buf[d.end:])
		d.end += n
		d.total += int64(n)
		switch {
		case d.total > maxIndex:
			return fmt.Errorf("reading %s: more than %d bytes: %w", d.name, maxIndex, ErrTooBig)
		case err == io.EOF:
			d.eof = true
			return nil
		case err != nil:
			return fmt.Errorf("reading %s: %w", d.name, err)
		case n > 0:
			return nil
		case tries == 100:
			return fmt.Errorf("reading %s: %w", d.name, io.ErrNoProgress)
		}
	}
}
