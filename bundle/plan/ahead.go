package plan

import (
	"io"
	"sync"
)

// A readAhead reads what another goroutine has read before, so that decoding
// and parsing keep a core busy each.
type readAhead struct {
	blocks chan block
	free   chan []byte
	stop   chan struct{}
	done   sync.WaitGroup
	rest   []byte // of the block at hand
	block
}

type block struct {
	data []byte
	err  error // after data
}

const (
	aheadBlocks = 4
	aheadSize   = 128 << 10
)

// newReadAhead begins to read from what open returns, and closes it in the end.
func newReadAhead(open func() (io.ReadCloser, error)) *readAhead {
	a := &readAhead{blocks: make(chan block, aheadBlocks), free: make(chan []byte, aheadBlocks+1), stop: make(chan struct{})}
	a.done.Go(func() {
		defer close(a.blocks)
		r, err := open()
		if err != nil {
			a.send(block{err: err})
			return
		}
		defer r.Close()
		for err == nil {
			var n int
			buf := a.buffer()
			n, err = io.ReadFull(r, buf)
			if err == io.ErrUnexpectedEOF {
				err = io.EOF
			}
			if !a.send(block{buf[:n], err}) {
				return
			}
		}
	})
	return a
}

func (a *readAhead) buffer() []byte {
	select {
	case b := <-a.free:
		return b
	default:
		return make([]byte, aheadSize)
	}
}

func (a *readAhead) send(b block) bool {
	select {
	case a.blocks <- b:
		return true
	case <-a.stop:
		return false
	}
}

// Read returns the error of the source only after all that came before it.
func (a *readAhead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.err != nil {
			return 0, a.err
		}
		if a.data != nil {
			select {
			case a.free <- a.data[:aheadSize]:
			default:
			}
		}
		a.block = <-a.blocks
		a.rest = a.data
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close stops the reading, and waits for its end.
func (a *readAhead) Close() error {
	close(a.stop)
	a.done.Wait()
	return nil
}
