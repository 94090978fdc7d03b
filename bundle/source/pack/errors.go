package pack

import "errors"

// Errors that callers may tell apart.
var (
	// ErrUnsound: a pack or an object is not what it should be.
	ErrUnsound = errors.New("unsound pack")
	// ErrSHA256: the repository names its objects by SHA-256. gitian's
	// manifests and packs of this format hold SHA-1 names only.
	ErrSHA256 = errors.New("the repository uses SHA-256 object names, which gitian's manifests cannot hold")
	// ErrRefused: it may be sound, but is not taken.
	ErrRefused = errors.New("refused")
)

// Limits of what is accepted.
const (
	maxObjects = 30_000_000
	MaxObject  = 8 << 30  // bytes of one blob
	MaxParsed  = 64 << 20 // bytes of one commit, tree or tag
)
