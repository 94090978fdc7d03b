package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/term"

	"satchel/runner/guest"
)

// terminal is the one that satchel itself was started on. Raw, it passes
// every key on, so that Ctrl-C, Ctrl-Z and the like are the inner one's. It
// becomes again what it was when Close is called, or the context ends, whatever
// comes first.
type terminal struct {
	fd     int
	sizes  chan guest.Size // when it changes
	events chan os.Signal
	done   chan struct{}

	mu     sync.Mutex
	before *term.State // nil while it is not raw
	closed bool
}

func openTerminal(ctx context.Context, fd int) (*terminal, error) {
	if _, _, err := term.GetSize(fd); err != nil {
		return nil, fmt.Errorf("asking for the size of the terminal: %w", err)
	}
	t := &terminal{fd: fd, sizes: make(chan guest.Size), events: make(chan os.Signal, 1), done: make(chan struct{})}
	// Notified of SIGPIPE, satchel sees an error where it would die and leave the terminal raw.
	signal.Notify(t.events, syscall.SIGWINCH, syscall.SIGCONT, syscall.SIGPIPE)
	go t.watch()
	context.AfterFunc(ctx, t.Close)
	return t, nil
}

// size is how large it is now.
func (t *terminal) size() guest.Size {
	columns, rows, err := term.GetSize(t.fd)
	if err != nil {
		return guest.Size{}
	}
	return guest.Size{Rows: uint16(rows), Columns: uint16(columns)}
}

// raw makes it raw.
func (t *terminal) raw() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.before != nil {
		return nil
	}
	before, err := term.MakeRaw(t.fd)
	if err != nil {
		return fmt.Errorf("making the terminal raw: %w", err)
	}
	t.before = before
	return nil
}

// watch tells new sizes. After a stop (by somebody's SIGSTOP) whatever shell
// there was meanwhile has made the terminal its own, so it is made raw again.
func (t *terminal) watch() {
	for {
		var s os.Signal
		select {
		case <-t.done:
			return
		case s = <-t.events:
		}
		if s == syscall.SIGPIPE {
			continue
		}
		if s == syscall.SIGCONT {
			t.again()
		}
		select {
		case <-t.done:
			return
		case t.sizes <- t.size():
		}
	}
}

// again makes it raw if it is to be.
func (t *terminal) again() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.before != nil {
		term.MakeRaw(t.fd) // an error: it is gone
	}
}

// Close makes the terminal what it was. It may be called twice.
func (t *terminal) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.before != nil {
		term.Restore(t.fd, t.before)
		t.before = nil
	}
	if !t.closed {
		t.closed = true
		signal.Stop(t.events)
		close(t.done)
	}
}
