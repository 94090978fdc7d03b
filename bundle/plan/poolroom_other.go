//go:build !linux

package plan

import (
	"os"

	"satchel/aptmirror"
)

// poolFile is Linux's alone: elsewhere pools are built on the heap, and written in
// the end.
type poolFile struct{ file *os.File }

func (c PoolCache) make(int) *poolFile { return nil }

func (p *poolFile) memory() []byte { return nil }

func (p *poolFile) seal(*aptmirror.PoolBuilder, *aptmirror.Pool, string) (bool, error) {
	return false, nil
}

func (p *poolFile) drop() error { return nil }
