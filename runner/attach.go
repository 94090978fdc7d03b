package runner

import (
	"archive/tar"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"syscall"

	"satchel/runner/guest"
)

// Streams are what a shell is joined to. Output and Errors get what it prints,
// byte for byte: whoever shows that on a terminal shows what any program may print.
type Streams struct {
	Input   io.Reader // nil is at its end
	Output  io.Writer
	Errors  io.Writer             // nothing comes here if the shell has a terminal
	Sizes   <-chan guest.Size     // new sizes of the terminal; nil if there is none
	Signals <-chan syscall.Signal // for the shell's process group; may be nil
	// Begin is called when the shell begins: before it nothing of Input is
	// read, and nothing comes out. It may be nil.
	Begin func() error
}

// Attach sends plan, of a shell, and its inputs to the guest of p, and joins
// the shell to s until it ends. One Read of s.Input may still be under way when
// it returns: a read of a terminal cannot be stopped.
func Attach(ctx context.Context, p Process, plan guest.Shell, send func(*tar.Writer) error, s Streams, step func(string)) (guest.Outcome, error) {
	j := &joined{Streams: s, to: guest.NewControls(p.Stdin()), done: make(chan struct{})}
	j.room = sync.NewCond(&j.mu)
	return converse(ctx, p, guest.Plan{Shell: &plan}, send, handlers{step: step, join: j})
}

// joined is the host's end of a shell.
type joined struct {
	Streams
	to   *guest.Controls
	done chan struct{} // closed at the end

	mu    sync.Mutex
	room  *sync.Cond
	begun bool
	ended bool
	away  int // bytes of input sent and not yet taken
}

// take does what one frame of a shell says.
func (j *joined) take(k guest.Kind, b []byte) error {
	if k == guest.KindReady {
		return j.begin()
	}
	if !j.begun {
		return fmt.Errorf("%w: a shell's output before it begins", guest.ErrFrames)
	}
	switch k {
	case guest.KindOutput:
		return writeAll(j.Output, b)
	case guest.KindErrors:
		return writeAll(j.Errors, b)
	}
	return j.taken(b)
}

func writeAll(w io.Writer, b []byte) error {
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("passing the shell's output on: %w", err)
	}
	return nil
}

// begin starts to pass on what comes from outside.
func (j *joined) begin() error {
	if j.begun {
		return fmt.Errorf("%w: a shell begins twice", guest.ErrFrames)
	}
	j.begun = true
	if j.Begin != nil {
		if err := j.Begin(); err != nil {
			return err
		}
	}
	go j.passInput()
	go j.passEvents()
	return nil
}

// taken makes room for more input.
func (j *joined) taken(b []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(b) != 4 || uint64(binary.BigEndian.Uint32(b)) > uint64(j.away) {
		return fmt.Errorf("%w: a shell takes more input than there is", guest.ErrFrames)
	}
	j.away -= int(binary.BigEndian.Uint32(b))
	j.room.Signal()
	return nil
}

// end stops passing on. It may be called of nil.
func (j *joined) end() {
	if j == nil {
		return
	}
	j.mu.Lock()
	j.ended = true
	j.room.Broadcast()
	j.mu.Unlock()
	close(j.done)
}

// passInput sends what is read, as far as there is room for it. An error of
// reading is an end, as that of a terminal that is gone.
func (j *joined) passInput() {
	buf := make([]byte, guest.MaxFrame)
	for j.Input != nil {
		n := j.waitForRoom()
		if n == 0 {
			return
		}
		n, err := j.Input.Read(buf[:min(n, len(buf))])
		if n > 0 {
			j.mu.Lock()
			j.away += n
			j.mu.Unlock()
			if j.to.Send(guest.ControlInput, buf[:n]) != nil {
				return // the guest is gone; whoever reads its frames will say so
			}
		}
		if err != nil {
			break
		}
	}
	j.to.Send(guest.ControlEnd, []byte{0})
}

// waitForRoom returns how much may be sent; 0 at the shell's end.
func (j *joined) waitForRoom() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.away >= guest.InputWindow && !j.ended {
		j.room.Wait()
	}
	if j.ended {
		return 0
	}
	return guest.InputWindow - j.away
}

// passEvents sends sizes and signals.
func (j *joined) passEvents() {
	for {
		var err error
		select {
		case <-j.done:
			return
		case s := <-j.Sizes:
			err = j.to.Resize(s)
		case s := <-j.Signals:
			err = j.to.Send(guest.ControlSignal, []byte{byte(s)})
		}
		if err != nil {
			return
		}
	}
}
