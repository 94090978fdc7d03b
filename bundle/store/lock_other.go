//go:build !unix

package store

import (
	"io/fs"
	"os"
)

// holding is what became of an attempt to lock a file.
type holding int

const (
	ours     holding = iota
	busy             // somebody else holds it
	lockless         // this file system has no locks
)

// lock knows no locks here: nothing is resumed, and every writer has a name of
// its own.
func lock(*os.File) holding { return lockless }

func linked(fs.FileInfo) bool { return false }
