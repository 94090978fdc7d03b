package source

import (
	"errors"

	"satchel/bundle/source/pack"
)

// Errors that callers may tell apart.
var (
	// ErrSHA256: the repository names its objects by SHA-256.
	ErrSHA256 = pack.ErrSHA256
	// ErrNotFound: the remote has no such ref or commit.
	ErrNotFound = errors.New("not found in the remote")
	// ErrIncomplete: the remote is a shallow or partial clone, which lacks
	// what the commit needs.
	ErrIncomplete = errors.New("the repository is a shallow or partial clone; use a whole one (git fetch --unshallow)")
	// ErrRefused: a name or URL that is not used, whoever asks.
	ErrRefused = pack.ErrRefused
)

// Limits of what is accepted.
const (
	maxSubmodules = 1000
	maxCheckout   = 10_000_000 // files and directories of one commit
	maxNested     = 16         // submodules in one another
	maxOutput     = 256 << 20
)
