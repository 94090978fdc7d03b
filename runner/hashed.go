package runner

import (
	"crypto/sha256"
	"io"

	"satchel/manifest"
)

// Sizes of copyHashed's buffers: two, so that one is filled while the other is
// hashed.
const (
	hashedBuffer  = 512 << 10
	hashedBuffers = 2
)

// copyHashed copies r to w and returns the sum of what it copied. Hashing has a
// processor of its own where there is one: it takes as long as all the rest.
func copyHashed(w io.Writer, r io.Reader) (manifest.Digest, error) {
	h := sha256.New()
	free, full := make(chan []byte, hashedBuffers), make(chan []byte, hashedBuffers)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := range full {
			h.Write(b)
			free <- b[:cap(b)]
		}
	}()
	var failed error
	for made := 0; failed == nil; {
		var b []byte
		select {
		case b = <-free:
		default:
			if made < hashedBuffers {
				made++
				b = make([]byte, hashedBuffer)
			} else {
				b = <-free
			}
		}
		n, err := fill(r, b)
		if n > 0 {
			full <- b[:n]
			if _, werr := w.Write(b[:n]); werr != nil {
				err = werr
			}
		}
		failed = err
	}
	close(full)
	<-done
	if failed != io.EOF {
		return manifest.Digest{}, failed
	}
	return manifest.Digest(h.Sum(nil)), nil
}

// fill reads until b is full; err is r's own. (That of io.ReadFull does not
// tell the end from a stream that broke off.)
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = r.Read(b[n:])
		n += m
	}
	return n, err
}
