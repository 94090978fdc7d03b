package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// copyTree makes the folder to, which is there and empty, the same as from:
// contents (shared on the disk where the file system can), owners, modes,
// times, extended attributes, hard links. Nobody else may write to either.
func copyTree(from, to string) error {
	c := copier{first: map[[2]uint64]string{}, to: to}
	src, err := unix.Open(from, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("copying the environment: %w", err)
	}
	dst, err := unix.Open(to, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(src)
		return fmt.Errorf("copying the environment: %w", err)
	}
	if err := c.folder(src, dst, ""); err != nil {
		return fmt.Errorf("copying the environment: %w", err)
	}
	return nil
}

type copier struct {
	to    string
	first map[[2]uint64]string // of a file with several names: its first one, below to
}

// folder copies what the folder src holds into dst, then its attributes, and
// closes both. path is where it is, for hard links and errors.
func (c *copier) folder(src, dst int, path string) error {
	dir := os.NewFile(uintptr(src), path)
	defer dir.Close()
	defer unix.Close(dst)
	for {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			if err := c.entry(src, dst, path+"/"+name, name); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || err == nil && len(names) == 0 {
			break
		}
		if err != nil {
			return err
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(src, &st); err != nil {
		return err
	}
	return errors.Join(copyXattrs(src, dst), finish(dst, &st))
}

// entry copies one name.
func (c *copier) entry(src, dst int, path, name string) (err error) {
	defer func() {
		if err != nil && !strings.HasPrefix(err.Error(), "/") {
			err = fmt.Errorf("%s: %w", path, err)
		}
	}()
	var st unix.Stat_t
	if err := unix.Fstatat(src, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	kind := st.Mode & unix.S_IFMT
	if kind != unix.S_IFDIR && st.Nlink > 1 {
		id := [2]uint64{st.Dev, st.Ino}
		if first, ok := c.first[id]; ok {
			return unix.Linkat(unix.AT_FDCWD, c.to+first, dst, name, 0)
		}
		c.first[id] = path
	}
	switch kind {
	case unix.S_IFDIR:
		from, to, err := openBoth(src, dst, name, func() error { return unix.Mkdirat(dst, name, 0o700) }, unix.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		return c.folder(from, to, path)
	case unix.S_IFREG:
		return copyFile(src, dst, name, &st)
	case unix.S_IFLNK:
		target := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(src, name, target)
		if err != nil {
			return err
		}
		if err := unix.Symlinkat(string(target[:n]), dst, name); err != nil {
			return err
		}
	default:
		if err := unix.Mknodat(dst, name, st.Mode, int(st.Rdev)); err != nil {
			return err
		}
	}
	return finishAt(dst, name, &st)
}

// openBoth opens one name in two folders, after it has been made in the second.
func openBoth(src, dst int, name string, create func() error, how int) (from, to int, err error) {
	if err := create(); err != nil {
		return -1, -1, err
	}
	if from, err = unix.Openat(src, name, how&^unix.O_ACCMODE|unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0); err != nil {
		return -1, -1, err
	}
	if to, err = unix.Openat(dst, name, how|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0); err != nil {
		unix.Close(from)
		return -1, -1, err
	}
	return from, to, nil
}

// copyFile copies a regular file.
func copyFile(src, dst int, name string, st *unix.Stat_t) error {
	from, to, err := openBoth(src, dst, name, func() error { return unix.Mknodat(dst, name, unix.S_IFREG|0o600, 0) }, unix.O_WRONLY)
	if err != nil {
		return err
	}
	in, out := os.NewFile(uintptr(from), name), os.NewFile(uintptr(to), name)
	defer in.Close()
	if unix.IoctlFileClone(to, from) != nil { // most file systems cannot
		if _, err := io.Copy(out, in); err != nil {
			out.Close()
			return err
		}
	}
	// An owner's change clears set-id bits and capabilities, so it comes first.
	return errors.Join(unix.Fchown(to, int(st.Uid), int(st.Gid)), copyXattrs(from, to), finish(to, st), out.Close())
}

// copyXattrs copies the extended attributes that one may read.
func copyXattrs(from, to int) error {
	names := make([]byte, 64<<10)
	n, err := unix.Flistxattr(from, names)
	if err == unix.EOPNOTSUPP || n == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	value := make([]byte, 64<<10)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		if name == "security.selinux" {
			continue // the host's own label
		}
		n, err := unix.Fgetxattr(from, name, value)
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		if err := unix.Fsetxattr(to, name, value[:n], 0); err != nil {
			return fmt.Errorf("setting %s: %w", name, err)
		}
	}
	return nil
}

// finish gives an open file or folder its owner, mode and times.
func finish(fd int, st *unix.Stat_t) error {
	var now unix.Stat_t
	if err := unix.Fstat(fd, &now); err != nil {
		return err
	}
	if now.Uid != st.Uid || now.Gid != st.Gid {
		if err := unix.Fchown(fd, int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	if err := unix.Fchmod(fd, st.Mode&0o7777); err != nil {
		return err
	}
	return os.NewSyscallError("utimensat", unix.UtimesNanoAt(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), []unix.Timespec{st.Atim, st.Mtim}, 0))
}

// finishAt does the same with what cannot be opened.
func finishAt(dst int, name string, st *unix.Stat_t) error {
	if err := unix.Fchownat(dst, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := unix.Fchmodat(dst, name, st.Mode&0o7777, 0); err != nil {
			return err
		}
	}
	return unix.UtimesNanoAt(dst, name, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
}
