package aptmirror

import "satchel/manifest"

// Package is one stanza of a Packages index or of dpkg's status file, cut down
// to what a resolver and a fetcher need. Strings may share memory with the
// index they were read from.
type Package struct {
	Name          string
	Version       string
	Architecture  string // "all" included
	Source        string // source package name; "" if it is Name
	SourceVersion string // what stands in parentheses behind it; "" if it is Version
	Priority      string
	MultiArch     string // "", "no", "same", "foreign", "allowed"
	Essential     bool
	Important     bool // Important: yes, or Protected: yes
	Depends       string
	PreDepends    string
	Conflicts     string
	Breaks        string
	Replaces      string
	Provides      string
	Recommends    string
	Suggests      string // apt's autoremover follows it, and its tie-breaks
	Enhances      string // depend on the order in which names are first seen
	Phased        int    // Phased-Update-Percentage, -1 if absent
	Filename      string // in the archive; "" in a status file
	Blob          manifest.Blob
	Status        string // "install ok installed"; status files only
	Archive       int    // caller's number of the archive (suite) it came from
}
