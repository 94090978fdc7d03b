package deb

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Field is one field of a control stanza. Value is everything after the colon
// with the white space around the whole of it removed, as dpkg does; lines
// within it are kept as they are.
type Field struct{ Name, Value string }

// Control is a package's control stanza, its fields in the file's order.
type Control struct {
	Fields []Field
	Text   []byte // the file itself
}

// Get returns a field's value, "" when it is absent. Case does not matter in
// names.
func (c *Control) Get(name string) string {
	for _, f := range c.Fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// maxFields bounds a stanza; real ones have some thirty.
const maxFields = 256

// ParseControl reads the one stanza of a package's control file
// (deb-control(5)) and checks what names files or is written to a database
// later: Package, Version and Architecture must be there and well formed, and
// no field may come twice.
func ParseControl(b []byte) (*Control, error) {
	c := &Control{Text: b}
	if bytes.IndexByte(b, 0) >= 0 {
		return nil, errors.New("reading control: it has a zero byte")
	}
	seen := make(map[string]bool)
	ended := false
	for n, line := range strings.Split(string(b), "\n") {
		blank := strings.TrimSpace(line) == ""
		switch {
		case blank && len(c.Fields) == 0:
		case blank:
			ended = true
		case ended:
			return nil, fmt.Errorf("reading control: line %d: a second stanza", n+1)
		case line[0] == '#':
			return nil, fmt.Errorf("reading control: line %d: a comment", n+1)
		case line[0] == ' ' || line[0] == '\t':
			if len(c.Fields) == 0 {
				return nil, fmt.Errorf("reading control: line %d continues nothing", n+1)
			}
			last := &c.Fields[len(c.Fields)-1]
			last.Value += "\n" + line
		default:
			name, value, ok := strings.Cut(line, ":")
			if !ok || !isFieldName(name) {
				return nil, fmt.Errorf("reading control: line %d: want \"Name: value\"", n+1)
			}
			if key := strings.ToLower(name); seen[key] {
				return nil, fmt.Errorf("reading control: line %d: a second field %s", n+1, name)
			} else {
				seen[key] = true
			}
			if len(seen) > maxFields {
				return nil, fmt.Errorf("reading control: more than %d fields", maxFields)
			}
			c.Fields = append(c.Fields, Field{name, strings.TrimLeft(value, " \t")})
		}
	}
	for i := range c.Fields {
		c.Fields[i].Value = strings.TrimRight(c.Fields[i].Value, " \t\r\n")
	}
	return c, c.check()
}

func (c *Control) check() error {
	if name := c.Get("Package"); !IsPackageName(name) {
		return fmt.Errorf("reading control: Package %q is not a package name", clip(name))
	}
	if v := c.Get("Version"); !isVersion(v) {
		return fmt.Errorf("reading control: Version %q is not a version", clip(v))
	}
	if a := c.Get("Architecture"); !isArchitecture(a) {
		return fmt.Errorf("reading control: Architecture %q is not an architecture", clip(a))
	}
	return nil
}

// isFieldName follows deb822(5): printing US-ASCII without blank and colon, no
// leading hash or minus.
func isFieldName(s string) bool {
	if s == "" || s[0] == '-' || s[0] == '#' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// IsPackageName tells whether s is a package name by Debian policy 5.6.1,
// one-letter names allowed as dpkg does.
func IsPackageName(s string) bool {
	if s == "" || len(s) > 128 || !isLower(s[0]) && !isDigit(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; !isLower(c) && !isDigit(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// isVersion checks the characters and that the version begins with a digit.
func isVersion(s string) bool {
	if s == "" || len(s) > 256 || !isDigit(s[0]) {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !isLower(c|0x20) && !isDigit(c) && !strings.ContainsRune(".+-:~", rune(c)) {
			return false
		}
	}
	return true
}

func isArchitecture(s string) bool {
	if s == "" || len(s) > 64 || !isLower(s[0]) && !isDigit(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if !isLower(s[i]) && !isDigit(s[i]) && s[i] != '-' {
			return false
		}
	}
	return true
}

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// clip keeps hostile text out of error messages.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
