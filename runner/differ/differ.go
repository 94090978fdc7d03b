// Package differ says what two files, or two trees of files, that should be the
// same have differently: not only that they differ, but the first piece inside
// that does, through archives in archives down to the line, the section, the
// date.
//
//	out/hello.tar.gz: gzip
//	  content: tar
//	    member usr/bin/hello: ELF
//	      section .comment: bytes
//	        at 0x11: the host name
//
// It reads ar (and .deb), tar, zip (and jar), gzip, xz, zstd, bzip2, lzma, ELF, PE,
// Mach-O, PNG, PDF, Python's .pyc and texts. What it cannot read, or may not for its
// [Limits], is compared byte by byte; so there is an answer for any two files.
//
// The values that were varied between two builds ([Known], [Times]) are looked for at
// the place that differs: who finds the second build's host name there need not
// search on.
//
// Files are taken to be hostile: nothing is extracted under a name, what is
// unpacked is bounded and lies in files without a name, and a decoder that fails or
// panics costs its explanation and nothing else. The package starts no program,
// prints nothing, and knows no clock.
package differ

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"
)

// Kind says what sort of thing differs.
type Kind string

// The kinds.
const (
	Presence    Kind = "presence"    // only one has it
	Type        Kind = "type"        // a file here, a folder there; ELF here, text there
	Link        Kind = "link"        // where a symbolic link leads
	Mode        Kind = "mode"        // permissions
	Owner       Kind = "owner"       // user, group, their names
	Time        Kind = "time"        // a date in a header
	Order       Kind = "order"       // the same pieces in another order
	Header      Kind = "header"      // another field of a header
	Identifier  Kind = "identifier"  // build ID, UUID, checksum: follows from the rest
	Compression Kind = "compression" // the same content, packed otherwise
	Content     Kind = "content"     // of something that has an inside
	Text        Kind = "text"        // a line
	Bytes       Kind = "bytes"       // bytes, where nothing more is known
	Limit       Kind = "limit"       // not looked into
)

// Difference is one thing that differs. Exactly those whose Kind is Content have an
// Inside.
type Difference struct {
	Where  string `json:"where"`            // in what is around it: a path, "member x", "section .text", "line 3"
	Kind   Kind   `json:"kind"`             //
	Text   string `json:"text"`             // what differs, in a few words
	First  string `json:"first,omitempty"`  // what the first has there, cut to a line
	Second string `json:"second,omitempty"` // and the second
	Hint   string `json:"hint,omitempty"`   // what it looks like: the host name, a date, an address
	// More is how many others of this container differ in the same way.
	More   int          `json:"more,omitempty"`
	Inside []Difference `json:"inside,omitempty"` // the first ones, in order
}

// Limits bound what is done for one pair of trees or files. Zero values take the
// defaults.
type Limits struct {
	Depth    int   // of archives in archives; 24
	Unpacked int64 // bytes that all decoders together may give; 8 GiB
	Memory   int64 // bytes of one unpacked piece that are kept in memory, the rest goes to Scratch; 8 MiB
	Members  int   // of one archive; 200000
	Pieces   int   // differences that are told of each container; 5
	Files    int   // of a tree, that are looked into; 100
}

func (l Limits) withDefaults() Limits {
	set := func(n *int, to int) {
		if *n == 0 {
			*n = to
		}
	}
	set(&l.Depth, 24)
	set(&l.Members, 200000)
	set(&l.Pieces, 5)
	set(&l.Files, 100)
	if l.Unpacked == 0 {
		l.Unpacked = 8 << 30
	}
	if l.Memory == 0 {
		l.Memory = 8 << 20
	}
	return l
}

// Known is a value that the two builds had differently.
type Known struct {
	What          string // "host name": it stands in "the host name of each build"
	First, Second string
}

// Times says when each build ran; the zero value says nothing.
type Times struct{ FirstFrom, FirstTo, SecondFrom, SecondTo time.Time }

// Explainer explains differences. Its fields may be empty.
type Explainer struct {
	Limits Limits
	Known  []Known
	Times  Times
	// SecondPids is a number that process numbers of the second build are above, and those
	// of the first below; 0: nothing is known.
	SecondPids int
	Scratch    string // folder for what is unpacked; "" is the system's own
}

// errLimit is the reason for not looking further.
var errLimit = errors.New("it unpacks to more than is looked at")

// work is one explanation under way.
type work struct {
	*Explainer
	Limits
	ctx    context.Context
	left   int64 // bytes that may still be unpacked
	spools []io.Closer
	shapes []shape // made when they are needed
}

func (e *Explainer) begin(ctx context.Context) *work {
	w := &work{Explainer: e, Limits: e.Limits.withDefaults(), ctx: ctx}
	w.left = w.Limits.Unpacked
	return w
}

