//go:build linux && !amd64

package main

import (
	"errors"

	"satchel/runner/enginetest/wire"
)

// call32 is not written for this machine.
func call32(int64, []wire.Arg) (int64, error) { return 0, errors.New("no 32-bit calls") }
