package manifest

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// psychWriter writes the part of YAML that a result needs as Ruby's Psych 4 and
// libyaml 0.2.5 do: which style a text gets, where it is folded, how it is
// indented. psych_test.go compares it with Ruby.
type psychWriter struct {
	bytes.Buffer
	column int // of the line being written
}

// psychWidth is the column behind which libyaml breaks a line at a space.
const psychWidth = 80

func (w *psychWriter) put(s string) {
	w.WriteString(s)
	if i := strings.LastIndexByte(s, '\n'); i >= 0 {
		w.column = 0
		s = s[i+1:]
	}
	w.column += len([]rune(s))
}

func (w *psychWriter) newline(indent int) { w.put("\n" + strings.Repeat(" ", indent)) }

// entry writes one pair of an ordered map that is indented by indent.
func (w *psychWriter) entry(indent int, key, text string) {
	w.put(strings.Repeat(" ", indent) + "- ")
	w.scalar(key, indent+4)
	w.put(": ")
	w.scalar(text, indent+4)
	w.put("\n")
}

// strings writes a pair whose value is a list; nil is a null.
func (w *psychWriter) strings(key string, list []string) {
	w.put("- " + key + ":")
	if list != nil && len(list) == 0 {
		w.put(" []")
	}
	w.put("\n")
	for _, s := range list {
		w.put("  - ")
		w.scalar(s, 4)
		w.put("\n")
	}
}

func (w *psychWriter) scalar(s string, indent int) {
	body := strings.TrimSuffix(s, "\n")
	switch {
	case s == "":
		w.put("''")
	case s == "<<": // bare it would merge
		w.put("!!str '<<'")
	case strings.Contains(body, "\n") && literalAllowed(s):
		w.literal(s, indent)
	case strings.Contains(body, "\n"):
		w.double(s, indent)
	case s == "y" || s == "n" || leadingSign(s):
		w.double(s, indent)
	case plainAllowed(s):
		w.plain(s, indent)
	case singleAllowed(s):
		w.single(s, indent)
	default:
		w.double(s, indent)
	}
}

// leadingSign is Psych's reason for double quotes: a first character that is
// neither letter nor digit nor underscore, and no double quote behind it.
func leadingSign(s string) bool {
	r, n := utf8.DecodeRuneInString(s)
	return !unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Pc) && !strings.Contains(s[n:], `"`)
}

// literal writes a block scalar, a line each. Its end has no newline yet.
func (w *psychWriter) literal(s string, indent int) {
	w.put("|")
	if s[0] == ' ' || s[0] == '\n' {
		w.put("2")
	}
	body, ended := strings.CutSuffix(s, "\n")
	switch {
	case !ended:
		w.put("-")
	case strings.HasSuffix(body, "\n"):
		w.put("+")
	}
	for _, line := range strings.Split(body, "\n") {
		if line == "" {
			w.put("\n")
			continue
		}
		w.newline(indent)
		w.put(line)
	}
}

// plain writes s bare, folded at single spaces beyond the width.
func (w *psychWriter) plain(s string, indent int) {
	r := []rune(s)
	spaces := false
	for i, c := range r {
		if c != ' ' {
			w.put(string(c))
			spaces = false
			continue
		}
		if !spaces && w.column > psychWidth && i+1 < len(r) && r[i+1] != ' ' {
			w.newline(indent)
		} else {
			w.put(" ")
		}
		spaces = true
	}
}

// single writes s in single quotes; a newline is written twice.
func (w *psychWriter) single(s string, indent int) {
	w.put("'")
	r := []rune(s)
	spaces, breaks := false, false
	for i, c := range r {
		switch {
		case c == ' ':
			if !spaces && w.column > psychWidth && i > 0 && i < len(r)-1 && r[i+1] != ' ' {
				w.newline(indent)
			} else {
				w.put(" ")
			}
			spaces = true
			continue
		case c == '\n':
			if !breaks {
				w.put("\n")
			}
			w.put("\n")
			breaks = true
			continue
		case breaks:
			w.put(strings.Repeat(" ", indent))
		}
		if c == '\'' {
			w.put("'")
		}
		w.put(string(c))
		spaces, breaks = false, false
	}
	if breaks {
		w.put(strings.Repeat(" ", indent))
	}
	w.put("'")
}

