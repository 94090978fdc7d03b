package differ

import (
	"debug/macho"
	"errors"
	"fmt"
)

// machos compares two programs or libraries for macOS.
func (w *work) machos(depth int, a, b part) ([]Difference, error) {
	fa, ea := macho.NewFile(a)
	fb, eb := macho.NewFile(b)
	if err := both(ea, eb); err != nil {
		return nil, err
	}
	inside, err := w.members(manner{one: "section", order: "the order of what was linked"}, depth, machoSections(a, fa), machoSections(b, fb))
	loads, lerr := w.members(manner{one: "load command"}, depth, machoLoads(fa), machoLoads(fb))
	for i := range loads {
		if loads[i].Where == "load command 0x1b" {
			loads[i] = Difference{Where: "load command LC_UUID", Kind: Identifier, Text: "UUID, made of all the rest or at random", Hint: "ld -no_uuid leaves it out"}
		}
	}
	return append(inside, loads...), errors.Join(err, lerr)
}

func machoSections(p part, f *macho.File) []member {
	var out []member
	for _, s := range f.Sections {
		m := member{name: s.Seg + "," + s.Name, fields: []field{{Header, "place and flags", fmt.Sprintf("%#x, %d bytes, %#x", s.Addr, s.Size, s.Flags)}}}
		if s.Offset > 0 && s.Flags&0xff != 1 { // S_ZEROFILL has nothing in the file
			content := p.slice(int64(s.Offset), int64(min(s.Size, uint64(p.size))))
			m.open = func() (part, error) { return content, nil }
		}
		out = append(out, m)
	}
	return out
}

func machoLoads(f *macho.File) []member {
	var out []member
	for _, l := range f.Loads {
		raw := l.Raw()
		if len(raw) < 4 {
			continue
		}
		content := part{bytesAt(raw), int64(len(raw))}
		out = append(out, member{name: fmt.Sprintf("%#x", f.ByteOrder.Uint32(raw)), open: func() (part, error) { return content, nil }})
	}
	return out
}

// fats compares programs for several machines in one file.
func (w *work) fats(depth int, a, b part) ([]Difference, error) {
	ma, ea := fatMembers(a)
	mb, eb := fatMembers(b)
	if err := both(ea, eb); err != nil {
		return nil, err
	}
	return w.members(manner{one: "program for"}, depth, ma, mb)
}

func fatMembers(p part) ([]member, error) {
	f, err := macho.NewFatFile(p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []member
	for _, arch := range f.Arches {
		content := p.slice(int64(arch.Offset), int64(arch.Size))
		out = append(out, member{name: fmt.Sprint(arch.Cpu), open: func() (part, error) { return content, nil }})
	}
	return out, nil
}