func (w *work) close() { w.release(0) }

// Contents explains how two files differ; nil if they do not. where names them.
// The error is the context's, or one of reading the files themselves.
func (e *Explainer) Contents(ctx context.Context, where string, first io.ReaderAt, firstSize int64, second io.ReaderAt, secondSize int64) (*Difference, error) {
	w := e.begin(ctx)
	defer w.close()
	return w.file(where, 0, part{first, firstSize}, part{second, secondSize})
}

// part is a file or a piece of one.
type part struct {
	io.ReaderAt
	size int64
}

// section is the part as a stream.
func (p part) section() *io.SectionReader { return io.NewSectionReader(p, 0, p.size) }

// slice is a piece of the part, as far as it is there.
func (p part) slice(off, n int64) part {
	if off < 0 || off > p.size {
		off = p.size
	}
	n = max(0, min(n, p.size-off))
	return part{io.NewSectionReader(p, off, n), n}
}

// head reads up to n bytes of the beginning.
func (p part) head(n int64) []byte {
	b := make([]byte, max(0, min(n, p.size)))
	got, _ := p.ReadAt(b, 0)
	return b[:got]
}

// file explains how two parts differ; nil if they are equal.
func (w *work) file(where string, depth int, a, b part) (*Difference, error) {
	at, err := w.firstDifference(a, b)
	if err != nil || at < 0 {
		return nil, err
	}
	fa, fb := formatOf(a), formatOf(b)
	if fa != fb {
		d := w.bytes(a, b, at)
		return &Difference{Where: where, Kind: Type, Text: "another kind of file", First: fa.String(), Second: fb.String(), Hint: d.Hint}, nil
	}
	if depth >= w.Depth {
		d := w.bytes(a, b, at)
		d.Where = at0x(at)
		return wrap(where, fmt.Sprintf("%s, %d deep: only bytes were compared", fa, depth), d), nil
	}
	defer w.release(len(w.spools))
	inside, note := w.inside(fa, depth+1, a, b)
	if err := w.ctx.Err(); err != nil {
		return nil, context.Cause(w.ctx)
	}
	text := fa.String()
	if note != "" {
		text += ": " + note
	}
	if len(inside) == 0 {
		d := w.bytes(a, b, at)
		d.Where = at0x(at)
		inside = []Difference{d}
	}
	return wrap(where, text, inside...), nil
}

// inside asks the format's own reader. One that cannot read says why in note.
func (w *work) inside(f format, depth int, a, b part) (found []Difference, note string) {
	read := f.reader()
	if read == nil {
		return nil, ""
	}
	defer func() { // decoders are other people's code, and read hostile bytes
		if p := recover(); p != nil {
			found, note = nil, fmt.Sprintf("reading it failed (%.100v), so bytes were compared", p)
		}
	}()
	found, err := read(w, depth, a, b)
	switch {
	case errors.Is(err, errLimit):
		return found, errLimit.Error()
	case err != nil:
		return found, "it could not be read to its end (" + clip(err.Error()) + ")"
	}
	return found, ""
}

// wrap puts differences into what they are inside of.
func wrap(where, text string, inside ...Difference) *Difference {
	return &Difference{Where: where, Kind: Content, Text: text, Inside: inside}
}

func at0x(at int64) string { return fmt.Sprintf("byte %#x", at) }

// chunk is how much is compared at a time.
const chunk = 64 << 10

// firstDifference is the offset of the first byte that differs, or where the
// shorter one ends; -1 if there is none.
func (w *work) firstDifference(a, b part) (int64, error) {
	ba, bb := make([]byte, chunk), make([]byte, chunk)
	for at := int64(0); ; at += chunk {
		if err := w.ctx.Err(); err != nil {
			return 0, context.Cause(w.ctx)
		}
		na, err := readAt(a, ba, at)
		if err != nil {
			return 0, err
		}
		nb, err := readAt(b, bb, at)
		if err != nil {
			return 0, err
		}
		n := min(na, nb)
		for i := range n {
			if ba[i] != bb[i] {
				return at + int64(i), nil
			}
		}
		if na != nb {
			return at + int64(n), nil
		}
		if n < chunk {
			return -1, nil
		}
	}
}

// readAt fills b as far as the part goes.
func readAt(p part, b []byte, at int64) (int, error) {
	n := max(0, min(int64(len(b)), p.size-at))
	got, err := p.ReadAt(b[:n], at)
	if err == io.EOF {
		err = nil // shorter than was said: a file that shrank, a header that lied
	}
	return got, err
}

// shape is a way of recognising a text.
type shape struct {
	hint string
	re   *regexp.Regexp
}
