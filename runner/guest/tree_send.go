//go:build linux

package guest

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sendTree writes what [Listing] tells of the tree at root as a tar in the pax
// form, in the listing's order, so that a tree made from it has the same listing.
func sendTree(ctx context.Context, root string, w io.Writer) error {
	lines, err := walk(ctx, root)
	if err != nil {
		return fmt.Errorf("packing the tree: %w", err)
	}
	markHardLinks(lines)
	b := bufio.NewWriterSize(w, MaxFrame)
	s := treeSender{root: root, tw: tar.NewWriter(b), buf: make([]byte, 256<<10)}
	for i := range lines {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.one(&lines[i]); err != nil {
			return fmt.Errorf("packing the tree: %s: %w", lines[i].name, err)
		}
	}
	return errors.Join(s.tw.Close(), b.Flush())
}

type treeSender struct {
	root string
	tw   *tar.Writer
	buf  []byte
}

// one writes one file.
func (s *treeSender) one(l *line) error {
	h := &tar.Header{
		Name: "." + l.name, Format: tar.FormatPAX, Mode: int64(l.st.Mode & 0o7777), Uid: int(l.st.Uid), Gid: int(l.st.Gid),
		ModTime: time.Unix(l.st.Mtim.Sec, 0),
	}
	if l.first != "" {
		h.Typeflag, h.Linkname = tar.TypeLink, "."+l.first
		return s.tw.WriteHeader(h)
	}
	at := s.root + l.name
	var err error
	if h.PAXRecords, err = paxAttributes(at); err != nil {
		return err
	}
	switch l.st.Mode & syscall.S_IFMT {
	case syscall.S_IFREG:
		return s.file(at, l.st.Size, h)
	case syscall.S_IFDIR:
		h.Typeflag, h.Name = tar.TypeDir, strings.TrimSuffix(h.Name, "/")+"/"
	case syscall.S_IFLNK:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = os.Readlink(at); err != nil {
			return err
		}
	case syscall.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case syscall.S_IFCHR, syscall.S_IFBLK:
		h.Typeflag = tar.TypeChar
		if l.st.Mode&syscall.S_IFMT == syscall.S_IFBLK {
			h.Typeflag = tar.TypeBlock
		}
		dev := uint64(l.st.Rdev)
		h.Devmajor, h.Devminor = int64(unix.Major(dev)), int64(unix.Minor(dev))
	default:
		return errors.New("a tar cannot hold a socket")
	}
	return s.tw.WriteHeader(h)
}

// file writes a regular file.
func (s *treeSender) file(at string, size int64, h *tar.Header) error {
	f, err := os.OpenFile(at, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	h.Typeflag, h.Size = tar.TypeReg, size
	if err := s.tw.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{s.tw}, struct{ io.Reader }{f}, s.buf)
	if err == nil && n != size {
		err = errors.New("it changed while it was read")
	}
	return err
}

// paxAttributes are the extended attributes that a listing has, as the records in
// which star, GNU tar and Docker keep them; nil if there are none.
func paxAttributes(at string) (map[string]string, error) {
	var records map[string]string
	err := eachAttribute(at, func(name string, value []byte) {
		if records == nil {
			records = map[string]string{}
		}
		records["SCHILY.xattr."+name] = string(value)
	})
	return records, err
}
