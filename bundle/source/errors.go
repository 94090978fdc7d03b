package source

import "errors"

// Errors that callers may tell apart.
var (
	// ErrSHA256: the repository names its objects by SHA-256. gitian's
	// manifests and packs of this format hold SHA-1 names only.
	ErrSHA256 = errors.New("the repository uses SHA-256 object names, which gitian's manifests cannot hold")
	// ErrNotFound: the remote has no such ref or commit.
	ErrNotFound = errors.New("not found in the remote")
	// ErrIncomplete: the remote is a shallow or partial clone, which lacks
	// what the commit needs.
	ErrIncomplete = errors.New("the repository is a shallow or partial clone; use a whole one (git fetch --unshallow)")
	// ErrRefused: a name or URL that is not used, whoever asks.
	ErrRefused = errors.New("refused")
	// ErrPack: a pack is not what it should be.
	ErrPack = errors.New("unsound pack")
)

// Limits of what is accepted.
const (
	maxObjects    = 30_000_000
	maxObject     = 8 << 30  // bytes of one blob
	maxParsed     = 64 << 20 // bytes of one commit, tree or tag
	maxSubmodules = 1000
	maxCheckout   = 10_000_000 // files and directories of one commit
	maxNested     = 16         // submodules in one another
	maxOutput     = 256 << 20
)
