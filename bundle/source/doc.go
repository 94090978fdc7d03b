// Package source turns git remotes and plain files into blobs.
//
// Lock asks the system's git to fetch one ref of a remote into a bare
// repository in a work directory, resolves it as gitian does (a tag with its
// tag object, a branch, a commit), does the same for every submodule of the
// commit, and stores one pack for each; package pack says what that is. This
// needs the network.
//
// Locate finds a descriptor's files below the user's inputs directory and
// stores them.
package source
