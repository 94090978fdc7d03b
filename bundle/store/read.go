package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"satchel/manifest"
)

// A CorruptError tells that a stored blob was not what its name says. Has says
// no from now on, so that the blob is fetched again, and Put and Commit replace
// it. It wraps manifest.ErrDigest.
type CorruptError struct {
	Blob manifest.Blob
	Path string // where it was
	Err  error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("reading %s: %v; fetch it again", e.Path, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }

// Open returns a reader of b that checks size and hash as manifest.Blob.Verify
// does: io.EOF is the promise that every byte was right. A blob that is not
// there gives an error that wraps fs.ErrNotExist, one that is wrong gives a
// *CorruptError, from Open or from Read.
func (s *Store) Open(b manifest.Blob) (io.ReadCloser, error) {
	f, err := s.open(b)
	if err != nil {
		return nil, err
	}
	return &reader{s: s, b: b, f: f, r: b.Verify(f)}, nil
}

// Raw opens b without checking more than its size, for a reader that does, and
// that calls Check for what it finds to be wrong.
func (s *Store) Raw(b manifest.Blob) (io.ReadCloser, error) { return s.open(b) }

// File reads b to its end, and returns the very file that was read, at its
// start, if every byte was right; the errors are those of Open. It is open
// for reading only.
func (s *Store) File(b manifest.Blob) (*os.File, error) {
	f, err := s.open(b)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyBuffer(io.Discard, &reader{s: s, b: b, f: f, r: b.Verify(f)}, buffer(b.Size)); err != nil {
		f.Close()
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		f.Close()
		return nil, fmt.Errorf("reading %s: %w", s.path(b), err)
	}
	return f, nil
}

// Check reads b to its end and says what is wrong with it; the errors are
// those of Open.
func (s *Store) Check(ctx context.Context, b manifest.Blob) error {
	r, err := s.Open(b)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.CopyBuffer(io.Discard, withContext(ctx, r), buffer(b.Size))
	return err
}

// Remove takes b out of the store. That it was not there is no error.
func (s *Store) Remove(b manifest.Blob) error {
	if err := checkBlob(b); err != nil {
		return fmt.Errorf("removing a blob: %w", err)
	}
	if err := s.root.Remove(blobName(b.SHA256)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing %s: %w", s.path(b), err)
	}
	s.mark(shard(b.SHA256))
	return nil
}

func (s *Store) path(b manifest.Blob) string {
	return filepath.Join(s.dir, blobName(b.SHA256))
}

// stat finds the file of b, without following any link.
func (s *Store) stat(b manifest.Blob) (fs.FileInfo, error) {
	if err := checkBlob(b); err != nil {
		return nil, fmt.Errorf("looking for a blob: %w", err)
	}
	if err := s.checkDir(shard(b.SHA256)); err != nil {
		return nil, fmt.Errorf("looking for blob %s: %w", b.SHA256.Hex(), err)
	}
	fi, err := s.root.Lstat(blobName(b.SHA256))
	if err != nil {
		return nil, fmt.Errorf("looking for blob %s: %w", b.SHA256.Hex(), err)
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file but %s; remove it", s.path(b), kind(fi))
	}
	if fi.Size() != b.Size {
		err := fmt.Errorf("%w: it has %d bytes, want %d", manifest.ErrDigest, fi.Size(), b.Size)
		return nil, &CorruptError{Blob: b, Path: s.path(b), Err: err}
	}
	return fi, nil
}

// open opens the file of b. One of another size stays where it is: it may be
// b.Size that is wrong.
func (s *Store) open(b manifest.Blob) (*os.File, error) {
	for range 100 {
		fi, err := s.stat(b)
		if err != nil {
			return nil, err
		}
		// O_NONBLOCK: should a pipe have taken the file's place since, do not wait.
		f, err := s.root.OpenFile(blobName(b.SHA256), os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", s.path(b), err)
		}
		if now, err := f.Stat(); err == nil && os.SameFile(fi, now) {
			return f, nil
		}
		f.Close() // somebody has put the blob again in between
	}
	return nil, fmt.Errorf("reading %s: it changes all the time", s.path(b))
}

// evict removes the file of b if it is still the one that fi describes: some
// other process may have put a good one there meanwhile.
func (s *Store) evict(b manifest.Blob, fi fs.FileInfo) {
	if now, err := s.root.Lstat(blobName(b.SHA256)); err == nil && os.SameFile(fi, now) {
		s.root.Remove(blobName(b.SHA256))
		s.mark(shard(b.SHA256))
	}
}

// reader is a verified reader that evicts what turns out wrong.
type reader struct {
	s *Store
	b manifest.Blob
	f *os.File
	r io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	if !errors.Is(err, manifest.ErrDigest) {
		return n, fmt.Errorf("reading %s: %w", r.s.path(r.b), err)
	}
	if fi, e := r.f.Stat(); e == nil {
		r.s.evict(r.b, fi)
	}
	return n, &CorruptError{Blob: r.b, Path: r.s.path(r.b), Err: err}
}

func (r *reader) Close() error { return r.f.Close() }
