package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"satchel/manifest"
)

// unsyncedSuffix ends the name of a marker below partial: while it is there,
// blobs may have names whose bytes are not on the disk yet.
const unsyncedSuffix = ".unsynced"

// oneByOne is up to how many blobs are synced each by itself, and not the whole
// file system, on which others may be writing much.
const oneByOne = 8

// clockSlack is how far a clock may have been set back while a store was
// written to.
const clockSlack = 24 * time.Hour

// batch is blobs that got their names and wait for one Flush to sync them all,
// for a sync for each would cost a fetch more time than all else. If the
// process ends before that, the marker stays, and the next Open checks what
// the store got since.
type batch struct {
	marker *os.File // locked while the process lives
	name   string
	blobs  []manifest.Blob
}

// begin makes a batch, whose marker is on the disk before any blob of it can be.
func (s *Store) begin() (*batch, error) {
	b := &batch{name: filepath.Join(partialDir, rand.Text()+unsyncedSuffix)}
	f, err := s.root.OpenFile(b.name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	b.marker = f
	if lock(f) != ours {
		err = errors.ErrUnsupported // nobody could tell the living from the dead
	}
	if err == nil {
		err = s.ops.sync(f)
	}
	if err == nil {
		err = s.syncDir(partialDir)
	}
	if err != nil {
		s.root.Remove(b.name)
		f.Close()
		return nil, err
	}
	return b, nil
}

// defers leaves the sync of b, which is about to get its name, to the next
// Flush. After an error it must be synced now. The caller holds s.flushing for
// reading until b has its name.
func (s *Store) defers(b manifest.Blob) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.batch == nil {
		batch, err := s.begin()
		if err != nil {
			return err
		}
		s.batch = batch
	}
	s.batch.blobs = append(s.batch.blobs, b)
	return nil
}

// finish syncs a batch, and tells whether the directories were synced with it.
// Blobs that the disk may not have are removed.
func (s *Store) finish(b *batch) (dirs bool, err error) {
	if b == nil {
		return false, nil
	}
	defer b.marker.Close()
	dirs, err = s.syncBlobs(b.blobs)
	if err != nil {
		for _, blob := range b.blobs {
			err = errors.Join(err, s.Remove(blob))
		}
		err = fmt.Errorf("%w; what was fetched last is removed, and has to be fetched again", err)
	}
	return dirs && err == nil, errors.Join(err, s.root.Remove(b.name))
}

// syncBlobs makes the bytes of blobs durable, and where it does so by syncing
// the whole file system, all directories too. A blob that is gone is passed
// over.
func (s *Store) syncBlobs(blobs []manifest.Blob) (dirs bool, err error) {
	if len(blobs) > oneByOne {
		err := s.ops.syncAll(s.root)
		if !errors.Is(err, errors.ErrUnsupported) {
			return true, err
		}
	}
	for _, b := range blobs {
		f, err := s.root.Open(blobName(b.SHA256))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = s.ops.sync(f)
			f.Close()
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// recheck reads what the store got since the marker was made, by a process that
// ended without a Flush, and throws away what is wrong: not all of it may have
// reached the disk.
func (s *Store) recheck(marker string) {
	f, err := s.root.OpenFile(marker, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || lock(f) != ours || !s.still(marker, f) {
		return
	}
	since := fi.ModTime().Add(-clockSlack)
	var suspects []manifest.Blob
	for b, err := range s.All() {
		if err != nil {
			return
		}
		if fi, err := s.stat(b); err == nil && !fi.ModTime().Before(since) {
			suspects = append(suspects, b)
			s.Check(context.Background(), b)
		}
	}
	if _, err := s.syncBlobs(suspects); err == nil {
		s.root.Remove(marker)
	}
}

func isMarker(name string) bool { return strings.HasSuffix(name, unsyncedSuffix) }
