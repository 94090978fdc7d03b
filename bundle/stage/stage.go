// Package stage makes the files and folders in which something grows until it
// gets its name. Each is locked by the program that fills it, and the lock ends
// with that program, however it ends: so what a killed one has left is told from
// what is being made, and the next program that makes one of the same kind in
// the same folder removes it.
package stage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// tries bounds how often a new name may be lost to somebody's sweeping.
const tries = 10

// Folder makes a folder PREFIX<digits> in dir, mode 0700, after it has removed
// those of that form that nobody fills. Closing held gives the lock back; the
// folder stays.
func Folder(dir, prefix string) (path string, held *os.File, err error) {
	sweep(dir, prefix, "", true)
	for range tries {
		if path, err = os.MkdirTemp(dir, prefix); err != nil {
			return "", nil, err
		}
		if held, err = os.Open(path); err != nil {
			continue
		}
		if free, _ := hold(held); free && same(held, path) {
			return path, held, nil
		}
		held.Close()
		err = errors.New("somebody else has taken it")
	}
	return "", nil, fmt.Errorf("making %s: %w", path, err)
}

// File makes a file PREFIX<digits>SUFFIX in dir, likewise. Closing it gives the
// lock back.
func File(dir, prefix, suffix string) (f *os.File, err error) {
	sweep(dir, prefix, suffix, false)
	for range tries {
		if f, err = os.CreateTemp(dir, prefix+"*"+suffix); err != nil {
			return nil, err
		}
		if free, _ := hold(f); free && same(f, f.Name()) {
			return f, nil
		}
		f.Close()
		err = errors.New("somebody else has taken it")
	}
	return nil, fmt.Errorf("making a file in %s: %w", dir, err)
}

// sweep removes what has such a name and no holder. What cannot be removed
// hinders nobody, and stays.
func sweep(dir, prefix, suffix string, folder bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		middle, ok := strings.CutPrefix(e.Name(), prefix)
		middle, ended := strings.CutSuffix(middle, suffix)
		if !ok || !ended || middle == "" || strings.Trim(middle, "0123456789") != "" || e.IsDir() != folder || !e.IsDir() && !e.Type().IsRegular() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if free, known := hold(f); free && known && same(f, path) {
			os.RemoveAll(path)
		}
		f.Close()
	}
}

// same tells whether an open file still has that name.
func same(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(path)
	return err == nil && b.Mode()&fs.ModeSymlink == 0 && os.SameFile(a, b)
}
