package aptmirror

import "bytes"

// A Stanza is one paragraph of a deb822 file: a Packages or Sources index, a
// Release file, dpkg's status, a .sources file. It is valid until the next
// call of Next.
type Stanza struct {
	Line   int // line of its first field, from 1
	fields []field
	text   []byte
}

// field is a name and a value of Stanza.text, by offset.
type field struct {
	name, nameEnd   int
	value, valueEnd int
	line            int
	folded          bool // has continuation lines
}

// Get returns a field's value and whether the stanza has it. Names compare
// without case. The lines of a folded value are joined by "\n", each without
// its indentation and trailing space; a first line that is empty gives no line.
func (s *Stanza) Get(name string) (string, bool) {
	if f := s.find(name); f != nil {
		return string(s.value(f, '\n')), true
	}
	return "", false
}

// Names returns the names of the fields, in order.
func (s *Stanza) Names() []string {
	names := make([]string, len(s.fields))
	for i, f := range s.fields {
		names[i] = string(s.text[f.name:f.nameEnd])
	}
	return names
}

// value returns the bytes of f; the lines of a folded one are joined by sep.
func (s *Stanza) value(f *field, sep byte) []byte {
	v := s.text[f.value:f.valueEnd]
	if !f.folded {
		return v
	}
	var out []byte
	for first := true; len(v) > 0; first = false {
		var line []byte
		line, v, _ = bytes.Cut(v, []byte{'\n'})
		if !first && len(line) > 0 && line[0] == '#' {
			continue // a comment; the reader has checked that they are allowed
		}
		line = bytes.Trim(line, " \t\r")
		if first && len(line) == 0 {
			continue
		}
		if len(out) > 0 {
			out = append(out, sep)
		}
		out = append(out, line...)
	}
	return out
}

// find returns the field of that name, or nil.
func (s *Stanza) find(name string) *field {
	for i := range s.fields {
		if f := &s.fields[i]; foldEqual(s.text[f.name:f.nameEnd], name) {
			return f
		}
	}
	return nil
}

// foldEqual compares ASCII names without case.
func foldEqual(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if c != s[i] && lower(c) != lower(s[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// quoteBytes is quote for bytes.
func quoteBytes(b []byte) string { return quote(string(b[:min(len(b), 81)])) }
