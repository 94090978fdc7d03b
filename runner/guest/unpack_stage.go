//go:build linux

package guest

import (
	"archive/tar"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"satchel/aptmirror/deb"
)

// What one package may unpack to.
var stageLimits = deb.Limits{Control: 64 << 20, Data: 16 << 30, Entries: 1 << 20}

// entry is one file of a package's data, its content put aside.
type entry struct {
	name         string // slashes, no leading one; "" is the root directory
	kind         byte   // tar's type flag
	mode         uint32 // permission bits, set-id and sticky included
	uid, gid     int
	uname, gname string
	time         int64 // modification, seconds
	link         string
	major, minor int64
	content      string // path of the content, regular files only; it has mode and time
	md5          string // hexadecimal; only where the package ships no md5sums
}

// staged is a package whose control part has been read and, once stage has
// run, whose data lies aside in files of their own, not yet at its place.
// So nothing of a package that turns out broken ever reaches the root.
type staged struct {
	Deb
	rank    int           // place in the plan
	path    string        // the .deb
	dir     string        // where its contents are put aside
	ready   chan struct{} // closed when it is staged; never after a failure
	control *deb.Control
	files   []deb.ControlFile
	needed  []string // what needs answers, once it was asked
	entries []entry
	sums    []byte // md5sums as dpkg generates it, where the package ships none
}

// label names the package in messages.
func (s *staged) label() string {
	return s.Name + "_" + s.Version + "_" + s.Architecture + ".deb"
}

// file returns a control file, nil if there is none.
func (s *staged) file(name string) []byte {
	for _, f := range s.files {
		if f.Name == name {
			return f.Content
		}
	}
	return nil
}

// readControl reads the control part and checks that it is the package the
// plan names.
func (s *staged) readControl() error {
	f, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("reading %s: %w", s.label(), err)
	}
	defer f.Close()
	p, err := deb.Open(f, stageLimits)
	if err != nil {
		return fmt.Errorf("reading %s: %w", s.label(), err)
	}
	defer p.Close()
	s.control, s.files = p.Control, p.Files
	for _, c := range []struct{ field, want string }{
		{"Package", s.Name}, {"Version", s.Version}, {"Architecture", s.Architecture},
	} {
		if got := p.Control.Get(c.field); got != c.want {
			return fmt.Errorf("reading %s: its %s is %q", s.label(), c.field, clip(got, 80))
		}
	}
	return nil
}

// stage reads the data part into s.dir and s.entries.
func (s *staged) stage(ctx context.Context, epoch int64) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("unpacking %s: %w", s.label(), err)
		}
	}()
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	p, err := deb.Open(f, stageLimits)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return err
	}
	seen := make(map[string]byte)
	sums := s.file("md5sums") == nil
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := p.Next()
		if err == io.EOF {
			s.entries = linksLast(s.entries)
			return os.Remove(s.path)
		}
		if err != nil {
			return err
		}
		e, err := newEntry(h, seen)
		if err != nil {
			return err
		}
		e.time = min(e.time, epoch)
		if e.kind == tar.TypeReg {
			e.content = filepath.Join(s.dir, strconv.Itoa(len(s.entries)))
			if e.md5, err = putAside(&e, p, sums, buf); err != nil {
				return err
			}
		}
		s.entries = append(s.entries, e)
	}
}

// linksLast moves the symbolic links behind everything else: dpkg makes them
// only after all files of a package, so that none is written through one.
func linksLast(l []entry) []entry {
	out := make([]entry, 0, len(l))
	for _, e := range l {
		if e.kind != tar.TypeSymlink {
			out = append(out, e)
		}
	}
	for _, e := range l {
		if e.kind == tar.TypeSymlink {
			out = append(out, e)
		}
	}
	return out
}

// putAside writes r to a new file, e.content, with e's mode and time: placing a
// file, which nothing can share with others, then takes no more than a rename.
func putAside(e *entry, r io.Reader, sum bool, buf []byte) (string, error) {
	f, err := os.OpenFile(e.content, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	h := md5.New()
	if sum {
		r = io.TeeReader(r, h)
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, r, buf)
	if err == nil {
		err = syscall.Fchmod(int(f.Fd()), e.mode)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	if err := setTime(e.content, e.time); err != nil || !sum {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// newEntry checks one tar header. seen is what the package held before it, by
// name.
func newEntry(h *tar.Header, seen map[string]byte) (entry, error) {
	var e entry
	name, err := entryName(h.Name)
	if err != nil {
		return e, err
	}
	e = entry{
		name: name, kind: h.Typeflag, mode: uint32(h.Mode) & 0o7777, uid: h.Uid, gid: h.Gid,
		uname: h.Uname, gname: h.Gname, time: h.ModTime.Unix(), link: h.Linkname,
		major: h.Devmajor, minor: h.Devminor,
	}
	before, again := seen[name]
	if again && (before != tar.TypeDir || e.kind != tar.TypeDir) {
		return e, fmt.Errorf("it holds %q twice", clip(name, 200))
	}
	if name == "" && e.kind != tar.TypeDir {
		return e, errors.New("its root is not a directory")
	}
	switch e.kind {
	case tar.TypeReg, tar.TypeDir, tar.TypeFifo, tar.TypeChar, tar.TypeBlock:
	case tar.TypeSymlink:
		if e.link == "" || strings.ContainsRune(e.link, 0) {
			return e, fmt.Errorf("its link %q leads nowhere", clip(name, 200))
		}
	case tar.TypeLink:
		if e.link, err = entryName(h.Linkname); err != nil {
			return e, err
		}
		if seen[e.link] != tar.TypeReg {
			return e, fmt.Errorf("its hard link %q is to %q, which is no earlier file of the package",
				clip(name, 200), clip(e.link, 200))
		}
	default:
		return e, fmt.Errorf("its entry %q is of unknown type %q", clip(name, 200), e.kind)
	}
	k := e.kind
	if k == tar.TypeLink {
		k = seen[e.link]
	}
	seen[name] = k
	return e, nil
}

// entryName brings a tar's name into its one form. A name that could mean a
// place outside, or break dpkg's lists of files, is refused.
func entryName(s string) (string, error) {
	if strings.ContainsAny(s, "\x00\n") || len(s) > 4096 {
		return "", fmt.Errorf("its file name %q is not allowed", clip(s, 200))
	}
	name := strings.Trim(path.Clean("/"+s), "/")
	for part := range strings.SplitSeq(s, "/") {
		if part == ".." {
			return "", fmt.Errorf("its file name %q leads upwards", clip(s, 200))
		}
	}
	top, below, _ := strings.Cut(name, "/")
	switch {
	case below != "" && (top == "dev" || top == "proc" || top == "sys"),
		strings.HasPrefix(top, ownPrefix):
		return "", fmt.Errorf("its file name %q is the container's own", clip(name, 200))
	}
	return name, nil
}
