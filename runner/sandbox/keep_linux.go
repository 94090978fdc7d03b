package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// unfurnish removes from a root what the engine put there to mount on: the
// hidden folder and the three files of /etc, if they are still the empty ones
// that it made. The folders around them keep their dates.
func unfurnish(root string) error {
	before, err := times(root)
	if err != nil {
		return err
	}
	if err := unix.Rmdir(filepath.Join(root, ".satchel")); err != nil && err != unix.ENOENT {
		return fmt.Errorf("removing .satchel: %w", err)
	}
	if err := restoreTimes(before); err != nil {
		return err
	}
	etc := filepath.Join(root, "etc")
	var st unix.Stat_t
	if err := unix.Lstat(etc, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil // the container has removed it
	}
	before, err = times(etc)
	if err != nil {
		return err
	}
	for name := range etcFiles("") {
		path := filepath.Join(etc, name)
		if err := unix.Lstat(path, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size != 0 {
			continue
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return restoreTimes(before)
}

// syncFS waits until the file system that dir is on holds all that was written.
func syncFS(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = unix.Syncfs(int(d.Fd()))
	return errors.Join(os.NewSyscallError("syncfs", err), d.Close())
}
