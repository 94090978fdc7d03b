package gather

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"satchel/manifest"
)

// tryFile takes a file if it is wanted. One that is not there, or cannot be read,
// is simply not it.
func (f *Finder) tryFile(ctx context.Context, name string) (bool, error) {
	r, size, err := openRegular(name)
	if err != nil {
		return false, nil
	}
	defer r.Close()
	list := f.sized(size, filepath.Base(name))
	if b, ok := f.namesake(list, filepath.Base(name)); ok { // read once: it is copied while it is hashed
		found, err := f.put(ctx, b.Blob, r)
		if err == nil && !found && seek(r) == nil {
			found, err = f.tryHash(ctx, r, list)
		}
		return found, ours(ctx, err)
	}
	found, err := f.tryHash(ctx, r, list)
	return found, ours(ctx, err)
}

// namesake is the one of a list that a file's name fits.
func (f *Finder) namesake(list []manifest.NeededBlob, name string) (found manifest.NeededBlob, ok bool) {
	for _, b := range list {
		if !fits(name, func(n string) bool { return slices.Contains(f.hints[b.SHA256], n) }) {
			continue
		}
		if ok { // several: the hash will tell
			return found, false
		}
		found, ok = b, true
	}
	return found, ok
}

// tryHash takes a file if its hash is one of the list.
func (f *Finder) tryHash(ctx context.Context, r *os.File, list []manifest.NeededBlob) (bool, error) {
	if len(list) == 0 {
		return false, nil
	}
	h, size := sha256.New(), list[0].Size
	if _, err := io.CopyBuffer(h, io.LimitReader(contextReader{ctx, r}, size+1), make([]byte, min(size+1, 256<<10))); err != nil {
		return false, err
	}
	var sum manifest.Digest
	h.Sum(sum[:0])
	i := slices.IndexFunc(list, func(b manifest.NeededBlob) bool { return b.SHA256 == sum })
	if i < 0 || seek(r) != nil {
		return false, nil
	}
	return f.put(ctx, list[i].Blob, r)
}

// ours is err if it is the store's or that of ctx, and nil if it is that of a file
// that somebody has.
func ours(ctx context.Context, err error) error {
	if err != nil && isRead(err) {
		return ctx.Err()
	}
	return err
}

func seek(r *os.File) error {
	_, err := r.Seek(0, io.SeekStart)
	return err
}

// isRead tells whether it was the reading of somebody's file that failed, on a
// scratched disc perhaps, and not the store.
func isRead(err error) bool {
	var p *fs.PathError
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &p) && p.Op == "read"
}

// contextReader fails once its context has ended.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
