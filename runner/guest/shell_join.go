//go:build linux

package guest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// joint is what is between a shell and the frames: a terminal, or three pipes.
type joint struct {
	terminal *os.File    // its outer end; nil: pipes
	inner    [3]*os.File // the shell's streams
	in       *os.File    // where its input goes
	out      []outlet    // where its output comes from
	input    queue

	mu    sync.Mutex
	group int // the shell's process group while it runs; 0 before and after
}

// outlet is one stream of output.
type outlet struct {
	from *os.File
	kind Kind
}

// join makes the terminal or the pipes of a shell that is to be started.
func (s *Shell) join() (*joint, error) {
	j := &joint{}
	j.input.more = sync.NewCond(&j.input.mu)
	var err error
	if s.Terminal != nil {
		err = j.openTerminal(s.Terminal.Size, s.Root)
	} else {
		err = j.openPipes()
	}
	if err != nil {
		j.close()
		return nil, err
	}
	return j, nil
}

func (j *joint) openTerminal(size Size, root bool) error {
	outer, inner, err := pty.Open()
	if err != nil {
		return fmt.Errorf("making a terminal: %w", err)
	}
	j.terminal, j.in = outer, outer
	j.inner = [3]*os.File{inner, inner, inner}
	j.out = []outlet{{outer, KindOutput}}
	if !root {
		if err := inner.Chown(buildUID, -1); err != nil {
			return fmt.Errorf("making a terminal: %w", err)
		}
	}
	return j.resize(size)
}

func (j *joint) openPipes() error {
	for i := range j.inner {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		switch i {
		case 0:
			j.inner[0], j.in = r, w
		default:
			j.inner[i] = w
			j.out = append(j.out, outlet{r, [...]Kind{1: KindOutput, 2: KindErrors}[i]})
		}
	}
	return nil
}

func (j *joint) resize(s Size) error {
	if err := pty.Setsize(j.terminal, &pty.Winsize{Rows: s.Rows, Cols: s.Columns}); err != nil {
		return fmt.Errorf("setting the size of the terminal: %w", err)
	}
	return nil
}

// close closes every end. It may be called twice.
func (j *joint) close() {
	for _, f := range append(j.inner[:], j.in, j.terminal) {
		f.Close() // of none, or for the second time: an error that means nothing
	}
	for _, o := range j.out {
		o.from.Close()
	}
}

// run starts u on the inner ends and returns its exit status when its last output is sent.
func (j *joint) run(ctx context.Context, u userCommand, b *Build, rest io.Reader, frames *Frames) (int, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	cmd := u.command(ctx, b)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = j.inner[0], j.inner[1], j.inner[2]
	cmd.SysProcAttr.Setctty = j.terminal != nil // descriptor 0
	if err := frames.Send(KindReady, []byte{0}); err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("starting %s: %w", u.argv[0], err)
	}
	for _, f := range j.inner {
		f.Close()
	}
	j.running(cmd.Process.Pid)
	go func() {
		if err := ReadControls(rest, j.control); err != nil {
			stop(err)
		}
	}()
	go j.feed(frames)
	var sent sync.WaitGroup
	failed := make([]error, len(j.out))
	for i, o := range j.out {
		sent.Go(func() {
			if failed[i] = o.send(frames); failed[i] != nil {
				stop(failed[i])
			}
		})
	}
	code, err := u.wait(cmd)
	j.running(0)
	j.input.close()
	sent.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return 0, fmt.Errorf("the shell's connection: %w", cause)
	}
	return code, errors.Join(append(failed, err)...)
}

// send hands on what comes out, to its end.
func (o outlet) send(frames *Frames) error {
	buf := make([]byte, MaxFrame)
	_, err := io.CopyBuffer(struct{ io.Writer }{frames.Writer(o.kind)}, struct{ io.Reader }{o.from}, buf)
	if errors.Is(err, syscall.EIO) { // how a terminal ends
		return nil
	}
	return err
}

// feed writes the input to the shell and tells how far it has come. Once the
// shell takes no more nothing is told, and the host sends no more.
func (j *joint) feed(frames *Frames) {
	for {
		p, ok := j.input.take()
		if !ok {
			break
		}
		if _, err := j.in.Write(p); err != nil {
			return
		}
		j.input.written() // before the host hears of it
		if frames.Send(KindTaken, binary.BigEndian.AppendUint32(nil, uint32(len(p)))) != nil {
			return
		}
	}
	if j.terminal != nil {
		j.signal(syscall.SIGHUP) // there is nobody at it any more
		return
	}
	j.in.Close()
}

// control does what one control frame says. It never waits.
func (j *joint) control(kind Control, p []byte) error {
	switch kind {
	case ControlInput:
		return j.input.put(p)
	case ControlEnd:
		j.input.close()
	case ControlSize:
		if j.terminal != nil {
			return j.resize(sizeOf(p))
		}
	case ControlSignal:
		j.signal(syscall.Signal(p[0]))
	}
	return nil
}

// running notes the shell's process group.
func (j *joint) running(group int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.group = group
}

// signal sends the shell's process group a signal, if it is one of those that
// ask for something.
func (j *joint) signal(s syscall.Signal) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch s {
	case syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM:
		if j.group > 0 {
			_ = unix.Kill(-j.group, s) // it may just have ended
		}
	}
}

// queue holds input that the shell has not taken yet, InputWindow at the most.
type queue struct {
	mu     sync.Mutex
	more   *sync.Cond
	bytes  []byte
	taken  int // of bytes, not yet written
	closed bool
}

func (q *queue) put(p []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.bytes)+q.taken+len(p) > InputWindow {
		return errInput
	}
	q.bytes = append(q.bytes, p...)
	q.more.Signal()
	return nil
}

// take returns some of what there is, when there is something; false after the end.
func (q *queue) take() ([]byte, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.bytes) == 0 && !q.closed {
		q.more.Wait()
	}
	p := q.bytes[:min(len(q.bytes), MaxFrame)]
	q.bytes, q.taken = q.bytes[len(p):], len(p)
	return p, len(p) > 0
}

// written makes room for what was taken last.
func (q *queue) written() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken = 0
}

// close ends the input after what there is.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.more.Signal()
}
