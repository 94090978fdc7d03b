//go:build linux

package guest

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxResultEntries bounds what a script may leave in out and cache.
const maxResultEntries = 1 << 20

// sendResults writes ~/out, and ~/cache if the build has one, as a tar stream:
// entries "out/…" and "cache/…", each folder sorted by name. Regular files,
// folders and symbolic links that stay inside go; anything else is an error
// that names it.
func sendResults(ctx context.Context, b *Build, w io.Writer) error {
	tw := tar.NewWriter(w)
	folders := []string{"out"}
	if b.Cache {
		folders = append(folders, "cache")
	}
	n := 0
	for _, name := range folders {
		s := resultSender{ctx: ctx, tw: tw, top: name, count: &n}
		if err := s.send(filepath.Join(b.Home, name)); err != nil {
			return fmt.Errorf("collecting %s: %w", name, err)
		}
	}
	return tw.Close()
}

type resultSender struct {
	ctx   context.Context
	tw    *tar.Writer
	top   string // first element of the names in the tar
	root  *os.Root
	count *int
	buf   []byte
}

func (s *resultSender) send(dir string) error {
	fi, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !fi.IsDir() {
		return errors.New("the script has put something else in place of the folder")
	}
	if s.root, err = os.OpenRoot(dir); err != nil {
		return err
	}
	defer s.root.Close()
	return fs.WalkDir(s.root.FS(), ".", s.one)
}

// one sends one entry. fs.WalkDir visits a folder in lexical order.
func (s *resultSender) one(p string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if *s.count++; *s.count > maxResultEntries {
		return fmt.Errorf("there are more than %d entries", maxResultEntries)
	}
	fi, err := s.root.Lstat(p)
	if err != nil {
		return err
	}
	h := &tar.Header{Name: path.Join(s.top, p), Mode: int64(fi.Mode().Perm()), ModTime: fi.ModTime(), Format: tar.FormatPAX}
	h.ModTime = h.ModTime.Truncate(1e9)
	switch {
	case fi.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		return s.tw.WriteHeader(h)
	case fi.Mode().IsRegular():
		return s.file(p, fi, h)
	case fi.Mode()&fs.ModeSymlink != 0:
		return s.link(p, h)
	}
	return fmt.Errorf("%q is a %s: only files, folders and links can be results; remove it at the end of the script", p, kindOf(fi.Mode()))
}

func (s *resultSender) file(p string, fi fs.FileInfo, h *tar.Header) error {
	f, err := s.root.OpenFile(p, os.O_RDONLY|syscall.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	h.Typeflag, h.Size = tar.TypeReg, fi.Size()
	if err := s.tw.WriteHeader(h); err != nil {
		return err
	}
	if s.buf == nil {
		s.buf = make([]byte, 4*MaxFrame)
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{s.tw}, struct{ io.Reader }{f}, s.buf)
	return err
}

// link sends a symbolic link whose target stays inside the folder and is there.
func (s *resultSender) link(p string, h *tar.Header) error {
	target, err := s.root.Readlink(p)
	if err != nil {
		return err
	}
	inside := path.Join(path.Dir(p), target)
	if path.IsAbs(target) || inside == ".." || strings.HasPrefix(inside, "../") {
		return fmt.Errorf("%q is a link to %q, outside the folder: copy the file instead", p, target)
	}
	if _, err := s.root.Stat(p); err != nil {
		return fmt.Errorf("%q is a link to %q, which is not there", p, target)
	}
	h.Typeflag, h.Linkname = tar.TypeSymlink, target
	return s.tw.WriteHeader(h)
}

func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeNamedPipe != 0:
		return "named pipe"
	case m&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}
