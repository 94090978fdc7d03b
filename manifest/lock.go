package manifest

// LockVersion is the version of the lock format that this package reads and writes.
const LockVersion = 1

// A Lock is the plan of a build with every wish pinned to a hash. It is a text
// file that people review and commit; OFFLINE.md describes the format.
// Everything in it is sorted as its field says, so that equal plans are equal
// bytes.
type Lock struct {
	Version     int             `yaml:"satchel-lock" json:"satchelLock"`            // LockVersion
	Descriptors []DescriptorPin `yaml:"descriptors" json:"descriptors"`             // by name
	Archives    []ArchivePin    `yaml:"archives" json:"archives"`                   // by ID
	Asserts     []AssertPin     `yaml:"asserts,omitempty" json:"asserts,omitempty"` // in the order given; the first of a descriptor is what its packages are
	Targets     []Target        `yaml:"targets" json:"targets"`                     // by descriptor, then in the descriptor's own order
}

// DescriptorPin is one descriptor and all that it takes besides packages.
type DescriptorPin struct {
	Name      string `yaml:"name" json:"name"` // the descriptor's own name
	File      string `yaml:"file" json:"file"` // base name of the file that was read
	Blob      `yaml:",inline"`
	Reference string      `yaml:"reference" json:"reference"` // "YYYY-MM-DD HH:MM:SS", UTC; REFERENCE_DATETIME
	Sources   []SourcePin `yaml:"sources" json:"sources"`     // in the descriptor's order
	Files     []FilePin   `yaml:"files" json:"files"`         // in the descriptor's order
}

// SourcePin is one git remote.
type SourcePin struct {
	Dir        string         `yaml:"dir" json:"dir"`
	URL        string         `yaml:"url" json:"url"`
	Ref        string         `yaml:"ref" json:"ref"`                     // what was asked for: a tag, a branch or a commit
	Commit     string         `yaml:"commit" json:"commit"`               // 40 hexadecimal digits
	Tag        string         `yaml:"tag,omitempty" json:"tag,omitempty"` // tag object when Ref is an annotated tag
	Date       string         `yaml:"date" json:"date"`                   // author date of Commit, UTC, "YYYY-MM-DD HH:MM:SS"
	Pack       Blob           `yaml:"pack" json:"pack"`                   // a git pack: everything that Commit and Tag reach
	Submodules []SubmodulePin `yaml:"submodules,omitempty" json:"submodules,omitempty"`
}

// SubmodulePin is one submodule, however deep, of a source.
type SubmodulePin struct {
	Path   string `yaml:"path" json:"path"` // from the source's top, slashes
	Name   string `yaml:"name" json:"name"` // as .gitmodules calls it
	URL    string `yaml:"url" json:"url"`
	Commit string `yaml:"commit" json:"commit"`
	Pack   Blob   `yaml:"pack" json:"pack"`
}

// FilePin is one entry of a descriptor's files.
type FilePin struct {
	Name          string `yaml:"name" json:"name"`
	Blob          `yaml:",inline"`
	URL           string `yaml:"url,omitempty" json:"url,omitempty"`                      // where anyone may fetch it
	SourcePackage string `yaml:"source-package,omitempty" json:"sourcePackage,omitempty"` // or: the source package it is part of
	Archive       string `yaml:"archive,omitempty" json:"archive,omitempty"`              // ID of the archive of SourcePackage
	Path          string `yaml:"path,omitempty" json:"path,omitempty"`                    // in that archive
	Private       bool   `yaml:"private,omitempty" json:"private,omitempty"`              // may not be redistributed
}

// ArchivePin is one suite of a Debian archive, as it was published at one moment.
type ArchivePin struct {
	Name       string   `yaml:"name" json:"name"`                   // "debian", "debian-security", "ubuntu", …: never a host
	Suite      string   `yaml:"suite" json:"suite"`                 // directory below dists/, "bookworm-updates"
	URI        string   `yaml:"uri,omitempty" json:"uri,omitempty"` // where a descriptor says that it is; "" for a distribution's own
	Components []string `yaml:"components" json:"components"`       // sorted
	Date       string   `yaml:"date" json:"date"`                   // Date of the Release file, RFC 3339, UTC
	// Snapshot is the moment that was asked of a snapshot service, RFC 3339, UTC;
	// "" if the archive was taken as it was then.
	Snapshot string `yaml:"snapshot,omitempty" json:"snapshot,omitempty"`
	// Waived are the checks of the archive that whoever locked has let go.
	Waived   []Waiver      `yaml:"waived,omitempty" json:"waived,omitempty"` // sorted
	SignedBy []string      `yaml:"signed-by" json:"signedBy"`                // fingerprints of primary keys, upper-case hex, sorted
	Keyring  Blob          `yaml:"keyring" json:"keyring"`                   // those public keys, as the archive's keyring held them
	Release  []ArchiveFile `yaml:"release" json:"release"`                   // InRelease; or Release and Release.gpg
	Indexes  []ArchiveFile `yaml:"indexes" json:"indexes"`                   // Packages.* and Sources.*, by path
}

