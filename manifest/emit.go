package manifest

import (
	"bytes"
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// emitter writes structs in the one canonical form of satchel's documents: keys
// in the order of the struct, two spaces a level, a list's dashes at the level
// of what is in it, one line for each value, an empty list as [].
type emitter struct{ bytes.Buffer }

func (e *emitter) structure(v reflect.Value, indent int, first bool) error {
	for _, f := range fields(v.Type()) {
		x := v.FieldByIndex(f.index)
		if f.optional && (x.IsZero() || x.Kind() == reflect.Slice && x.Len() == 0) {
			continue
		}
		if !first {
			e.WriteString(strings.Repeat(" ", indent))
		}
		first = false
		e.WriteString(f.key + ":")
		if err := e.value(x, indent); err != nil {
			return fmt.Errorf("%s: %w", f.key, err)
		}
	}
	return nil
}

// value writes what follows "key:", the end of the line included.
func (e *emitter) value(v reflect.Value, indent int) error {
	switch {
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			return fmt.Errorf("it is missing")
		}
		return e.value(v.Elem(), indent)
	case v.Kind() == reflect.Slice:
		return e.list(v, indent)
	case v.Kind() == reflect.Struct:
		e.WriteByte('\n')
		return e.structure(v, indent+2, false)
	}
	s, err := scalarText(v)
	if err != nil {
		return err
	}
	e.WriteString(" " + s + "\n")
	return nil
}

func (e *emitter) list(v reflect.Value, indent int) error {
	if v.Len() == 0 {
		e.WriteString(" []\n")
		return nil
	}
	e.WriteByte('\n')
	for i := range v.Len() {
		e.WriteString(strings.Repeat(" ", indent+2) + "-")
		x := v.Index(i)
		if x.Kind() == reflect.Struct {
			e.WriteByte(' ')
			if err := e.structure(x, indent+4, true); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
			continue
		}
		if err := e.value(x, indent+4); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return nil
}

func scalarText(v reflect.Value) (string, error) {
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		return quoteYAML(string(b)), err
	}
	switch v.Kind() {
	case reflect.String:
		return quoteYAML(v.String()), nil
	case reflect.Int, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10), nil
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), nil
	}
	return "", fmt.Errorf("a %s cannot be written", v.Type())
}

// quoteYAML returns s bare when every reader of YAML, 1.1 or 1.2, takes it for
// that text, and in double quotes otherwise.
func quoteYAML(s string) string {
	if bare(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, "\\x%02x", r)
		case r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff:
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func bare(s string) bool {
	if !word(s, "/.+:~@%=?&,()- ") || !word(s[:1], "/") || strings.Contains(s, ": ") || strings.HasSuffix(s, ":") || strings.HasSuffix(s, " ") {
		return false
	}
	if slices.Contains([]string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}, strings.ToLower(s)) {
		return false
	}
	return s[0] < '0' || s[0] > '9' || !numberLike(s)
}

// numberLike reports whether a text that begins with a digit could be taken for
// a number or a time.
func numberLike(s string) bool {
	s = strings.ReplaceAll(strings.ToLower(s), "_", "")
	if len(s) > 1 && s[0] == '0' {
		switch s[1] {
		case 'x':
			return strings.Trim(s[2:], "0123456789abcdef_") == ""
		case 'o', 'b':
			return strings.Trim(s[2:], "01234567_") == ""
		}
	}
	letters := strings.Trim(s, "0123456789.:_+- ,/~%=?&@()")
	if strings.Trim(letters, "e") == "" && strings.Count(s, "e") <= 1 {
		return true
	}
	return len(s) >= 8 && strings.Trim(s[:4], "0123456789") == "" && s[4] == '-' // 2024-01-02T03:04:05Z
}
