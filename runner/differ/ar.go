package differ

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The ar format: a magic line, then members of a 60-byte header of blank-padded
// text and the content, padded to even length. Long names are GNU's ("/12", a place in
// the member "//") or BSD's ("#1/12", so many bytes before the content).
const (
	arMagic  = "!<arch>\n"
	arHeader = 60
)

// ars compares two ar archives: static libraries and Debian packages.
func (w *work) ars(depth int, a, b part) ([]Difference, error) {
	ma, ea := w.arMembers(a)
	mb, eb := w.arMembers(b)
	how := manner{one: "member", order: sortedHint, last: func(name string) bool { return strings.HasPrefix(name, "symbol table") }}
	out, err := w.members(how, depth, ma, mb)
	return out, errors.Join(both(ea, eb), err)
}

// sortedHint is what helps against the order of a folder.
const sortedHint = "as a folder happened to list them, or work in parallel happened to end: sort the names"

func (w *work) arMembers(p part) ([]member, error) {
	var out []member
	var long []byte
	for at := int64(len(arMagic)); at < p.size; {
		h := p.slice(at, arHeader).head(arHeader)
		if len(h) < arHeader || h[58] != '`' || h[59] != '\n' {
			return out, fmt.Errorf("the header at %d is none", at)
		}
		text := func(from, to int) string { return strings.TrimRight(string(h[from:to]), " ") }
		size, err := strconv.ParseInt(text(48, 58), 10, 64)
		if err != nil || size < 0 || size > p.size-at-arHeader {
			return out, fmt.Errorf("the member at %d has a size of %q", at, text(48, 58))
		}
		name, content := text(0, 16), p.slice(at+arHeader, size)
		at += arHeader + size + size&1
		switch {
		case name == "//":
			long = content.head(1 << 20)
			continue // its names are the members'
		case name == "/" || name == "/SYM64/" || name == "__.SYMDEF" || name == "__.SYMDEF SORTED":
			name = "symbol table " + name
		case strings.HasPrefix(name, "#1/"):
			n, err := strconv.ParseInt(name[3:], 10, 32)
			if err != nil || n < 0 || n > content.size {
				return out, fmt.Errorf("a name of %q", name)
			}
			name, content = strings.TrimRight(string(content.head(n)), "\x00"), content.slice(n, content.size)
		case len(name) > 1 && name[0] == '/':
			name = longName(long, name[1:])
		default:
			name = strings.TrimSuffix(name, "/")
		}
		if len(out) >= w.Members {
			return out, errLimit
		}
		out = append(out, member{name: name, open: func() (part, error) { return content, nil }, fields: []field{
			{Time, "modification time", seconds(text(16, 28))}, {Owner, "user", text(28, 34)}, {Owner, "group", text(34, 40)}, {Mode, "mode", text(40, 48)},
		}})
	}
	return out, nil
}

// longName is the name at a place of GNU's list of names.
func longName(list []byte, place string) string {
	at, err := strconv.ParseUint(place, 10, 31)
	if err != nil || at >= uint64(len(list)) {
		return "/" + place
	}
	name, _, _ := strings.Cut(string(list[at:]), "\n")
	return strings.TrimSuffix(name, "/")
}
