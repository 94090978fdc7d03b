//go:build linux

package guest

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"sort"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxLayerEntries bounds the files of an image.
const maxLayerEntries = 4 << 20

// xattrPrefix begins the PAX records that hold extended attributes.
const xattrPrefix = "SCHILY.xattr."

// layerReader unpacks an image's root into a tree. What the engine provides by
// itself (the contents of /dev, /proc and /sys) is left out, and so are
// /etc/hosts and its like where the engine has put its own.
type layerReader struct {
	tree    *tree
	shipped map[string]int64 // resolved name → modification time, not of directories
	left    int64            // bytes that files may still have: no more than the layer itself
	entries int
}

func (x *layerReader) unpack(ctx context.Context, r io.Reader) error {
	t := tar.NewReader(r)
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if x.entries++; x.entries > maxLayerEntries {
			return fmt.Errorf("more than %d files", maxLayerEntries)
		}
		if x.left -= h.Size; x.left < 0 {
			return fmt.Errorf("entry %q: it is larger than the whole image", clip(h.Name, 200))
		}
		name, skip, err := layerName(h.Name)
		if err == nil && !skip {
			err = x.entry(name, h, t, buf)
		}
		if err != nil {
			return fmt.Errorf("entry %q: %w", clip(h.Name, 200), err)
		}
	}
}

// layerName brings a name into its one form; skip is true for what is the
// engine's.
func layerName(s string) (name string, skip bool, err error) {
	if strings.ContainsRune(s, 0) || slices.Contains(strings.Split(s, "/"), "..") {
		return "", false, errors.New("its name is not allowed")
	}
	name = strings.Trim(path.Clean("/"+s), "/")
	top, _, _ := strings.Cut(name, "/")
	skip = top == "dev" || top == "proc" || top == "sys" || strings.HasPrefix(top, ownPrefix) ||
		slices.Contains(notListed[:], "/"+name) && strings.HasPrefix(name, ".")
	return name, skip, nil
}

func (x *layerReader) entry(name string, h *tar.Header, r io.Reader, buf []byte) error {
	dir, _ := split(name)
	if _, err := x.tree.dir(dir); errors.Is(err, os.ErrNotExist) {
		if err := x.parents(dir); err != nil {
			return err
		}
	}
	where, err := x.tree.locate(name)
	if err != nil {
		return err
	}
	at := x.tree.at(where)
	if h.Typeflag == tar.TypeDir {
		return x.directory(at, where, h)
	}
	switch st, err := os.Lstat(at); {
	case err == nil && slices.Contains(notListed[:], "/"+where):
		return nil // the engine's own
	case err == nil && st.IsDir():
		return errors.New("it is in a directory's place")
	case err == nil:
		if err := os.Remove(at); err != nil {
			return err
		}
		x.tree.forget()
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	if h.Typeflag == tar.TypeLink {
		return x.hardLink(at, where, h)
	}
	if err := x.create(at, h, r, buf); err != nil {
		return err
	}
	x.shipped[where] = h.ModTime.Unix()
	return layerAttributes(at, h)
}

// parents makes directories for which the image has no entry of their own
// before their files.
func (x *layerReader) parents(dir string) error {
	up, base := split(dir)
	if _, err := x.tree.dir(up); errors.Is(err, os.ErrNotExist) {
		if err := x.parents(up); err != nil {
			return err
		}
	}
	where, err := x.tree.locate(join(up, base))
	if err != nil {
		return err
	}
	if err := os.Mkdir(x.tree.at(where), 0o755); !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

func (x *layerReader) directory(at, where string, h *tar.Header) error {
	if where == "" {
		return nil // normalised in any case
	}
	switch st, err := os.Lstat(at); {
	case err == nil && !st.IsDir():
		if err := os.Remove(at); err != nil {
			return err
		}
		x.tree.forget()
		fallthrough
	case errors.Is(err, os.ErrNotExist):
		if err := os.Mkdir(at, 0o700); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	return layerAttributes(at, h)
}

func (x *layerReader) hardLink(at, where string, h *tar.Header) error {
	target, skip, err := layerName(h.Linkname)
	if err != nil || skip || target == "" {
		return fmt.Errorf("it is a hard link to %q", clip(h.Linkname, 200))
	}
	first, err := x.tree.locate(target)
	if err != nil {
		return err
	}
	if _, ours := x.shipped[first]; !ours {
		return fmt.Errorf("it is a hard link to %q, which is no earlier file of the image", clip(h.Linkname, 200))
	}
	x.shipped[where] = x.shipped[first]
	return os.Link(x.tree.at(first), at)
}

func (x *layerReader) create(at string, h *tar.Header, r io.Reader, buf []byte) error {
	switch h.Typeflag {
	case tar.TypeReg:
		f, err := os.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return err
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{f}, r, buf)
		return errors.Join(err, f.Close())
	case tar.TypeSymlink:
		x.tree.forget()
		return os.Symlink(h.Linkname, at)
	}
	return create(&entry{kind: h.Typeflag, major: h.Devmajor, minor: h.Devminor}, at)
}

// layerAttributes sets what an image says of a file. Owners are numbers: the
// image's names are its own.
func layerAttributes(at string, h *tar.Header) error {
	if err := os.Lchown(at, h.Uid, h.Gid); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeSymlink {
		if err := syscall.Chmod(at, uint32(h.Mode)&0o7777); err != nil {
			return &os.PathError{Op: "chmod", Path: at, Err: err}
		}
	}
	var names []string
	for key := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, xattrPrefix); ok && keepsAttribute(name) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		if err := unix.Lsetxattr(at, name, []byte(h.PAXRecords[xattrPrefix+name]), 0); err != nil {
			return &os.PathError{Op: "setxattr " + name, Path: at, Err: err}
		}
	}
	return setTime(at, h.ModTime.Unix())
}

// keepsAttribute tells which extended attributes are the environment's: file
// capabilities, access lists and the users' own. The rest (trusted, overlay,
// SELinux) is that of the machine which made the image.
func keepsAttribute(name string) bool {
	return name == "security.capability" || strings.HasPrefix(name, "system.posix_acl_") ||
		strings.HasPrefix(name, "user.") && !strings.HasPrefix(name, "user.overlay.") &&
			!strings.HasPrefix(name, "user.containers.")
}

// drainVerified reads what a tar reader has left over, so that the hash is checked.
func drainVerified(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}
