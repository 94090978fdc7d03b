package docker

import (
	"strings"
	"sync"
)

// maxWords is how much of the init's standard error is kept, in bytes.
const maxWords = 64 << 10

// A tail keeps the last maxWords bytes written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - maxWords; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

// quote returns the words as the end of a sentence; "" if there are none.
func (t *tail) quote() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	words := strings.TrimSpace(printable(string(t.buf)))
	if words == "" {
		return ""
	}
	return "; its last words:\n" + words
}

// printable replaces what a terminal could take for a command.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0) {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
