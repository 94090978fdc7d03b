package manifest

// Descriptor is a gitian build description. The fields, their defaults and
// their meaning are gbuild's (devrandom/gitian-builder, bin/gbuild).
type Descriptor struct {
	File          string        `json:"file"` // name for messages
	Raw           []byte        `json:"-"`    // the bytes that were read; their SHA-256 is what a result states
	Name          string        `json:"name"`
	Distro        string        `json:"distro"` // "ubuntu" if absent
	Suites        []string      `json:"suites"`
	Architectures []string      `json:"architectures"`
	Packages      []string      `json:"packages"` // as written: "pkg", "pkg:arch", "pkg=version"
	Multiarch     []string      `json:"multiarch,omitempty"`
	Repositories  []Repository  `json:"repositories,omitempty"`
	Alternatives  []Alternative `json:"alternatives,omitempty"`
	Sudo          bool          `json:"sudo"`
	Reference     string        `json:"referenceDatetime,omitempty"` // reference_datetime; "" if absent
	Remotes       []Remote      `json:"remotes"`
	Files         []string      `json:"files"`
	EnableCache   bool          `json:"enableCache"`
	ImageDigests  []string      `json:"dockerImageDigests,omitempty"` // docker_image_digests
	Optionals     []string      `json:"optionals,omitempty"`
	Script        string        `json:"script"`
	ScriptLine    int           `json:"-"`                 // of the file, where the script's first line stands; 0 if its lines are not the file's
	Unknown       []string      `json:"unknown,omitempty"` // keys that gitian ignores, for a warning; sorted
}

// Repository is one entry of repositories.
type Repository struct {
	Source       string   `json:"source"` // a line of sources.list
	Distribution string   `json:"distribution"`
	Packages     []string `json:"packages"`
	Key          string   `json:"key,omitempty"`  // some forks: URL of a key
	Name         string   `json:"name,omitempty"` // and a name for it
}

// Alternative is one entry of alternatives.
type Alternative struct {
	Package string `json:"package"`
	Path    string `json:"path"`
}

// Remote is one entry of remotes.
type Remote struct {
	URL    string `json:"url"`
	Dir    string `json:"dir"`
	Commit string `json:"commit,omitempty"` // "" when the command line gives it
	Line   int    `json:"line"`             // where the entry starts
}
