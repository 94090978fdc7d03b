package source

import (
	"regexp"
	"strings"
	"unicode"
)

// tail keeps the last bytes that are written to it.
type tail struct{ b []byte }

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > tailSize {
		t.b = append(t.b[:0], t.b[len(t.b)-tailSize:]...)
	}
	return len(p), nil
}

// text is what was written, on one line, fit for a terminal: a remote may
// send anything. Passwords in URLs are left out.
func (t *tail) text() string {
	s := strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(string(t.b), "?"))
	return redact(strings.Join(strings.Fields(s), " "))
}

func (t *tail) suffix() string {
	if s := t.text(); s != "" {
		return ": " + s
	}
	return ""
}

// redact takes user names and passwords out of the URLs in s.
func redact(s string) string {
	return regexp.MustCompile(`://[^/@\s]*@`).ReplaceAllString(s, "://")
}
