//go:build unix

package stage

import (
	"errors"
	"os"
	"syscall"
)

// hold locks an open file or folder until it is closed. free is false when
// somebody else holds it, known when there are no such locks here (on some
// network file systems): then everything may be made, and nothing swept.
func hold(f *os.File) (free, known bool) {
	for {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case err == nil:
			return true, true
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, true
		default:
			return true, false
		}
	}
}
