package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"satchel/manifest"
)

// Import stores the file at path, a name outside the store, and returns what
// it is. A file that nobody may write to, such as a blob of another store, is
// linked and not copied where that is possible. Links on the way to the file
// are followed; what is no plain file is refused.
func (s *Store) Import(ctx context.Context, path string) (manifest.Blob, error) {
	b, err := s.link(ctx, path)
	if errors.Is(err, errors.ErrUnsupported) {
		b, err = s.copy(ctx, path)
	}
	if err != nil {
		return manifest.Blob{}, fmt.Errorf("importing %s: %w", path, err)
	}
	return b, nil
}

func (s *Store) copy(ctx context.Context, path string) (manifest.Blob, error) {
	f, fi, err := openPlain(path)
	if err != nil {
		return manifest.Blob{}, err
	}
	defer f.Close()
	return s.Add(ctx, f, fi.Size())
}

// openPlain opens a regular file and nothing else.
func openPlain(path string) (*os.File, fs.FileInfo, error) {
	before, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("it is no plain file but %s", kind(before))
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err == nil && !os.SameFile(before, fi) {
		err = errors.New("it changed while it was being opened")
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, fi, nil
}

// link hashes the file at path and gives it a second name here. If that cannot
// be, or should not, for who may write to the file could change a blob, the
// error wraps errors.ErrUnsupported.
func (s *Store) link(ctx context.Context, path string) (manifest.Blob, error) {
	f, fi, err := openPlain(path)
	if err != nil {
		return manifest.Blob{}, err
	}
	defer f.Close()
	if fi.Mode().Perm()&0o222 != 0 {
		return manifest.Blob{}, errors.ErrUnsupported
	}
	h := sha256.New()
	n, err := io.CopyBuffer(h, withContext(ctx, f), buffer(fi.Size()))
	if err != nil {
		return manifest.Blob{}, err
	}
	b := manifest.Blob{Size: n}
	h.Sum(b.SHA256[:0])
	if s.Has(b) {
		return b, nil
	}
	w := &writer{s: s, name: filepath.Join(partialDir, rand.Text()+newSuffix), f: f, h: h, n: n, foreign: true}
	if err := os.Link(path, filepath.Join(s.dir, w.name)); err != nil {
		return manifest.Blob{}, fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	// path may be a link, or another file by now: commit takes only what was
	// hashed.
	if err := w.commit(b); err != nil {
		s.root.Remove(w.name)
		return manifest.Blob{}, fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	return b, nil
}
