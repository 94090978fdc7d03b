//go:build linux

package guest

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"sort"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"satchel/manifest"
)

// notListed are the names, from the root, that are the engine's or satchel's
// and not the environment's: they and what is below them have no line.
var notListed = [...]string{
	"/.dockerenv", "/dev", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf",
	"/proc", "/run/.containerenv", "/sys",
}

// isListed tells whether a name is part of the environment.
func isListed(name string) bool {
	if strings.HasPrefix(name, "/"+ownPrefix) {
		return false
	}
	return !slices.Contains(notListed[:], name)
}

// line is one file of a listing.
type line struct {
	name  string // from the root, with a leading slash; the root itself is "/"
	st    syscall.Stat_t
	first string // the first name of a file with several
	tail  string // sum, target or device, and extended attributes
}

// Listing writes the canonical text of the tree at root to w and returns its
// SHA-256. Two trees have the same listing if and only if they have the same
// files with the same types, modes, owners, sizes, modification seconds,
// contents, link targets, device numbers, hard links and extended attributes.
//
// Each file has one line, sorted bytewise by path, of fields with one blank
// between them:
//
//	type mode uid gid size mtime path tail…
//
// type is one of d f l p c b s; mode is four octal digits; size is "-" except
// for f; mtime is in whole seconds since 1970. In path and in a link's target
// every byte up to blank, the backslash and everything from DEL on is \ooo. The
// tail of f is the content's sha256, or "=" and the first path of the same
// inode; that of l the target; that of c and b "major,minor". Extended
// attributes follow sorted, "@name=" and the value in hexadecimal.
//
// What the engine puts into every container (/dev, /proc, /sys, /etc/hosts, …)
// has no line. The tree must not change meanwhile.
func Listing(ctx context.Context, root string, w io.Writer) (manifest.Digest, error) {
	root = strings.TrimSuffix(root, "/")
	lines, err := walk(ctx, root)
	if err != nil {
		return manifest.Digest{}, fmt.Errorf("listing the tree: %w", err)
	}
	markHardLinks(lines)
	if err := describe(ctx, root, lines); err != nil {
		return manifest.Digest{}, fmt.Errorf("listing the tree: %w", err)
	}
	h := sha256.New()
	b := bufio.NewWriterSize(io.MultiWriter(h, w), MaxFrame)
	for i := range lines {
		lines[i].write(b)
	}
	if err := b.Flush(); err != nil {
		return manifest.Digest{}, fmt.Errorf("writing the listing: %w", err)
	}
	return manifest.Digest(h.Sum(nil)), nil
}

// walk collects every file, sorted.
func walk(ctx context.Context, root string) ([]line, error) {
	var lines []line
	todo := []string{"/"}
	for len(todo) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		name := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		l := line{name: name}
		if err := syscall.Lstat(root+name, &l.st); err != nil {
			return nil, &fs.PathError{Op: "lstat", Path: name, Err: err}
		}
		lines = append(lines, l)
		if l.st.Mode&syscall.S_IFMT != syscall.S_IFDIR {
			continue
		}
		f, err := os.Open(root + name)
		if err != nil {
			return nil, err
		}
		names, err := f.Readdirnames(-1)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		for _, n := range names {
			if n = strings.TrimSuffix(name, "/") + "/" + n; isListed(n) {
				todo = append(todo, n)
			}
		}
	}
	sort.Slice(lines, func(i, j int) bool { return lines[i].name < lines[j].name })
	return lines, nil
}

// markHardLinks notes, for every name of a file but the first, that first name.
func markHardLinks(lines []line) {
	first := make(map[[2]uint64]string)
	for i := range lines {
		st := &lines[i].st
		if st.Nlink < 2 || st.Mode&syscall.S_IFMT == syscall.S_IFDIR {
			continue
		}
		id := [2]uint64{uint64(st.Dev), st.Ino}
		if name, ok := first[id]; ok {
			lines[i].first = name
		} else {
			first[id] = lines[i].name
		}
	}
}

// describe fills in the tails, on all processors.
func describe(ctx context.Context, root string, lines []line) error {
	const chunk = 64
	g, ctx := errgroup.WithContext(ctx)
	next := make(chan []line, 16)
	g.Go(func() error {
		defer close(next)
		for part := range slices.Chunk(lines, chunk) {
			select {
			case next <- part:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			buf := make([]byte, 256<<10)
			for part := range next {
				for i := range part {
					if err := part[i].describe(root, buf); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (l *line) describe(root string, buf []byte) error {
	at := root + l.name
	switch l.st.Mode & syscall.S_IFMT {
	case syscall.S_IFREG:
		if l.first != "" {
			break
		}
		f, err := os.OpenFile(at, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
		if err != nil {
			return err
		}
		h := sha256.New()
		n, err := io.CopyBuffer(h, struct{ io.Reader }{f}, buf)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		if n != l.st.Size {
			return fmt.Errorf("%s changed while it was read", l.name)
		}
		l.tail = fmt.Sprintf(" %x", h.Sum(nil))
	case syscall.S_IFLNK:
		target, err := os.Readlink(at)
		if err != nil {
			return err
		}
		l.tail = " " + escape(target)
	case syscall.S_IFCHR, syscall.S_IFBLK:
		dev := uint64(l.st.Rdev)
		l.tail = fmt.Sprintf(" %d,%d", unix.Major(dev), unix.Minor(dev))
	}
	if l.first != "" {
		l.tail = " =" + escape(l.first)
		return nil
	}
	return l.attributes(at)
}

// attributes appends the extended attributes.
func (l *line) attributes(at string) error {
	return eachAttribute(at, func(name string, value []byte) {
		l.tail += fmt.Sprintf(" @%s=%x", escape(name), value)
	})
}

// eachAttribute tells the extended attributes of a file that are the environment's, sorted.
func eachAttribute(at string, tell func(name string, value []byte)) error {
	n, err := unix.Llistxattr(at, nil)
	if err == unix.ENOTSUP || err == nil && n == 0 {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "listxattr", Path: at, Err: err}
	}
	list := make([]byte, n)
	if n, err = unix.Llistxattr(at, list); err != nil {
		return &fs.PathError{Op: "listxattr", Path: at, Err: err}
	}
	names := strings.Split(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00")
	sort.Strings(names)
	for _, name := range names {
		if !keepsAttribute(name) {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(at, name, value)
		if err != nil {
			return &fs.PathError{Op: "getxattr " + name, Path: at, Err: err}
		}
		tell(name, value[:n])
	}
	return nil
}

// write writes the line. An error stays in b.
func (l *line) write(b *bufio.Writer) {
	size := "-"
	kind := "?"
	switch l.st.Mode & syscall.S_IFMT {
	case syscall.S_IFREG:
		kind, size = "f", fmt.Sprint(l.st.Size)
	case syscall.S_IFDIR:
		kind = "d"
	case syscall.S_IFLNK:
		kind = "l"
	case syscall.S_IFIFO:
		kind = "p"
	case syscall.S_IFCHR:
		kind = "c"
	case syscall.S_IFBLK:
		kind = "b"
	case syscall.S_IFSOCK:
		kind = "s"
	}
	fmt.Fprintf(b, "%s %04o %d %d %s %d %s%s\n", kind, l.st.Mode&0o7777, l.st.Uid, l.st.Gid,
		size, l.st.Mtim.Sec, escape(l.name), l.tail)
}

// escape writes a name in printing US-ASCII without blanks.
func escape(s string) string {
	plain := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '\\' {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '\\' {
			fmt.Fprintf(&b, "\\%03o", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
