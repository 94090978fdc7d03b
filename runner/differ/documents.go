package differ

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// bytesAt is a small piece in memory.
func bytesAt(b []byte) io.ReaderAt { return bytes.NewReader(b) }

// pngs compares two pictures by their chunks.
func (w *work) pngs(depth int, a, b part) ([]Difference, error) {
	ma, ea := w.pngChunks(a)
	mb, eb := w.pngChunks(b)
	out, err := w.members(manner{one: "chunk"}, depth, ma, mb)
	for i := range out {
		if strings.HasPrefix(out[i].Where, "chunk tIME") && out[i].Kind == Content {
			out[i].Kind, out[i].Inside, out[i].Text = Time, nil, "time of the last change of the picture"
			out[i].Hint = "a date"
		}
	}
	return out, errors.Join(both(ea, eb), err)
}

func (w *work) pngChunks(p part) ([]member, error) {
	var out []member
	for at := int64(8); at < p.size; {
		h := p.slice(at, 8).head(8)
		if len(h) < 8 {
			return out, fmt.Errorf("the chunk at %d is cut off", at)
		}
		size := int64(binary.BigEndian.Uint32(h))
		if size > p.size-at-12 {
			return out, fmt.Errorf("the chunk at %d has a size of %d", at, size)
		}
		if len(out) >= w.Members {
			return out, errLimit
		}
		content := p.slice(at+8, size)
		out = append(out, member{name: string(h[4:]), open: func() (part, error) { return content, nil }})
		at += size + 12
	}
	return out, nil
}

// pdfs compares two PDFs byte by byte, and tells in which entry of a dictionary the
// difference lies.
func (w *work) pdfs(_ int, a, b part) ([]Difference, error) {
	at, err := w.firstDifference(a, b)
	if err != nil || at < 0 {
		return nil, err
	}
	d := w.bytes(a, b, at)
	from := max(0, at-256)
	before := string(a.slice(from, at-from).head(256))
	d.Where = at0x(at)
	for _, key := range []string{"CreationDate", "ModDate", "ID", "Producer", "Creator", "DocumentID", "InstanceID"} {
		i := strings.LastIndex(before, "/"+key)
		if i >= 0 && !strings.Contains(before[i:], "endobj") && !strings.ContainsAny(before[i+1:], "/") {
			d.Where = "entry /" + key
			switch key {
			case "CreationDate", "ModDate":
				d.Kind, d.Hint = Time, "a date"
			case "ID", "DocumentID", "InstanceID":
				d.Kind, d.Hint = Identifier, "made of the time, the path, or at random"
			}
		}
	}
	return []Difference{d}, nil
}

// pycs compares two files of Python's bytecode: the header, of 16 bytes since
// Python 3.7 (PEP 552), then the code.
func (w *work) pycs(depth int, a, b part) ([]Difference, error) {
	fa, fb := pycFields(a.head(16)), pycFields(b.head(16))
	var out []Difference
	for i := range fa {
		if fa[i].value != fb[i].value {
			out = append(out, Difference{Where: "header", Kind: fa[i].kind, Text: fa[i].label, First: fa[i].value, Second: fb[i].value, Hint: w.fieldHint(fa[i], fb[i])})
		}
	}
	d, err := w.file("code", depth, a.slice(16, a.size), b.slice(16, b.size))
	if d != nil {
		out = append(out, *d)
	}
	return out, err
}

func pycFields(h []byte) []field {
	flags := binary.LittleEndian.Uint32(h[4:])
	fields := []field{{Header, "version of Python", fmt.Sprint(binary.LittleEndian.Uint16(h))}, {Header, "flags", fmt.Sprint(flags)}}
	if flags&1 != 0 {
		return append(fields, field{Identifier, "hash of the source", fmt.Sprintf("%x", h[8:])}, field{}, field{})
	}
	return append(fields, field{Identifier, "hash of the source", ""},
		field{Time, "modification time of the source", stamp(time.Unix(int64(binary.LittleEndian.Uint32(h[8:])), 0))},
		field{Header, "size of the source", fmt.Sprint(binary.LittleEndian.Uint32(h[12:]))})
}
