package watch

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Feed is a script on its way to a shell's standard input, a pipe.
type Feed struct {
	text    string
	r, w    *os.File
	mu      sync.Mutex
	written int
	done    chan struct{}
}

// NewFeed begins to feed text. Close it when the shell has ended.
func NewFeed(text string) (*Feed, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("feeding the script: %w", err)
	}
	f := &Feed{text: text, r: r, w: w, done: make(chan struct{})}
	conn, err := w.SyscallConn()
	if err != nil {
		r.Close()
		w.Close()
		return nil, fmt.Errorf("feeding the script: %w", err)
	}
	go func() {
		defer close(f.done)
		defer w.Close()
		for more := true; more; {
			if conn.Write(func(fd uintptr) bool { more = f.write(int(fd)); return more }) != nil {
				return
			}
			more = f.left()
		}
	}()
	return f, nil
}

// Stdin is the end to read from; it stays the Feed's.
func (f *Feed) Stdin() *os.File { return f.r }

// write puts in what the pipe takes, and counts it in the same breath, so that
// Line never sees one without the other. It answers false for "not now".
func (f *Feed) write(fd int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := unix.Write(fd, []byte(f.text[f.written:min(len(f.text), f.written+64<<10)]))
	switch {
	case err == unix.EAGAIN:
		return false
	case err == nil:
		f.written += n
	case err != unix.EINTR:
		f.text = f.text[:f.written] // nobody reads it
	}
	return true
}

func (f *Feed) left() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.written < len(f.text)
}

// Line is how many lines have been read by now, the one that was begun included.
// It is 0 of a nil Feed: what a person types has no lines.
func (f *Feed) Line() int {
	if f == nil {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	unread, err := unix.IoctlGetInt(int(f.r.Fd()), unix.TIOCINQ)
	if err != nil {
		return 0
	}
	read := f.text[:max(0, f.written-unread)]
	n := strings.Count(read, "\n")
	if read != "" && !strings.HasSuffix(read, "\n") {
		n++
	}
	return n
}

// Close ends the feeding. Line answers no more.
func (f *Feed) Close() {
	f.w.Close()
	<-f.done
	f.r.Close()
}
