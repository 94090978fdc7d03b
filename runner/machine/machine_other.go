//go:build !linux

package machine

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"satchel/runner/probe"
)

var errElsewhere = errors.New("builds run on another machine")

// ReadMemory has no answer here: containers are on another machine.
func ReadMemory() (Memory, error) { return Memory{}, errElsewhere }

// FreeAt is what the file system of folder has left.
func FreeAt(folder string) (Free, string, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return Free{}, folder, err
	}
	return Free{Kind: "disk", Bytes: int64(s.Bavail) * int64(s.Bsize), Inodes: -1}, folder, nil
}

func run32() error { return errElsewhere }

func trySELinux(context.Context) (string, error) { return "", probe.NotNeeded(errElsewhere.Error()) }

func tryAppArmor(context.Context) (string, error) { return "", probe.NotNeeded(errElsewhere.Error()) }

func tryShm(context.Context) (string, error) { return "", probe.NotNeeded(errElsewhere.Error()) }
