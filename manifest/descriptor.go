package manifest

// Descriptor is a gitian build description. The fields, their defaults and
// their meaning are gbuild's (devrandom/gitian-builder, bin/gbuild).
type Descriptor struct {
	File          string // name for messages
	Raw           []byte // the bytes that were read; their SHA-256 is what a result states
	Name          string
	Distro        string // "ubuntu" if absent
	Suites        []string
	Architectures []string
	Packages      []string // as written: "pkg", "pkg:arch", "pkg=version"
	Multiarch     []string
	Repositories  []Repository
	Alternatives  []Alternative
	Sudo          bool
	Reference     string // reference_datetime; "" if absent
	Remotes       []Remote
	Files         []string
	EnableCache   bool
	ImageDigests  []string // docker_image_digests
	Optionals     []string
	Script        string
	Unknown       []string // keys that gitian ignores, for a warning; sorted
}

// Repository is one entry of repositories.
type Repository struct {
	Source       string // a line of sources.list
	Distribution string
	Packages     []string
	Key, Name    string // some forks: URL of a key, name for it
}

// Alternative is one entry of alternatives.
type Alternative struct{ Package, Path string }

// Remote is one entry of remotes.
type Remote struct {
	URL, Dir string
	Commit   string // "" when the command line gives it
	Line     int    // where the entry starts
}
