package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxDepth    = 64 // folders open at a time; a deeper one is moved up first
	removeTries = 50 // how often a folder may turn out not to be empty
)

// removeTree deletes the folder parent/name and all below. It follows no
// symbolic link and enters no other mount; both would be a bug or an attack,
// so they are errors. A folder that fills up while it is emptied (its
// container is being killed) is emptied again, for a few seconds. What does
// not exist is removed already.
func removeTree(parent, name string) error {
	dir, err := unix.Open(parent, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("removing %s/%s: %w", parent, name, err)
	}
	defer unix.Close(dir)
	rm := remover{parent: dir, name: name}
	for try := 0; ; try++ {
		err = rm.remove(dir, name, 0)
		if !errors.Is(err, unix.ENOTEMPTY) || try == removeTries {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("removing %s/%s: %w", parent, name, err)
	}
	return nil
}

type remover struct {
	parent int    // where the tree is
	name   string // of the tree's top
	moved  int    // folders moved up so far
}

// remove deletes one folder and its content.
func (rm *remover) remove(at int, name string, depth int) error {
	fd, err := openInside(at, name)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	dir := os.NewFile(uintptr(fd), name)
	defer dir.Close()
	for {
		// No error is final before the folder itself cannot be removed.
		entries, rerr := dir.ReadDir(1024)
		for _, e := range entries {
			if err := rm.entry(fd, e.Name(), e.IsDir(), depth); err != nil {
				return err
			}
		}
		if rerr != nil || len(entries) == 0 {
			break
		}
	}
	return unlink(at, name, fd, unix.AT_REMOVEDIR)
}

func (rm *remover) entry(at int, name string, isDir bool, depth int) error {
	if !isDir {
		err := unlink(at, name, -1, 0)
		if !errors.Is(err, unix.EISDIR) {
			return err
		}
	}
	if depth < maxDepth {
		return rm.remove(at, name, depth+1)
	}
	return rm.moveUp(at, name)
}

// moveUp takes a folder that lies too deep to the top and removes it there.
func (rm *remover) moveUp(at int, name string) error {
	top, err := openInside(rm.parent, rm.name)
	if err != nil {
		return err
	}
	defer unix.Close(top)
	for {
		rm.moved++
		up := ".deep-" + strconv.Itoa(rm.moved)
		err := unix.Renameat2(at, name, top, up, unix.RENAME_NOREPLACE)
		if err == unix.EEXIST {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil // the top's next pass finds it
	}
}

// openInside opens a folder for reading, without following a link or crossing
// a mount, and makes it one that its owner may change.
func openInside(at int, name string) (int, error) {
	how := &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	}
	fd, err := unix.Openat2(at, name, how)
	if err == unix.EACCES { // not root: mode 000 and the like
		if unix.Fchmodat(at, name, 0o700, unix.AT_SYMLINK_NOFOLLOW) == nil || unix.Fchmodat(at, name, 0o700, 0) == nil {
			fd, err = unix.Openat2(at, name, how)
		}
	}
	if err != nil {
		return -1, fmt.Errorf("%s: %w", name, err)
	}
	if os.Geteuid() != 0 {
		unix.Fchmod(fd, 0o700) // or else unlink says why not
	}
	return fd, nil
}

// unlink removes one name; an immutable or append-only file or folder is made
// an ordinary one first. self is the thing itself when it is a folder.
func unlink(at int, name string, self, flags int) error {
	err := unix.Unlinkat(at, name, flags)
	if err == unix.EPERM {
		clearFlags(at)
		if self >= 0 {
			clearFlags(self)
		} else if fd, oerr := unix.Openat(at, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); oerr == nil {
			clearFlags(fd)
			unix.Close(fd)
		}
		err = unix.Unlinkat(at, name, flags)
	}
	if err != nil && err != unix.ENOENT {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// clearFlags takes the immutable and append-only attributes away, if it may.
func clearFlags(fd int) {
	const immutable, appendOnly = 0x10, 0x20 // FS_IMMUTABLE_FL, FS_APPEND_FL
	attrs, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err == nil && attrs&(immutable|appendOnly) != 0 {
		unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(attrs&^(immutable|appendOnly)))
	}
}
