//go:build !unix

package plan

import (
	"os"

	"satchel/aptmirror"
)

// openPool reads the pool in f.
func openPool(f *os.File, size int64, key string) (*aptmirror.Pool, error) {
	return aptmirror.ReadPool(f, size, key)
}