// A Waiver is a check of an archive that somebody chose to do without.
type Waiver string

// The checks that can be let go.
const (
	WaivedExpiry Waiver = "expiry" // the Release was past its Valid-Until
	WaivedHashes Waiver = "hashes" // the Release lists its indexes by MD5 or SHA-1 alone
	// WaivedSignatures: the Release is signed by DSA keys or with SHA-1 alone.
	WaivedSignatures Waiver = "signatures"
)

// Meaning says, for people, what it is that was let go.
func (w Waiver) Meaning() string {
	switch w {
	case WaivedExpiry:
		return "locked although it was past its Valid-Until"
	case WaivedHashes:
		return "locked although it lists its indexes by SHA-1 or MD5 alone"
	case WaivedSignatures:
		return "locked although it is signed by a DSA key or with SHA-1 alone, which can be forged by now"
	}
	return "locked without a check of " + string(w)
}

// waivers lists them all.
func waivers() []Waiver { return []Waiver{WaivedExpiry, WaivedHashes, WaivedSignatures} }

// ID names an archive pin within its lock: name, slash, suite.
func (a ArchivePin) ID() string { return a.Name + "/" + a.Suite }

// ArchiveFile is a file below dists/SUITE/ of an archive.
type ArchiveFile struct {
	Path string `yaml:"path" json:"path"` // from dists/SUITE/, "main/binary-amd64/Packages.xz"
	Blob `yaml:",inline"`
}

// Target is one build: a descriptor on one suite and architecture.
type Target struct {
	Descriptor   string       `yaml:"descriptor" json:"descriptor"`
	Distro       string       `yaml:"distro" json:"distro"`
	Suite        string       `yaml:"suite" json:"suite"`
	Architecture string       `yaml:"architecture" json:"architecture"` // as the descriptor says it: amd64, i386, linux64
	Image        Image        `yaml:"image" json:"image"`
	Packages     []PackagePin `yaml:"packages" json:"packages"` // to be installed; by name, architecture
	// Installed is what an image holds already and keeps; empty for bootstrap.
	Installed []InstalledPin `yaml:"installed,omitempty" json:"installed,omitempty"` // by name, architecture
}

// DpkgArchitecture is dpkg's name of the target's architecture.
func (t Target) DpkgArchitecture() string {
	if t.Architecture == "linux64" {
		return "amd64"
	}
	return t.Architecture
}

// ImageKind says where a target's base system comes from.
type ImageKind string

// The kinds of base system.
const (
	ImageBootstrap ImageKind = "bootstrap" // from Packages alone, no image at all
	ImageOCI       ImageKind = "oci"       // an image kept in the bundle
)

// Image is a base system.
type Image struct {
	Kind ImageKind `yaml:"kind" json:"kind"`
	// MergedUsr: a bootstrap begins with /bin, /lib, … as links into /usr.
	MergedUsr bool      `yaml:"merged-usr,omitempty" json:"mergedUsr,omitempty"`
	From      string    `yaml:"from,omitempty" json:"from,omitempty"` // file name or registry reference it was made from
	Manifest  *OCIBlob  `yaml:"manifest,omitempty" json:"manifest,omitempty"`
	Config    *OCIBlob  `yaml:"config,omitempty" json:"config,omitempty"`
	Layers    []OCIBlob `yaml:"layers,omitempty" json:"layers,omitempty"` // lowest first
}

// OCIBlob is an OCI content descriptor.
type OCIBlob struct {
	MediaType string `yaml:"media-type" json:"mediaType"`
	Blob      `yaml:",inline"`
}

// PackagePin is one .deb.
type PackagePin struct {
	Name         string `yaml:"name" json:"name"`
	Version      string `yaml:"version" json:"version"`
	Architecture string `yaml:"architecture" json:"architecture"`
	Archive      string `yaml:"archive" json:"archive"` // ID of an ArchivePin
	Path         string `yaml:"path" json:"path"`       // Filename in the index, "pool/main/a/adduser/adduser_3.134_all.deb"
	Blob         `yaml:",inline"`
	Why          string `yaml:"why" json:"why"` // "essential", "base", "asked for", "upgrade", "assert" or "dependency of NAME"
	// Vouched says who besides an archive's indexes vouches for the package: they
	// do not list it. Archive and Path are where it would be.
	Vouched Voucher `yaml:"vouched,omitempty" json:"vouched,omitempty"`
}

// InstalledPin is a package that an image holds. SHA256 is that of its .deb,
// zero when no index of the lock lists it.
type InstalledPin struct {
	Name         string  `yaml:"name" json:"name"`
	Version      string  `yaml:"version" json:"version"`
	Architecture string  `yaml:"architecture" json:"architecture"`
	SHA256       *Digest `yaml:"sha256,omitempty" json:"sha256,omitempty"`
}
