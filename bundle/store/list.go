package store

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"

	"satchel/manifest"
)

// All gives every whole blob, sorted by hash, without reading it. What is not
// named as a blob is passed over. An error ends the list.
func (s *Store) All() iter.Seq2[manifest.Blob, error] {
	return func(yield func(manifest.Blob, error) bool) {
		shards, err := s.names(blobDir)
		if err != nil {
			yield(manifest.Blob{}, err)
			return
		}
		for _, d := range shards {
			if len(d) != 2 || s.checkDir(filepath.Join(blobDir, d)) != nil {
				continue
			}
			names, err := s.names(filepath.Join(blobDir, d))
			if err != nil {
				yield(manifest.Blob{}, err)
				return
			}
			for _, n := range names {
				b, ok := s.named(d, n)
				if ok && !yield(b, nil) {
					return
				}
			}
		}
	}
}

// named gives the blob whose file is n in shard d.
func (s *Store) named(d, n string) (manifest.Blob, bool) {
	sum, err := manifest.ParseDigest(n)
	if err != nil || sum.Hex() != n || n[:2] != d {
		return manifest.Blob{}, false
	}
	fi, err := s.root.Lstat(blobName(sum))
	if err != nil || !fi.Mode().IsRegular() {
		return manifest.Blob{}, false
	}
	return manifest.Blob{SHA256: sum, Size: fi.Size()}, true
}

// names lists a directory, sorted; one that is gone is empty.
func (s *Store) names(dir string) ([]string, error) {
	f, err := s.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing store %s: %w", s.dir, err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("listing store %s: %w", s.dir, err)
	}
	slices.Sort(names)
	return names, nil
}
