// Package imagestore turns a base system that somebody has (a root tarball, a
// docker-save archive, an OCI layout) into OCI content named by SHA-256, and
// OCI content into the one tar that a container is filled from.
//
// # In
//
// Import takes a stream, in any of the usual compressions (gzip, xz, zstd,
// bzip2, lz4, none), and finds out by itself what it is:
//
//   - A root tarball becomes an image of one layer. The layer is the
//     uncompressed tar, byte for byte; its config has no time, no host and no
//     history in it. So the digests depend on what was packed and on the
//     architecture alone: the same tarball compressed in another way is the
//     same image.
//   - A docker-save archive without an OCI layout keeps its config and layers
//     as they are; only the manifest, which such an archive does not hold, is
//     made.
//   - An OCI layout (as a tar or a directory) keeps every blob as it is, and
//     the image's digest is the one that its registry knows.
//
// Nothing is ever unpacked to a file system. Blobs go to a Store, one by one,
// through a reader that lets the end of a blob be seen only if size and hash
// are right.
//
// # Out
//
// Flatten applies the layers of an image to each other and writes one tar.
// Its order makes unpacking simple and safe:
//
//  1. directories, parents first, each directory sorted by name, beginning
//     with "./";
//  2. files, in the order of layers and of the entries within them; a file
//     with several names comes once with its content, under the name that
//     sorts first, and then at once as hard links;
//  3. symbolic links, devices and fifos, sorted as directories are, each
//     followed by its hard links.
//
// So every parent is there before its child, every target before its hard
// link, and no symbolic link exists while a file is being written. Names are
// relative, clean, and never lead through a symbolic link of the image:
// entries that did are resolved within the image's root. Owners are numbers.
// Extended attributes are kept as SCHILY.xattr records. Whoever unpacks
// has to set the modes and times of directories after everything else.
//
// Status reads what dpkg knows from the same view.
//
// This package is pure: it opens what it is handed, and no network, clock or
// environment.
package imagestore