// double writes s in double quotes, with escapes.
func (w *psychWriter) double(s string, indent int) {
	w.put(`"`)
	r := []rune(s)
	spaces := false
	for i, c := range r {
		if c == ' ' {
			if !spaces && w.column > psychWidth && i > 0 && i < len(r)-1 {
				w.newline(indent)
				if r[i+1] == ' ' {
					w.put(`\`)
				}
			} else {
				w.put(" ")
			}
			spaces = true
			continue
		}
		w.put(escapeDouble(c))
		spaces = false
	}
	w.put(`"`)
}

func escapeDouble(c rune) string {
	switch c {
	case '"', '\\':
		return `\` + string(c)
	case '\n':
		return `\n`
	case '\t':
		return `\t`
	case '\r':
		return `\r`
	case '\u0085':
		return `\N`
	case '\u2028':
		return `\L`
	case '\u2029':
		return `\P`
	}
	if !specialRune(c) {
		return string(c)
	}
	switch {
	case c <= 0xff:
		return fmt.Sprintf(`\x%02X`, c)
	case c <= 0xffff:
		return fmt.Sprintf(`\u%04X`, c)
	}
	return fmt.Sprintf(`\U%08X`, c)
}

// specialRune reports whether libyaml would have to escape c.
func specialRune(c rune) bool {
	return c < 0x20 && c != '\n' || c >= 0x7f && c < 0xa0 && c != 0x85 || c == 0xfeff || c == 0xfffe || c == 0xffff || c > 0xffff
}

func special(s string) bool { return strings.ContainsFunc(s, specialRune) }

func literalAllowed(s string) bool {
	return !special(s) && !strings.HasSuffix(s, " ") && !strings.Contains(s, " \n")
}

func singleAllowed(s string) bool {
	return !special(s) && !strings.Contains(s, " \n") && !strings.Contains(s, "\n ")
}

// plainAllowed reports whether a text stands bare: YAML allows it and Ruby reads
// it as text.
func plainAllowed(s string) bool {
	if special(s) || strings.Contains(s, "\n") || strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") || strings.HasSuffix(s, ":") ||
		strings.Contains(s, ": ") || strings.Contains(s, " #") || strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...") {
		return false
	}
	switch first := s[0]; {
	case strings.IndexByte("#,[]{}&*!|>'\"%@`", first) >= 0:
		return false
	case first == ':': // a Symbol
		return false
	case first == '-' || first == '?':
		return len(s) > 1 && s[1] != ' '
	}
	return !rubyOther(s)
}

// rubyOther reports whether Ruby's reader would take the bare text s for
// anything but a text: a boolean, null, number, date or time.
func rubyOther(s string) bool {
	switch strings.ToLower(s) {
	case "yes", "true", "on", "no", "false", "off", "null":
		return true
	}
	if s[0] < '0' || s[0] > '9' {
		return false
	}
	return regexp.MustCompile(rubyNumber).MatchString(s)
}

// rubyNumber matches the numbers, dates and times of Ruby's reader that begin
// with a digit, and what looks octal but is not, which Ruby quotes as well.
const rubyNumber = `^(` +
	`0b[01_]+|0_*[0-7_]+|0|[1-9]([0-9]|,[0-9]|_[0-9])*|0x[0-9a-fA-F_]+|` +
	`[0-9][0-9_,]*\.[0-9]*([eE][+-][0-9]+)?|` +
	`[0-9][0-9_]*(:[0-5]?[0-9]){1,2}(\.[0-9_]*)?|` +
	`[0-9]{4}-(1[012]|0[0-9]|[0-9])-([12][0-9]|3[01]|0[0-9]|[0-9])|` +
	`[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt]|\s+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\.[0-9]*)?(\s*(Z|[-+][0-9]{1,2}:?([0-9]{2})?))?` +
	`)$|^0[0-7]*[89]`
