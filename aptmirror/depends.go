package aptmirror

import (
	"fmt"
	"strings"
)

// Limits of one relation field. The longest field of Debian bookworm has 13 kB
// and 700 members; whoever needs more than this is not an archive.
const (
	maxRelationBytes   = 1 << 20
	maxRelationMembers = 1 << 14
)

// Dependency is one member of a relation field: a package name, perhaps with an
// architecture qualifier and a version bound (Debian Policy 7.1).
type Dependency struct {
	Name    string
	Arch    string // "", "any", "native" or an architecture, without the colon
	Op      string // "", "<<", "<=", "=", ">=", ">>"
	Version string // "" exactly if Op is ""
}

// String gives the member as a control file writes it.
func (d Dependency) String() string {
	s := d.Name
	if d.Arch != "" {
		s += ":" + d.Arch
	}
	if d.Op != "" {
		s += " (" + d.Op + " " + d.Version + ")"
	}
	return s
}

// Accepts tells whether a version is within the bound.
func (d Dependency) Accepts(version string) bool { return operatorOf(d.Op).accepts(version, d.Version) }

// ParseDepends reads a relation field of a binary package: groups in the order
// of the field, each with its alternatives in order. A trailing comma is taken,
// as apt does; everything else that the grammar does not know (source-only
// restrictions included) is an error, and so is a field over 1 MiB or with more
// than 16,384 members. The old operators < and > mean <= and >=.
func ParseDepends(s string) ([][]Dependency, error) {
	if len(s) > maxRelationBytes {
		return nil, fmt.Errorf("reading relation field: %d bytes are over the limit of %d", len(s), maxRelationBytes)
	}
	var groups [][]Dependency
	fresh := true
	for n := 0; ; n++ {
		rest := skipSpace(s)
		if rest == "" {
			if !fresh {
				return nil, fmt.Errorf("reading relation field: nothing follows the last |")
			}
			return groups, nil
		}
		if n >= maxRelationMembers {
			return nil, fmt.Errorf("reading relation field: more than %d members", maxRelationMembers)
		}
		d, or, rest, err := nextDependency(rest)
		if err != nil {
			return nil, err
		}
		if fresh {
			groups = append(groups, nil)
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], d)
		fresh, s = !or, rest
	}
}

// nextDependency reads the member that s begins with. or tells that an
// alternative follows; rest is what is left behind the separator. Nothing is
// allocated: the strings point into s.
func nextDependency(s string) (d Dependency, or bool, rest string, err error) {
	n := 0
	for n < len(s) && isNameByte(s[n]) {
		n++
	}
	d.Name, rest = s[:n], s[n:]
	if n == 0 {
		return d, false, "", relationError("no package name at", s)
	}
	if strings.HasPrefix(rest, ":") {
		n = 1
		for n < len(rest) && isNameByte(rest[n]) {
			n++
		}
		d.Arch, rest = rest[1:n], rest[n:]
		if d.Arch == "" {
			return d, false, "", relationError("no architecture behind the colon of", s)
		}
	}
	rest = skipSpace(rest)
	if strings.HasPrefix(rest, "(") {
		end := strings.IndexByte(rest, ')')
		if end < 0 {
			return d, false, "", relationError("no ) behind", s)
		}
		if d.Op, d.Version = splitBound(rest[1:end]); d.Version == "" || !isVersionText(d.Version) {
			return d, false, "", relationError("bad version bound in", s)
		}
		rest = skipSpace(rest[end+1:])
	}
	switch {
	case rest == "":
		return d, false, "", nil
	case rest[0] == ',':
		return d, false, rest[1:], nil
	case rest[0] == '|':
		return d, true, rest[1:], nil
	}
	return d, false, "", relationError("neither comma nor | behind", s)
}

// splitBound splits the inside of the parentheses. A bound without an operator
// means equality, as for apt.
func splitBound(s string) (op, version string) {
	s = trimSpace(s)
	n := 0
	for n < len(s) && n < 2 && (s[n] == '<' || s[n] == '>' || s[n] == '=') {
		n++
	}
	op, version = s[:n], skipSpace(s[n:])
	switch op {
	case "", "=":
		return "=", version
	case "<", "<=":
		return "<=", version
	case ">", ">=":
		return ">=", version
	case "<<", ">>":
		return op, version
	}
	return "", ""
}

func relationError(what, at string) error {
	if len(at) > 60 {
		at = at[:60]
	}
	return fmt.Errorf("reading relation field: %s %q", what, at)
}

// The bytes of names and versions, as two sets of 64 bits: digits, + - . and
// upper and lower case letters, _ and ~.
const (
	nameBytesLow  = 0x03ff_6800_0000_0000
	nameBytesHigh = 0x47ff_fffe_87ff_fffe
)

func isNameByte(c byte) bool {
	if c < 64 {
		return uint64(nameBytesLow)>>c&1 != 0
	}
	return c < 128 && uint64(nameBytesHigh)>>(c-64)&1 != 0
}

func isVersionText(s string) bool {
	for i := range len(s) {
		if !isNameByte(s[i]) && s[i] != ':' {
			return false
		}
	}
	return true
}

func isSpaceByte(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func skipSpace(s string) string {
	for s != "" && isSpaceByte(s[0]) {
		s = s[1:]
	}
	return s
}

func trimSpace(s string) string {
	s = skipSpace(s)
	for s != "" && isSpaceByte(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}
