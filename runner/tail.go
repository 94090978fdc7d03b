package runner

import (
	"bytes"
	"strings"
	"sync"
)

// A Tail is a writer that keeps the last Max bytes written to it. Any number of
// goroutines may write.
type Tail struct {
	Max int // bytes

	mu  sync.Mutex
	buf []byte
}

// Write never fails.
func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b[max(0, len(b)-t.Max):]...)
	if over := len(t.buf) - t.Max; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

// last returns at most the last n bytes of what is kept, as they are.
func (t *Tail) last(n int64) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.buf[max(0, int64(len(t.buf))-n):])
}

// String returns what is kept, with everything replaced that a terminal could
// take for a command.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Printable(string(t.buf))
}

// Quote returns what is kept as the end of a sentence; "" if there is nothing.
func (t *Tail) Quote() string {
	words := strings.TrimSpace(t.String())
	if words == "" {
		return ""
	}
	return "; its last words:\n" + words
}

// Printable replaces what a terminal could take for a command.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0) {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
