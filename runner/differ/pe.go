package differ

import (
	"debug/pe"
	"fmt"
	"time"
)

// pes compares two Windows programs. A file that only begins like one (of DOS) is
// compared byte by byte.
func (w *work) pes(depth int, a, b part) ([]Difference, error) {
	fa, ea := pe.NewFile(a)
	fb, eb := pe.NewFile(b)
	if err := both(ea, eb); err != nil {
		return nil, err
	}
	ha, hb := peFields(fa), peFields(fb)
	var first, last []Difference
	for i, f := range ha {
		if f.value == hb[i].value {
			continue
		}
		d := Difference{Where: "header", Kind: f.kind, Text: f.label, First: f.value, Second: hb[i].value, Hint: w.fieldHint(f, hb[i])}
		if f.kind == Identifier {
			last = append(last, d)
		} else {
			first = append(first, d)
		}
	}
	inside, err := w.members(manner{one: "section", order: "the order of what was linked"}, depth, peSections(a, fa), peSections(b, fb))
	return append(append(first, inside...), last...), err
}

func peFields(f *pe.File) []field {
	checksum := uint32(0)
	switch h := f.OptionalHeader.(type) {
	case *pe.OptionalHeader32:
		checksum = h.CheckSum
	case *pe.OptionalHeader64:
		checksum = h.CheckSum
	}
	return []field{
		{Header, "machine", fmt.Sprintf("%#x", f.Machine)},
		{Time, "time of linking (ld --no-insert-timestamp leaves it out)", stamp(time.Unix(int64(f.TimeDateStamp), 0))},
		{Header, "number of symbols", fmt.Sprint(f.NumberOfSymbols)},
		{Header, "characteristics", fmt.Sprintf("%#x", f.Characteristics)},
		{Identifier, "checksum, of all the rest", fmt.Sprintf("%#x", checksum)},
	}
}

func peSections(p part, f *pe.File) []member {
	var out []member
	for _, s := range f.Sections {
		content := p.slice(int64(s.Offset), int64(s.Size))
		out = append(out, member{name: s.Name, open: func() (part, error) { return content, nil },
			fields: []field{{Header, "place and flags", fmt.Sprintf("%#x, %d bytes, %#x", s.VirtualAddress, s.VirtualSize, s.Characteristics)}}})
	}
	return out
}
