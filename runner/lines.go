package runner

import (
	"bytes"
	"sync"
)

// maxLine bounds what is remembered of a line without end, in bytes.
const maxLine = 8 << 10

// lines is a writer that says what is written to it line by line.
type lines struct {
	say  func(line string)
	mu   sync.Mutex
	rest []byte
}

// Write never fails.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(b)
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			end = len(b)
		}
		take := min(end, maxLine-len(l.rest))
		l.rest = append(l.rest, b[:take]...)
		b = b[take:]
		if len(l.rest) == maxLine || len(b) > 0 && b[0] == '\n' {
			l.say(string(l.rest))
			l.rest = l.rest[:0]
			if len(b) > 0 && b[0] == '\n' {
				b = b[1:]
			}
		}
	}
	return n, nil
}

// flush says a line that has no end yet.
func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.say(string(l.rest))
		l.rest = nil
	}
}
