package stage

import (
	"os"

	"golang.org/x/sys/unix"
)

// StartWriting has the kernel begin to write n bytes of f from off to the disk, and does not wait
// for it: so the disk works while more comes, and the sync at the end has little left to do. It
// promises nothing, and a file system that cannot do it is left alone.
func StartWriting(f *os.File, off, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
}
