package differ

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// spool keeps what r gives so that it can be read anywhere: the beginning in
// memory, a long one in a file that has no name. It takes half of what may still be
// unpacked, so that the other side gets as much; more is errLimit. Any error comes
// with what could be read before it.
func (w *work) spool(r io.Reader) (part, error) {
	counted := &bounded{w: w, r: r, left: (w.left + 1) / 2}
	var small bytes.Buffer
	_, err := io.CopyN(&small, counted, w.Memory)
	if err != nil { // most often the end
		if err == io.EOF {
			err = nil
		}
		return part{bytes.NewReader(small.Bytes()), int64(small.Len())}, err
	}
	f, err := os.CreateTemp(w.Scratch, ".satchel-differ-")
	if err != nil {
		return part{}, fmt.Errorf("unpacking: %w", err)
	}
	w.spools = append(w.spools, f)
	if err := os.Remove(f.Name()); err != nil {
		return part{}, fmt.Errorf("unpacking: %w", err)
	}
	if _, err := f.Write(small.Bytes()); err != nil {
		return part{}, fmt.Errorf("unpacking: %w", err)
	}
	n, err := io.Copy(f, counted)
	return part{f, n + int64(small.Len())}, err
}

// bounded takes from what may still be unpacked.
type bounded struct {
	w    *work
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if err := b.w.ctx.Err(); err != nil {
		return 0, err
	}
	if b.left <= 0 {
		return 0, errLimit
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	b.w.left -= int64(n)
	return n, err
}

// spoolBoth unpacks two streams. Where one fails, what there is of both is compared
// all the same; the error tells why there is no more.
func (w *work) spoolBoth(a, b io.Reader) (pa, pb part, err error) {
	pa, ea := w.spool(a)
	pb, eb := w.spool(b)
	if errors.Is(ea, errLimit) || errors.Is(eb, errLimit) { // where it was cut off says nothing
		n := min(pa.size, pb.size)
		return pa.slice(0, n), pb.slice(0, n), errLimit
	}
	return pa, pb, both(ea, eb)
}

// release lets go of what was unpacked since there were only n.
func (w *work) release(n int) {
	for _, s := range w.spools[n:] {
		s.Close()
	}
	w.spools = w.spools[:n]
}

// both is the errors of the two sides, one where they say the same.
func both(a, b error) error {
	if a != nil && b != nil && a.Error() == b.Error() {
		return a
	}
	return errors.Join(a, b)
}
