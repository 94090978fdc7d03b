// Package pack writes and checks the git packs that a bundle carries. It is
// pure: whoever writes hands it the objects, and checking needs a reader only.
//
// A pack holds everything that the commit, and the tag object if there is one,
// reach: nothing less and nothing more. It is an ordinary version 2 packfile
// (git's Documentation/gitformat-pack.txt) that `git index-pack --strict`
// takes. But its bytes depend on the commit and tag alone, not on the version
// of git, the packs of the remote, the threads or the way it was cloned. So it
// is not written by git, which promises nothing of the kind, but here:
//
//   - Objects are found by a walk of our own: tags from the outermost, commits
//     breadth first from the tip with parents in order, then trees breadth
//     first in the order of commits, then blobs as the trees name them.
//   - They are written in the order tags and commits, trees, blobs. Trees and
//     blobs are sorted by a hash of the path where the walk first met them (as
//     git does, so that versions of a file stand beside one another), then by
//     size, largest first, then in the order of the walk, newest first.
//   - They are cut into groups, when the path changes after 2048 objects or 8
//     MiB of content, or else at 32768 objects or 64 MiB. An object of more than
//     4 MiB is a group of its own.
//   - Within a group an object may be a delta (OFS_DELTA) against one of
//     the ten objects before it that has its type. Groups do not depend on one another,
//     so they are made on all cores, and their cuts do not depend on how many
//     there are.
//   - Deltas are found by the code in delta.go, and compressed by
//     klauspost/compress, whose version go.sum pins; the standard library's
//     output may change with the toolchain.
//
// go-git's encoder would also have been deterministic. It holds all objects in
// memory, its deltas may stand anywhere, and its output may change with a
// release. The rule of ten is worth more than its price in size: it lets
// Check, the offline half, read a pack in one pass with bounded memory, without
// git and without writing anything. It is a small price: the whole history of
// libsecp256k1 (13,349 objects, 210 MB) takes 10.98 MB, git's own pack of it
// made anew (window 10, depth 50) 10.81 MB.
package pack
