package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncAll writes out everything of the file system that root is on.
func syncAll(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.Syncfs(int(d.Fd()))
}
