package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrSigned is returned for a signature whose key has signed the bundle already.
var ErrSigned = errors.New("this key has signed it already")

// AddSignature adds a signature to the bundle path. Only the front changes. The
// file is written anew beside the old one and renamed, so that a crash leaves
// the old or the new; the bulk is copied by the kernel, and shared instead of
// copied where the file system can (the filler keeps it at the same offset, a
// multiple of 64 KiB, as long as there is room). The blobs are not verified,
// only the signature and the front.
func AddSignature(ctx context.Context, path string, sig Signature) error {
	f, err := Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	l, err := f.layout()
	if err != nil {
		return f.failed(err)
	}
	if f.size != l.size {
		return f.failed(corrupt(min(f.size, l.size), "the file has %d bytes, it must have %d", f.size, l.size))
	}
	key, err := sig.check(l.doc)
	if err != nil {
		return fmt.Errorf("adding a signature to %s: %w", path, err)
	}
	sigs := []Signature{sig}
	for _, r := range l.sigs {
		other, err := r.sig.check(l.doc)
		if err != nil {
			return f.failed(err)
		}
		if string(other.Marshal()) == string(key.Marshal()) {
			return fmt.Errorf("adding a signature to %s: %w", path, ErrSigned)
		}
		sigs = append(sigs, r.sig)
	}
	signed, err := newLayout(l.lock, l.lockDoc, sigs)
	if err != nil {
		return fmt.Errorf("adding a signature to %s: %w", path, err)
	}
	old, ok := f.r.(*os.File)
	if !ok {
		return fmt.Errorf("adding a signature to %s: it is no file", path)
	}
	return replace(path, func(w *os.File) error {
		return copyBundle(ctx, w, old, l, signed)
	})
}

// copyBundle writes signed's front and old's bulk.
func copyBundle(ctx context.Context, w, old *os.File, from, signed *layout) error {
	if err := put(w, signed.front()); err != nil {
		return err
	}
	if _, err := old.Seek(from.frontEnd, io.SeekStart); err != nil {
		return fmt.Errorf("copying bundle: %w", err)
	}
	for left := from.size - from.frontEnd; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		// Between two files CopyN asks the kernel to copy, or to share.
		n, err := io.CopyN(w, old, min(left, 256<<20))
		if err != nil {
			return fmt.Errorf("copying bundle: %w", err)
		}
		left -= n
	}
	return nil
}
