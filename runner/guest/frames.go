package guest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// frameHeader is the size of what precedes a payload: one byte of Kind, four
// of length.
const frameHeader = 5

// ErrNoOutcome is returned by ReadFrames when the stream ends before the
// init's last word: the init was killed, or its engine was.
var ErrNoOutcome = errors.New("the container ended without saying how it went")

// ErrFrames is returned by ReadFrames when the stream is not one that an
// init writes, or is larger than the caller allows.
var ErrFrames = errors.New("the container's answer is malformed")

// Frames writes the init's answers. Any number of goroutines may use it at
// the same time; each call's bytes stay together up to MaxFrame. After the
// first error of the underlying writer every call answers that error.
type Frames struct {
	mu   sync.Mutex
	w    io.Writer
	err  error
	done bool
	buf  []byte
}

// NewFrames returns a writer of frames to w.
func NewFrames(w io.Writer) *Frames { return &Frames{w: w} }

// Send writes p as one frame, or as several when it is longer than MaxFrame.
// Nothing is written for an empty p, nor after Done.
func (f *Frames) Send(kind Kind, p []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.send(kind, p)
}

func (f *Frames) send(kind Kind, p []byte) error {
	if f.err == nil && f.done {
		f.err = errors.New("writing frame: the outcome has been written already")
	}
	for len(p) > 0 && f.err == nil {
		n := min(len(p), MaxFrame)
		f.buf = append(f.buf[:0], byte(kind))
		f.buf = binary.BigEndian.AppendUint32(f.buf, uint32(n))
		f.buf = append(f.buf, p[:n]...)
		if _, err := f.w.Write(f.buf); err != nil {
			f.err = fmt.Errorf("writing frame: %w", err)
		}
		p = p[n:]
	}
	return f.err
}

// Writer returns a writer whose bytes become frames of one kind. It may be
// used by several goroutines.
func (f *Frames) Writer(kind Kind) io.Writer { return frameWriter{f, kind} }

type frameWriter struct {
	f    *Frames
	kind Kind
}

func (w frameWriter) Write(p []byte) (int, error) {
	if err := w.f.Send(w.kind, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Step says in one line what happens now.
func (f *Frames) Step(format string, args ...any) error {
	return f.Send(KindStep, fmt.Appendf(nil, format, args...))
}

// Done writes the last frame; whatever is sent after it is an error.
func (f *Frames) Done(o Outcome) error {
	b, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("writing outcome: %w", err)
	}
	if len(b) > MaxFrame { // only texts from inside can be that long
		o.Error = clip(o.Error, 8<<10)
		for b, err = json.Marshal(o); err == nil && len(b) > MaxFrame && len(o.Wanted) > 0; b, err = json.Marshal(o) {
			o.Wanted = o.Wanted[:len(o.Wanted)/2]
		}
		if b, err = json.Marshal(o); err != nil || len(b) > MaxFrame {
			b, _ = json.Marshal(Outcome{Error: "writing outcome: it is too long", Exit: 1})
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	err = f.send(KindDone, b)
	f.done = true
	return err
}

// clip shortens s to n bytes at most.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}

// Limits bounds what ReadFrames takes from a container, in bytes of payload.
// Zero lets nothing of that sort through.
type Limits struct {
	Log     int64 // KindInstallLog, KindBuildLog and KindStep together
	Listing int64
	Tar     int64
	Shell   int64 // all kinds of a shell's together
}

// ReadFrames reads what an init says until its outcome, handing every frame
// before that to handle in order, and the outcome as KindDone with no payload: then
// the init may end. The payload is handle's only until it returns. The stream is not trusted: an unknown kind, a length over MaxFrame,
// more than limits allow, or anything after the outcome gives an error that
// wraps ErrFrames; an end before the outcome one that wraps ErrNoOutcome.
// An error from handle ends the reading and is returned as it is.
func ReadFrames(r io.Reader, limits Limits, handle func(Kind, []byte) error) (Outcome, error) {
	var head [frameHeader]byte
	buf := make([]byte, MaxFrame)
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return Outcome{}, endOf(err)
		}
		kind, n := Kind(head[0]), binary.BigEndian.Uint32(head[1:])
		if n > MaxFrame {
			return Outcome{}, fmt.Errorf("%w: a frame of %d bytes", ErrFrames, n)
		}
		if err := limits.take(kind, int64(n)); err != nil {
			return Outcome{}, err
		}
		if _, err := io.ReadFull(r, buf[:n]); err != nil {
			return Outcome{}, endOf(err)
		}
		if kind == KindDone {
			return lastFrame(r, buf[:n], handle)
		}
		if err := handle(kind, buf[:n]); err != nil {
			return Outcome{}, err
		}
	}
}

// take subtracts n bytes of kind from what is left.
func (l *Limits) take(kind Kind, n int64) error {
	var left *int64
	switch kind {
	case KindInstallLog, KindBuildLog, KindStep:
		left = &l.Log
	case KindListing:
		left = &l.Listing
	case KindTar:
		left = &l.Tar
	case KindOutput, KindErrors, KindReady, KindTaken:
		left = &l.Shell
	case KindDone:
		return nil
	default:
		return fmt.Errorf("%w: a frame of unknown kind %#x", ErrFrames, byte(kind))
	}
	if *left -= n; *left < 0 {
		return fmt.Errorf("%w: more of kind %q than allowed", ErrFrames, byte(kind))
	}
	return nil
}

func lastFrame(r io.Reader, b []byte, handle func(Kind, []byte) error) (Outcome, error) {
	var o Outcome
	if err := json.Unmarshal(b, &o); err != nil {
		return Outcome{}, fmt.Errorf("%w: its outcome: %w", ErrFrames, err)
	}
	if err := handle(KindDone, nil); err != nil {
		return Outcome{}, err
	}
	var one [1]byte
	switch n, err := io.ReadFull(r, one[:]); {
	case n > 0:
		return Outcome{}, fmt.Errorf("%w: bytes after the outcome", ErrFrames)
	case err != io.EOF:
		return Outcome{}, fmt.Errorf("reading frames: %w", err)
	}
	return o, nil
}

func endOf(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrNoOutcome
	}
	return fmt.Errorf("reading frames: %w", err)
}
