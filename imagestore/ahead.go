package imagestore

import (
	"io"
	"sync"
)

// aheadReader reads its source in a goroutine of its own, so that
// decompression and what is done with the result have a core each.
type aheadReader struct {
	full, free chan []byte
	stop       chan struct{}
	done       chan struct{}
	once       sync.Once
	buf, rest  []byte
	err        error
}

// Four buffers are enough to keep both sides busy.
const aheadBuffers, aheadSize = 4, 256 << 10

// readAhead starts to read r. r is not touched any more once Close has
// returned.
func readAhead(r io.Reader) *aheadReader {
	a := &aheadReader{
		full: make(chan []byte, aheadBuffers), free: make(chan []byte, aheadBuffers),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	for range aheadBuffers {
		a.free <- make([]byte, aheadSize)
	}
	go a.run(r)
	return a
}

func (a *aheadReader) run(r io.Reader) {
	defer close(a.done)
	defer close(a.full)
	for {
		var buf []byte
		select {
		case buf = <-a.free:
		case <-a.stop:
			a.err = io.ErrClosedPipe
			return
		}
		n, err := fill(r, buf[:aheadSize])
		a.err = err // seen by the reader only after full is closed
		if n > 0 {
			a.full <- buf[:n]
		}
		if err != nil {
			return
		}
	}
}

// fill is io.ReadFull that keeps the reader's own error.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

func (a *aheadReader) Read(p []byte) (int, error) {
	if len(a.rest) == 0 {
		if a.buf != nil {
			a.free <- a.buf
			a.buf = nil
		}
		buf, ok := <-a.full
		if !ok {
			return 0, a.err
		}
		a.buf, a.rest = buf, buf
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close stops the goroutine and waits for it. It may be called again.
func (a *aheadReader) Close() error {
	a.once.Do(func() { close(a.stop) })
	<-a.done
	return nil
}
