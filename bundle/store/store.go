// Package store keeps blobs in a directory, each under the name of its own
// SHA-256:
//
//	DIR/sha256/ab/abcdef…   a whole blob, 64 lower-case hexadecimal digits
//	DIR/partial/abcdef…     the first bytes of a blob that is being fetched
//	DIR/partial/NAME.new    a blob on its way in that nobody can continue
//	DIR/partial/NAME.unsynced   says that fetched blobs wait for a Flush
//
// A name below sha256 appears by one rename, after size and hash have been
// checked. What Put, Add and Import store has been synced by then; what is
// fetched is synced all at once by Flush, and the marker says so until then: a
// process that finds a dead one's marker checks what came since before it
// trusts it. So a name never holds half a blob, not even after a power cut.
// A cut may lose what no Flush has covered yet.
// What is read is hashed again: a blob that a disk or a person has changed is
// an error, is removed, and is then simply missing, so that it is fetched
// again. Symbolic links, devices and pipes below DIR are never followed or
// opened. DIR itself may be a link.
//
// Any number of processes may use one directory at a time. There is no lock on
// the whole: a file under partial is held by flock while somebody writes it,
// and who comes second writes under a name of their own.
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"satchel/manifest"
)

const (
	blobDir    = "sha256"
	partialDir = "partial"
	newSuffix  = ".new"

	dirMode  = 0o755
	blobMode = 0o444 // of a whole blob; a partial has 0644
)

// A Store is a directory of blobs. It may be used by many goroutines.
type Store struct {
	dir  string
	root *os.Root
	ops  ops

	flushing sync.RWMutex // read-held from a blob's entry in a batch to its rename

	mu    sync.Mutex
	dirty map[string]bool // directories with names that have not been synced
	batch *batch          // blobs that have not been synced; nil if there are none
}

// ops are the calls that may fail for want of space or by a bad disk; the
// tests put failing ones in their place.
type ops struct {
	write  func(f *os.File, p []byte) (int, error)
	sync   func(f *os.File) error
	rename func(root *os.Root, from, to string) error
	// syncAll may be unsupported.
	syncAll func(root *os.Root) error
}

// Open opens the store in dir, and makes it and the directory itself where
// they are missing. It removes what writers that no longer live left behind,
// but for partial blobs that can be continued. The caller must Close it.
func Open(dir string) (*Store, error) {
	if dir == "" {
		return nil, errors.New("opening store: no directory was given")
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("opening store: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening store: %w", err)
	}
	s := &Store{
		dir:   dir,
		root:  root,
		dirty: map[string]bool{},
		ops: ops{
			write:  (*os.File).Write,
			sync:   (*os.File).Sync,
			rename: (*os.Root).Rename,

			syncAll: syncAll,
		},
	}
	for _, d := range []string{blobDir, partialDir} {
		if err := s.makeDir(d, "."); err != nil {
			root.Close()
			return nil, fmt.Errorf("opening store %s: %w", dir, err)
		}
	}
	s.sweep()
	return s, nil
}

// Dir returns the directory that Open was given.
func (s *Store) Dir() string { return s.dir }

// Flush makes every blob that was put before survive a power cut, by syncing
// what was fetched and the directories that got new names. It is cheap when
// there are none. Fetched blobs that cannot be synced are removed.
func (s *Store) Flush() error {
	s.flushing.Lock()
	s.mu.Lock()
	dirty, batch := s.dirty, s.batch
	s.dirty, s.batch = map[string]bool{}, nil
	s.mu.Unlock()
	s.flushing.Unlock()
	synced, first := s.finish(batch)
	if synced {
		return nil
	}
	if first != nil {
		first = fmt.Errorf("syncing store %s: %w", s.dir, first)
	}
	for d := range dirty {
		if err := s.syncDir(d); err != nil {
			s.mark(d)
			if first == nil {
				first = fmt.Errorf("syncing store %s: %w", s.dir, err)
			}
		}
	}
	return first
}

// Close is Flush, and gives the directory back. Files that were opened stay
// usable.
func (s *Store) Close() error {
	err := s.Flush()
	if e := s.root.Close(); err == nil {
		err = e
	}
	return err
}

// Has tells whether the store holds a regular file of b's name and size. It
// does not read it; a reader from Open does.
func (s *Store) Has(b manifest.Blob) bool {
	_, err := s.stat(b)
	return err == nil
}

// Find tells how long the blob of a hash is, if the store holds it.
func (s *Store) Find(d manifest.Digest) (manifest.Blob, bool) {
	if d.IsZero() || s.checkDir(shard(d)) != nil {
		return manifest.Blob{}, false
	}
	fi, err := s.root.Lstat(blobName(d))
	if err != nil || !fi.Mode().IsRegular() {
		return manifest.Blob{}, false
	}
	return manifest.Blob{SHA256: d, Size: fi.Size()}, true
}

// shard and blobName give the places of a blob.
func shard(d manifest.Digest) string { return filepath.Join(blobDir, d.Hex()[:2]) }

func blobName(d manifest.Digest) string {
	h := d.Hex()
	return filepath.Join(blobDir, h[:2], h)
}

// checkBlob refuses names that name nothing.
func checkBlob(b manifest.Blob) error {
	if b.SHA256.IsZero() {
		return fmt.Errorf("%w: no hash was given", manifest.ErrDigest)
	}
	if b.Size < 0 {
		return fmt.Errorf("%w: its size is given as %d bytes", manifest.ErrDigest, b.Size)
	}
	return nil
}

// makeDir makes the directory d below parent, or finds it; anything else
// under that name, a link to a directory too, is an error.
func (s *Store) makeDir(d, parent string) error {
	if err := s.checkDir(d); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.root.Mkdir(d, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	s.mark(parent)
	return s.checkDir(d)
}

func (s *Store) checkDir(d string) error {
	fi, err := s.root.Lstat(d)
	if err != nil {
		return err
	}
	if !fi.IsDir() {
		return fmt.Errorf("%s is no directory but %s; remove it", filepath.Join(s.dir, d), kind(fi))
	}
	return nil
}

func (s *Store) mark(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty[dir] = true
}

func (s *Store) syncDir(d string) error {
	f, err := s.root.Open(d)
	if err != nil {
		return err
	}
	defer f.Close()
	return s.ops.sync(f)
}

// kind names what a file is, for messages.
func kind(fi fs.FileInfo) string {
	switch m := fi.Mode(); {
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	default:
		return "a file"
	}
}
