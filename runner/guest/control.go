package guest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Controls writes what a shell's init is told while the shell runs. Any number
// of goroutines may use it at the same time. After the first error of the
// underlying writer every call answers that error.
type Controls struct {
	mu  sync.Mutex
	w   io.Writer
	err error
	buf []byte
}

// NewControls returns a writer of control frames to w.
func NewControls(w io.Writer) *Controls { return &Controls{w: w} }

// Send writes one frame; p is at most MaxFrame bytes.
func (c *Controls) Send(kind Control, p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if len(p) > MaxFrame {
		return fmt.Errorf("writing control frame: %d bytes are too many", len(p))
	}
	c.buf = append(c.buf[:0], byte(kind))
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(len(p)))
	c.buf = append(c.buf, p...)
	if _, err := c.w.Write(c.buf); err != nil {
		c.err = fmt.Errorf("writing control frame: %w", err)
	}
	return c.err
}

// Resize tells of a terminal's new size.
func (c *Controls) Resize(s Size) error {
	return c.Send(ControlSize, binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, s.Rows), s.Columns))
}

// ErrControl is returned by ReadControls for what no Controls writes.
var ErrControl = errors.New("a malformed control frame")

// ReadControls hands every control frame to handle, in order, until the stream
// ends between two of them. The payload is handle's only until it returns. An
// error from handle ends the reading and is returned as it is.
func ReadControls(r io.Reader, handle func(Control, []byte) error) error {
	var head [frameHeader]byte
	buf := make([]byte, MaxFrame)
	for {
		if _, err := io.ReadFull(r, head[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading control frame: %w", err)
		}
		kind, n := Control(head[0]), binary.BigEndian.Uint32(head[1:])
		if !kind.takes(n) {
			return fmt.Errorf("%w: kind %#x of %d bytes", ErrControl, byte(kind), n)
		}
		if _, err := io.ReadFull(r, buf[:n]); err != nil {
			return fmt.Errorf("reading control frame: %w", err)
		}
		if err := handle(kind, buf[:n]); err != nil {
			return err
		}
	}
}

// takes tells whether a frame of this kind can have n bytes.
func (k Control) takes(n uint32) bool {
	switch k {
	case ControlInput:
		return 0 < n && n <= MaxFrame
	case ControlSize:
		return n == 4
	case ControlEnd, ControlSignal:
		return n == 1
	}
	return false
}

// sizeOf reads the payload of ControlSize.
func sizeOf(p []byte) Size {
	return Size{Rows: binary.BigEndian.Uint16(p), Columns: binary.BigEndian.Uint16(p[2:])}
}
