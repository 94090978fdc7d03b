package aptmirror

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestStanzas(t *testing.T) {
	const in = "\n\nPackage: a\r\nDepends: b,\r\n c (>= 1),\n\td\nEmpty:\n\nPackage:  b \nDescription: x\n .\n y: z\n"
	for name, r := range map[string]io.Reader{
		"at once":         strings.NewReader(in),
		"byte by byte":    iotest.OneByteReader(strings.NewReader(in)),
		"data with error": iotest.DataErrReader(strings.NewReader(in)),
	} {
		d := NewStanzas("in", r)
		s, err := d.Next()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if v, ok := s.Get("depends"); !ok || v != "b,\nc (>= 1),\nd" || s.Line != 3 {
			t.Errorf("%s: Depends of line %d: got %q, %v", name, s.Line, v, ok)
		}
		if v, ok := s.Get("Empty"); !ok || v != "" {
			t.Errorf("%s: Empty: got %q, %v", name, v, ok)
		}
		if _, ok := s.Get("Version"); ok {
			t.Errorf("%s: a field that is not there", name)
		}
		if s, err = d.Next(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if v, _ := s.Get("Package"); v != "b" || s.Line != 9 {
			t.Errorf("%s: second stanza: got %q in line %d", name, v, s.Line)
		}
		if v, _ := s.Get("Description"); v != "x\n.\ny: z" {
			t.Errorf("%s: Description: got %q", name, v)
		}
		for range 2 {
			if _, err := d.Next(); err != io.EOF {
				t.Errorf("%s: at the end: got %v, want EOF", name, err)
			}
		}
	}
}

func TestStanzasWithComments(t *testing.T) {
	const in = "# one\n\n# two\nTypes: deb\n# three\nURIs: a\n# four\n b\n#\n c\n"
	s, err := NewCommentedStanzas("in", strings.NewReader(in)).Next()
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := s.Get("URIs"); v != "a\nb\nc" || len(s.Names()) != 2 {
		t.Errorf("got URIs %q, names %q", v, s.Names())
	}
	if _, err := NewStanzas("in", strings.NewReader(in)).Next(); err == nil {
		t.Error("an index with a comment: no error")
	}
}

func TestStanzasRefused(t *testing.T) {
	var fields strings.Builder
	for i := range maxFields + 1 {
		fmt.Fprintf(&fields, "F%d: x\n", i)
	}
	for _, c := range []struct{ name, in, want string }{
		{"twice", "A: 1\nB: 2\na: 3\n", "in:3: field a is given twice"},
		{"continuation first", " x\n", "in:1: a continuation line"},
		{"continuation after an empty line", "A: 1\n\n x\n", "in:3: a continuation line"},
		{"blank line that is not empty", "A: 1\n \nB: 2\n", "in:2: a line of spaces only"},
		{"tab line", "A: 1\n\t\r\nB: 2\n", "in:2: a line of spaces only"},
		{"no colon", "A: 1\nB\n", "in:2: want a field"},
		{"no name", ": 1\n", "in:1: want a field"},
		{"space in the name", "A b: 1\n", "is no field name"},
		{"dash in front", "-A: 1\n", "is no field name"},
		{"NUL", "A: 1\nB: x\x00y\n", "in:1: this stanza has a NUL"},
		{"comment", "A: 1\n# x: y\n", "is no field name"},
		{"high byte in the name", "\xc3\xa4: 1\n", "is no field name"},
		{"many fields", fields.String(), "it is too big"},
		{"escape in the message", "\x1b[2J\n", `\x1b`},
	} {
		_, err := NewStanzas("in", strings.NewReader(c.in)).Next()
		for i := 0; err == nil && i < 3; i++ {
			d := NewStanzas("in", strings.NewReader(c.in))
			for err == nil {
				_, err = d.Next()
			}
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// TestStanzasBounded: a stanza that does not end is refused long before it
// fills the memory, whatever its shape.
func TestStanzasBounded(t *testing.T) {
	for name, unit := range map[string]string{
		"one line":       "A: " + strings.Repeat("x", 1000),
		"many lines":     "A: 1\n" + strings.Repeat(" x\n", 1000),
		"no line at all": strings.Repeat("x", 1000),
	} {
		first, n := true, 0
		r := readerFunc(func(p []byte) (int, error) {
			if first {
				first = false
				return copy(p, unit), nil
			}
			if name == "many lines" {
				for i := range p {
					p[i] = " x\n"[n%3]
					n++
				}
				return len(p), nil
			}
			for i := range p {
				p[i] = 'x'
			}
			return len(p), nil
		})
		d := NewStanzas("in", r)
		_, err := d.Next()
		if !errors.Is(err, ErrTooBig) {
			t.Errorf("%s: got %v, want ErrTooBig", name, err)
		}
		if len(d.buf) > 4*maxStanza {
			t.Errorf("%s: the buffer has grown to %d bytes", name, len(d.buf))
		}
	}
	exact := "A: " + strings.Repeat("x", maxStanza-4) + "\n"
	if _, err := NewStanzas("in", strings.NewReader(exact)).Next(); err != nil {
		t.Errorf("a stanza of %d bytes: %v", len(exact), err)
	}
	if _, err := NewStanzas("in", strings.NewReader("A: x"+exact[3:])).Next(); !errors.Is(err, ErrTooBig) {
		t.Errorf("a stanza of one byte more: got %v, want ErrTooBig", err)
	}
	// once the buffer has grown, a long stanza of short lines fits into it
	d := NewStanzas("in", strings.NewReader(exact+"\nA: 1\n"+strings.Repeat(" x\n", maxStanza/3+1)+"\nB: 1\n"))
	if _, err := d.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Next(); !errors.Is(err, ErrTooBig) {
		t.Errorf("a long stanza behind a long stanza: got %v, want ErrTooBig", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestStanzasReadError(t *testing.T) {
	broken := errors.New("broken")
	const in = "A: 1\n\nB: 2\n\n"
	for k := range len(in) {
		d := NewStanzas("in", io.MultiReader(strings.NewReader(in[:k]), iotest.ErrReader(broken)))
		var err error
		for err == nil {
			_, err = d.Next()
		}
		if !errors.Is(err, broken) {
			t.Errorf("after %d bytes: got %v, want %v", k, err, broken)
		}
	}
	stuck := readerFunc(func([]byte) (int, error) { return 0, nil })
	if _, err := NewStanzas("in", stuck).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that gives nothing: got %v", err)
	}
}

// FuzzStanzas: the reader gives the same for one input however it is cut, and
// what it gives, written again, reads the same.
func FuzzStanzas(f *testing.F) {
	f.Add([]byte("A: 1\nB: 2\n c\n\nC: 3\r\n"), true)
	f.Add([]byte("# x\nA:\n b\n# y\n c\n\n\n\n-: x"), true)
	f.Add([]byte("\nPackage: x\n\n \n"), false)
	f.Fuzz(func(t *testing.T, data []byte, comments bool) {
		read := func(r io.Reader) (out string, err error) {
			d := NewStanzas("in", r)
			d.comments = comments
			for {
				s, err := d.Next()
				if err != nil {
					return out, err
				}
				for _, name := range s.Names() {
					v, ok := s.Get(name)
					if !ok || strings.ContainsAny(name, "\n :\x00") || strings.Contains(v, "\x00") {
						t.Fatalf("field %q, %q", name, v)
					}
					first, rest, folded := strings.Cut(v, "\n")
					out += name + ": " + first + "\n"
					if folded {
						out += " " + strings.ReplaceAll(rest, "\n", "\n ") + "\n"
					}
				}
				out += "\n"
			}
		}
		whole, err1 := read(bytes.NewReader(data))
		cut, err2 := read(iotest.OneByteReader(bytes.NewReader(data)))
		if whole != cut || err1.Error() != err2.Error() {
			t.Fatalf("at once %q, %v; byte by byte %q, %v", whole, err1, cut, err2)
		}
		if err1 != io.EOF {
			return
		}
		again, err := read(strings.NewReader(whole))
		if again != whole || err != io.EOF {
			t.Fatalf("first %q; again %q, %v", whole, again, err)
		}
	})
}
