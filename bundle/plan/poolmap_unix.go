//go:build unix

package plan

import (
	"os"
	"syscall"

	"satchel/aptmirror"
)

// openPool maps the pool in f into memory. It stays there until the program
// ends, for strings of it may have gone anywhere; a file of a PoolCache is never
// changed, only replaced by another.
func openPool(f *os.File, size int64, key string) (*aptmirror.Pool, error) {
	if size <= 0 || int64(int(size)) != size {
		return nil, aptmirror.ErrPool
	}
	data, err := syscall.Mmap(int(f.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return aptmirror.ReadPool(f, size, key) // some file systems cannot
	}
	pool, err := aptmirror.OpenPool(data, key)
	if err != nil {
		syscall.Munmap(data)
	}
	return pool, err
}
