package fetch

import (
	"io"

	"satchel/manifest"
)

// A Job is one blob and where it may be found.
type Job struct {
	Name string   // for people: a file or package name
	URLs []string // http, https and file URLs and absolute paths, tried in this order
	Blob manifest.Blob
}

// Store is where blobs go; package bundle/store has one on disk. Its methods
// are called by many goroutines.
type Store interface {
	// Has tells whether b is there already, so that it need not be fetched.
	Has(b manifest.Blob) bool
	// Partial opens the partial bytes of b, to continue or to begin with.
	Partial(b manifest.Blob) (Partial, error)
	// Flush makes all that was committed durable.
	Flush() error
}

// Partial is a blob on its way in. One goroutine at a time uses it.
//
// An error that wraps manifest.ErrDigest says that the bytes are wrong; any
// other means that the store itself fails, which ends the whole Fetch.
type Partial interface {
	// Write appends. It refuses to go beyond the blob's size.
	io.Writer
	// Offset is how many bytes are there.
	Offset() int64
	// Reset throws the bytes away and begins again.
	Reset() error
	// Commit checks size and hash and makes the bytes the blob. Bytes that do
	// not match are thrown away. After it, Close and Discard do nothing.
	Commit() error
	// Close keeps the bytes for another time.
	Close() error
	// Discard throws the bytes away, and closes. Close may follow.
	Discard() error
}

// Progress is told how a Fetch goes on. Its methods are called by many
// goroutines, though never two at a time.
type Progress interface {
	// Start comes first, once: bytes and items that are not stored yet.
	Start(total int64, items int)
	// Add tells that n more bytes are there; n is negative when bytes turned
	// out to be wrong and have to be fetched again.
	Add(n int64)
	// Item tells that the item of this name is stored.
	Item(name string)
	// Done comes last, once, however the Fetch ended.
	Done()
}

// NoProgress is a Progress that tells nobody.
type NoProgress struct{}

// Start does nothing.
func (NoProgress) Start(int64, int) {}

// Add does nothing.
func (NoProgress) Add(int64) {}

// Item does nothing.
func (NoProgress) Item(string) {}

// Done does nothing.
func (NoProgress) Done() {}
