package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// fileError is a file that cannot be opened; asking again is no use.
type fileError struct{ err error }

func (e *fileError) Error() string { return e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

// openFile opens a regular file, through links too; it never opens a device or
// waits for a pipe's other end.
func openFile(path string) (*os.File, int64, error) {
	name := filepath.FromSlash(path)
	fi, err := os.Stat(name)
	if err != nil {
		return nil, 0, &fileError{err}
	}
	if !fi.Mode().IsRegular() {
		return nil, 0, &fileError{fmt.Errorf("reading %s: it is no plain file", name)}
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, &fileError{err}
	}
	now, err := f.Stat()
	if err == nil && !os.SameFile(fi, now) {
		err = errors.New("it changed while it was being opened")
	}
	if err != nil {
		f.Close()
		return nil, 0, &fileError{fmt.Errorf("reading %s: %w", name, err)}
	}
	return f, now.Size(), nil
}

// fromFile takes what is missing from a file or folder.
func (d *download) fromFile() error {
	f, size, err := openFile(d.task.url.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	if size != d.task.blob.Size {
		return d.otherLength(size)
	}
	if _, err := f.Seek(d.part.Offset(), io.SeekStart); err != nil {
		return &fileError{err}
	}
	return d.copy(&contextReader{ctx: d.ctx, r: f})
}

// contextReader fails once its context has ended.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
