package differ

import (
	"debug/elf"
	"errors"
	"fmt"
	"strings"
)

// elfs compares two ELF files by their sections.
func (w *work) elfs(depth int, a, b part) ([]Difference, error) {
	fa, ea := elf.NewFile(a)
	fb, eb := elf.NewFile(b)
	if err := both(ea, eb); err != nil {
		return nil, err
	}
	var out []Difference
	head := func(label, x, y string) {
		if x != y {
			out = append(out, Difference{Where: "header", Kind: Header, Text: label, First: x, Second: y})
		}
	}
	head("class and machine", fmt.Sprint(fa.Class, " ", fa.Machine), fmt.Sprint(fb.Class, " ", fb.Machine))
	head("type and ABI", fmt.Sprint(fa.Type, " ", fa.OSABI), fmt.Sprint(fb.Type, " ", fb.OSABI))
	how := manner{one: "section", order: "the order of what was linked", last: elfFollows}
	inside, err := w.members(how, depth, w.elfSections(a, fa), w.elfSections(b, fb))
	for i := range inside {
		if strings.HasPrefix(inside[i].Where, "section .note.gnu.build-id") {
			inside[i].Text += "; a hash of all the rest"
		}
	}
	out = append(out, inside...)
	if len(out) == 0 {
		head("entry point", fmt.Sprintf("%#x", fa.Entry), fmt.Sprintf("%#x", fb.Entry))
	}
	return out, err
}

// elfFollows tells which sections differ because others do: hashes of the whole,
// and tables of where things lie.
func elfFollows(name string) bool {
	for _, prefix := range []string{".note.gnu.build-id", ".gnu_debuglink", ".symtab", ".strtab", ".shstrtab", ".rel", ".eh_frame", ".debug_aranges", ".gnu_debugdata", ".dynamic", ".got", ".hash", ".gnu.hash"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func (w *work) elfSections(p part, f *elf.File) []member {
	var out []member
	for _, s := range f.Sections {
		if s.Type == elf.SHT_NULL {
			continue
		}
		m := member{name: s.Name, fields: []field{{Header, "type and flags", fmt.Sprint(s.Type, " ", s.Flags)}}}
		switch {
		case s.Type == elf.SHT_NOBITS:
			m.fields = append(m.fields, field{Header, "size", fmt.Sprint(s.Size)})
		case s.Flags&elf.SHF_COMPRESSED != 0:
			m.open = func() (part, error) {
				raw, err := w.spool(s.Open())
				if err != nil && !errors.Is(err, errLimit) { // not as it says it is packed
					return p.slice(int64(min(s.Offset, uint64(p.size))), int64(min(s.FileSize, uint64(p.size)))), nil
				}
				return raw, err
			}
		default:
			m.open = func() (part, error) {
				return p.slice(int64(min(s.Offset, uint64(p.size))), int64(min(s.FileSize, uint64(p.size)))), nil
			}
		}
		out = append(out, m)
	}
	return out
}
