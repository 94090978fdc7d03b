// Package bundle reads, writes, signs and verifies bundles: one file that
// holds a lock, every blob that the lock names, and signatures.
//
// A bundle is a plain tar file in one canonical form, and at the same time an
// OCI image layout. Nothing in it is free: given the lock and the signatures,
// every other byte of the file, tar headers and padding included, is known
// before it is read. So a reader here does not interpret a bundle, it works
// out what the bundle must be and compares. OFFLINE.md describes the format.
//
//	oci-layout                      constant
//	index.json                      the manifest, base images, signatures
//	blobs/sha256/<manifest>         names the lock and every blob; what is signed
//	blobs/sha256/<lock>
//	blobs/sha256/<empty config>     "{}", which each signature's manifest refers to
//	blobs/sha256/<referrer>         for each signature: its manifest,
//	blobs/sha256/<signature>        and itself
//	.satchel/filler                 zeros: room for more signatures
//	blobs/sha256/…                  every blob, by digest
//
// All before the filler's end is the front. A reader that has the front knows
// who signed what, and how long the file is, before it touches a bulk byte:
//
//	f, err := bundle.Open("hello.satchel")             // reads the front
//	v, report, err := f.Verify(ctx, policy, nil)       // trust first, then every byte
//	r, err := v.Open(blob)                             // and again while it is read
//
// The package opens no network, reads no clock and no environment.
package bundle

import (
	"io"

	"satchel/manifest"
)

// Media types of the documents in a bundle.
const (
	MediaTypeBundle  = "application/vnd.satchel.bundle.v1"        // artifactType of the manifest
	MediaTypeLock    = "application/vnd.satchel.lock.v1+yaml"     // the manifest's config
	MediaTypeSSHSig  = "application/vnd.satchel.signature.ssh.v1" // an armoured SSHSIG
	mediaTypeOCI     = "application/vnd.oci.image.manifest.v1+json"
	mediaTypeIndex   = "application/vnd.oci.image.index.v1+json"
	mediaTypeEmpty   = "application/vnd.oci.empty.v1+json"
	annotationTitle  = "org.opencontainers.image.title"
	annotationRef    = "org.opencontainers.image.ref.name"
	refBundle        = "satchel" // the manifest's name in index.json
	signatureTitle   = "satchel-bundle.sig"
	emptyConfig      = "{}"
	layoutFile       = `{"imageLayoutVersion":"1.0.0"}`
	layoutName       = "oci-layout"
	indexName        = "index.json"
	fillerName       = ".satchel/filler"
	blobPrefix       = "blobs/sha256/"
	frontStep        = 64 << 10 // the front's size is a multiple of this
	frontRoom        = 32 << 10 // and an unsigned front has at least this much filler
	endSize          = 2 * blockSize
	copySize         = 1 << 20   // bytes read at a time
	fileCopySize     = 256 << 10 // bytes read at a time where many do; near the processor
	maxBlobs         = 1 << 20
	maxBlobSize      = 1 << 48
	maxReferrerSize  = 4 << 10
	maxIndexSize     = 1 << 20
	maxTitle         = 16 << 10
	MaxManifestSize  = 64 << 20 // bytes; read before anything is trusted
	MaxLockSize      = 64 << 20 // bytes; likewise
	MaxSignatures    = 64       // in one bundle
	MaxSignatureSize = 64 << 10 // bytes of one signature
)

// SignatureNamespace is the SSHSIG namespace of a bundle's signatures, the -n
// of ssh-keygen -Y.
const SignatureNamespace = "satchel-bundle"

// Source gives the bytes of blobs. A bundle checks every byte it gets.
type Source interface {
	// Open opens one blob. Its error wraps fs.ErrNotExist when the source does
	// not have it. It may be called from several goroutines.
	Open(manifest.Blob) (io.ReadCloser, error)
}

// Progress hears how far a long work has come. Its methods may be called from
// several goroutines. A nil Progress is not told anything.
type Progress interface {
	Total(bytes int64) // once, before the first Add
	Add(bytes int64)
}

// silent is the Progress of a caller that gave none.
type silent struct{}

func (silent) Total(int64) {}
func (silent) Add(int64)   {}

func orSilent(p Progress) Progress {
	if p == nil {
		return silent{}
	}
	return p
}
