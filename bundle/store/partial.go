package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"satchel/aptmirror/fetch"
	"satchel/manifest"
)

// Store is what a fetch.Client writes into.
var _ fetch.Store = (*Store)(nil)

// Partial opens the partial file of b, with the bytes that an earlier attempt
// left, in this process or in another. They are read and hashed here; whether
// they are right shows at Commit. When somebody else is writing the same blob
// just now, the partial is a fresh one under a name of its own, and its bytes
// are not kept by Close. The caller must Close it in any case.
//
// A link or anything else that is no plain file of ours in the partial's place
// is removed, and never followed.
func (s *Store) Partial(b manifest.Blob) (fetch.Partial, error) {
	if err := checkBlob(b); err != nil {
		return nil, fmt.Errorf("storing a blob: %w", err)
	}
	p := &partial{blob: b, kept: true}
	w, err := s.resume(b)
	if err == nil && w == nil {
		p.kept = false
		w, err = s.create()
	}
	if err != nil {
		return nil, fmt.Errorf("storing blob %s: %w", b.SHA256.Hex(), err)
	}
	p.writer = w
	return p, nil
}

// resume opens the shared partial file of b; nil if somebody else holds it.
func (s *Store) resume(b manifest.Blob) (*writer, error) {
	name := filepath.Join(partialDir, b.SHA256.Hex())
	for range 10 {
		f, err := s.openPartial(name)
		if err != nil {
			return nil, err
		}
		switch held := lock(f); {
		case held != ours:
			f.Close()
			return nil, nil
		case !s.still(name, f): // it became a blob, or was removed, in between
			f.Close()
			continue
		}
		w := &writer{s: s, name: name, f: f, h: sha256.New()}
		if err := w.rehash(b.Size); err != nil {
			w.drop()
			return nil, err
		}
		return w, nil
	}
	return nil, nil
}

// openPartial opens or makes the file, and puts a new one in the place of
// anything that is not a file with this one name.
func (s *Store) openPartial(name string) (*os.File, error) {
	fi, err := s.root.Lstat(name)
	if err == nil && (!fi.Mode().IsRegular() || linked(fi)) {
		if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is in the way, and is %s: %w", filepath.Join(s.dir, name), kind(fi), err)
		}
		err = fs.ErrNotExist
	}
	if err == nil {
		f, err := s.root.OpenFile(name, os.O_RDWR, 0)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := s.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) { // another process was faster
		return s.root.OpenFile(name, os.O_RDWR, 0)
	}
	return f, err
}

// rehash brings the hash up to the bytes that are there. More bytes than the
// blob has, or bytes that cannot be read, are thrown away.
func (w *writer) rehash(size int64) error {
	fi, err := w.f.Stat()
	if err != nil {
		return err
	}
	if fi.Size() > size {
		return w.reset()
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{w.h}, struct{ io.Reader }{w.f}, buffer(fi.Size()))
	if err != nil || n != fi.Size() {
		return w.reset()
	}
	w.n = n
	return nil
}

func (w *writer) reset() error {
	if w.f == nil {
		return fs.ErrClosed
	}
	if err := w.f.Truncate(0); err != nil {
		return err
	}
	if _, err := w.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	w.n, w.begun, w.err = 0, 0, nil
	w.h.Reset()
	return nil
}

// partial implements fetch.Partial.
type partial struct {
	*writer
	blob manifest.Blob
	kept bool // the name is the shared one
}

func (p *partial) Offset() int64 { return p.n }

func (p *partial) Write(b []byte) (int, error) {
	if p.f == nil {
		return 0, fs.ErrClosed
	}
	if int64(len(b)) > p.blob.Size-p.n {
		return 0, fmt.Errorf("storing blob %s: %w: it has more than %d bytes", p.blob.SHA256.Hex(), manifest.ErrDigest, p.blob.Size)
	}
	p.later = true // what an earlier process wrote, and this one did not touch, looks old
	n, err := p.writer.Write(b)
	if err != nil {
		err = fmt.Errorf("storing blob %s: %w", p.blob.SHA256.Hex(), err)
	}
	return n, err
}

func (p *partial) Commit() error { return p.commit(p.blob) }

func (p *partial) Reset() error {
	if err := p.reset(); err != nil {
		return fmt.Errorf("storing blob %s: %w", p.blob.SHA256.Hex(), err)
	}
	return nil
}

func (p *partial) Discard() error { return p.drop() }

func (p *partial) Close() error {
	if !p.kept || p.n == 0 {
		return p.drop()
	}
	return p.release()
}
