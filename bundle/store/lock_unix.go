//go:build unix

package store

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// holding is what became of an attempt to lock a file.
type holding int

const (
	ours     holding = iota
	busy             // somebody else holds it
	lockless         // this file system has no locks
)

// lock takes the file for this writer, without waiting. Closing the file, or
// the end of the process however it comes, gives it back.
func lock(f *os.File) holding {
	for {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case err == nil:
			return ours
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return busy
		default:
			return lockless
		}
	}
}

// linked tells whether the file has other names, so that writing to it would
// change what is not ours.
func linked(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Nlink > 1
}
