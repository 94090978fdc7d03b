package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"satchel/bundle/stage"
	"satchel/manifest"
)

// bufSize is how much is read and written at a time, at the most.
const bufSize = 256 << 10

// ahead is how many bytes of a blob that a Flush will sync the disk gets to write at a time.
const ahead = 8 << 20

// buffer is one for size bytes, and one more to see the end with.
func buffer(size int64) []byte { return make([]byte, min(max(size, 0), bufSize-1)+1) }

// Put stores the bytes of r, which must be exactly b, and replaces a blob that
// is there already. r is read to its end. What is not b is not kept, and the
// error wraps manifest.ErrDigest.
func (s *Store) Put(ctx context.Context, b manifest.Blob, r io.Reader) error {
	if err := checkBlob(b); err != nil {
		return fmt.Errorf("storing a blob: %w", err)
	}
	w, err := s.create()
	if err != nil {
		return fmt.Errorf("storing blob %s: %w", b.SHA256.Hex(), err)
	}
	defer w.drop()
	// Verify stops one byte after b.Size at the latest, so a disk is not
	// filled by what will not be kept.
	if _, err := io.CopyBuffer(w, withContext(ctx, b.Verify(r)), buffer(b.Size)); err != nil {
		return fmt.Errorf("storing blob %s: %w", b.SHA256.Hex(), err)
	}
	return w.commit(b)
}

// Add stores the bytes of r and returns what they are. If they are there already, that is all: to
// read them once more takes less time than to sync them again. More than limit bytes
// are refused with a *LimitError, and nothing is kept.
func (s *Store) Add(ctx context.Context, r io.Reader, limit int64) (manifest.Blob, error) {
	w, err := s.create()
	if err != nil {
		return manifest.Blob{}, fmt.Errorf("storing a blob: %w", err)
	}
	defer w.drop()
	n, err := io.CopyBuffer(w, withContext(ctx, &atMost{r: r, left: limit, limit: limit}), buffer(limit))
	if err != nil {
		return manifest.Blob{}, fmt.Errorf("storing a blob: %w", err)
	}
	b := manifest.Blob{SHA256: w.sum(), Size: n}
	if s.Check(ctx, b) == nil {
		return b, nil
	}
	return b, w.commit(b)
}

// A LimitError tells that there was more to store than was allowed.
type LimitError struct{ Limit int64 } // bytes

func (e *LimitError) Error() string { return fmt.Sprintf("it has more than %d bytes", e.Limit) }

// atMost hands on what r gives, and fails where it goes past the limit.
type atMost struct {
	r           io.Reader
	left, limit int64
}

func (a *atMost) Read(p []byte) (int, error) {
	if int64(len(p))-1 > a.left {
		p = p[:max(a.left+1, 1)]
	}
	n, err := a.r.Read(p)
	if int64(n) > a.left {
		return int(max(a.left, 0)), &LimitError{Limit: a.limit}
	}
	a.left -= int64(n)
	return n, err
}

// writer is a file below partial that is on its way to be a blob. It hashes
// what it writes. The file is locked while the writer lives.
type writer struct {
	s    *Store
	name string // from the root
	f    *os.File
	h    hash.Hash
	n    int64 // bytes in the file and in the hash
	err  error // of the first failed write; nothing works after it

	foreign bool  // the file has another name that is not ours
	later   bool  // a Flush will sync it
	begun   int64 // bytes that the disk has been told to write already
}

// create makes a writer with a name of its own.
func (s *Store) create() (*writer, error) {
	for range 10 {
		name := filepath.Join(partialDir, rand.Text()+newSuffix)
		f, err := s.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		// Between the two calls a sweep may have taken the file for abandoned.
		if held := lock(f); held == busy || !s.still(name, f) {
			f.Close()
			continue
		}
		return &writer{s: s, name: name, f: f, h: sha256.New()}, nil
	}
	return nil, fmt.Errorf("no free name below %s", filepath.Join(s.dir, partialDir))
}

// still tells whether name is the file f.
func (s *Store) still(name string, f *os.File) bool {
	a, err := s.root.Lstat(name)
	if err != nil {
		return false
	}
	b, err := f.Stat()
	return err == nil && os.SameFile(a, b)
}

func (w *writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.s.ops.write(w.f, p)
	w.h.Write(p[:n])
	w.n += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	w.err = err
	if w.later && w.n-w.begun >= ahead {
		w.startWriting()
	}
	return n, err
}

// startWriting lets the disk begin with what is here.
func (w *writer) startWriting() {
	stage.StartWriting(w.f, w.begun, w.n-w.begun)
	w.begun = w.n
}

func (w *writer) sum() (d manifest.Digest) {
	w.h.Sum(d[:0])
	return d
}

// commit checks that the file is b and gives it its final name. Afterwards the
// writer is closed, whatever came out; bytes that are not b, or that the disk
// may not have, are removed.
func (w *writer) commit(b manifest.Blob) error {
	err := w.check(b)
	if err == nil {
		w.s.flushing.RLock()
		defer w.s.flushing.RUnlock()
		if !w.later || w.s.defers(b) != nil {
			err = w.s.ops.sync(w.f)
		} else {
			w.startWriting()
		}
	}
	if err != nil {
		w.drop()
		return fmt.Errorf("storing blob %s: %w", b.SHA256.Hex(), err)
	}
	if err := w.publish(b.SHA256); err != nil {
		w.release()
		return fmt.Errorf("storing blob %s: %w", b.SHA256.Hex(), err)
	}
	return nil
}

func (w *writer) check(b manifest.Blob) error {
	if w.err != nil {
		return w.err
	}
	if w.f == nil {
		return fs.ErrClosed
	}
	if w.n != b.Size {
		return fmt.Errorf("%w: it has %d bytes, want %d", manifest.ErrDigest, w.n, b.Size)
	}
	if got := w.sum(); got != b.SHA256 {
		return fmt.Errorf("%w: got sha256 %s, want %s", manifest.ErrDigest, got.Hex(), b.SHA256.Hex())
	}
	return nil
}

func (w *writer) publish(d manifest.Digest) error {
	if err := w.s.makeDir(shard(d), blobDir); err != nil {
		return err
	}
	if !w.s.still(w.name, w.f) {
		return fmt.Errorf("%s was replaced by another file", filepath.Join(w.s.dir, w.name))
	}
	if err := w.s.ops.rename(w.s.root, w.name, blobName(d)); err != nil {
		return err
	}
	w.s.mark(shard(d))
	if !w.foreign {
		w.f.Chmod(blobMode) // a courtesy; some file systems cannot
	}
	w.name = ""
	return w.release()
}

// release closes the file and with it the lock; the name stays.
func (w *writer) release() error {
	if w.f == nil {
		return nil
	}
	err := w.f.Close()
	w.f = nil
	return err
}

// drop removes the file unless it has become a blob. It may be called twice.
func (w *writer) drop() error {
	if w.f == nil {
		return nil
	}
	var err error
	if w.name != "" && w.s.still(w.name, w.f) {
		err = w.s.root.Remove(w.name)
	}
	if e := w.release(); err == nil {
		err = e
	}
	return err
}

// withContext fails every read after ctx has ended.
func withContext(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
