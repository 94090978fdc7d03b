package store

import (
	"os"
	"path/filepath"
	"strings"
)

// sweep removes the files under partial that nobody can continue and whose
// writer is gone, and checks what such a writer did not sync. It is a tidying:
// what it cannot remove stays.
func (s *Store) sweep() {
	d, err := s.root.Open(partialDir)
	if err != nil {
		return
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, n := range names {
		switch {
		case strings.HasSuffix(n, newSuffix):
			s.sweepOne(filepath.Join(partialDir, n))
		case isMarker(n):
			s.recheck(filepath.Join(partialDir, n))
		}
	}
}

func (s *Store) sweepOne(name string) {
	fi, err := s.root.Lstat(name)
	if err != nil || !fi.Mode().IsRegular() {
		return
	}
	f, err := s.root.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if lock(f) == ours && s.still(name, f) {
		s.root.Remove(name)
	}
}
