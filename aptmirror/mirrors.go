package aptmirror

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// Mirrors says where archives are looked for. What it returns is trusted for
// nothing: what counts are signatures and hashes. The zero value knows the
// canonical places alone.
type Mirrors struct {
	// Given are URIs by archive, in order; they are asked first. One with
	// SnapshotID in it is a snapshot service, any other the archive as it is now.
	Given map[string][]string
	// Machine are apt's own sources. An entry is used for an archive that it
	// seems to serve, see Mirror.
	Machine []SourceEntry
	// GivenOnly leaves out all but Given.
	GivenOnly bool
}

// SnapshotID stands in the URI of a snapshot service for the moment, which is
// then written as 20210304T000000Z: apt's own word for it, in the field Snapshots
// of a Release file and in its configuration.
const SnapshotID = "@SNAPSHOTID@"

// Current returns the tops of an archive as it is now, in the order in which to
// ask: those given, this machine's own, the canonical ones; or those given, and
// where the pocket says that its archive is. Each stands once and has no slash at
// its end.
func (m Mirrors) Current(pocket Pocket, closed bool) []string {
	var all []string
	for _, uri := range m.Given[pocket.Archive] {
		if !strings.Contains(uri, SnapshotID) && !strings.Contains(uri, FileName) {
			all = append(all, uri)
		}
	}
	switch {
	case m.GivenOnly:
	case pocket.URI != "":
		all = append(all, pocket.URI)
	default:
		all = append(all, Mirror(m.Machine, pocket)...)
		all = append(all, DefaultMirrors(pocket.Archive, closed)...)
	}
	return tidy(all)
}

// Snapshots returns the tops of an archive as it was at a moment, in the order in
// which to ask: for each moment those given, then the canonical ones.
func (m Mirrors) Snapshots(archive string, moments ...time.Time) []string {
	var services []string
	for _, uri := range m.Given[archive] {
		if strings.Contains(uri, SnapshotID) {
			services = append(services, uri)
		}
	}
	if !m.GivenOnly {
		services = append(services, snapshotServices(archive)...)
	}
	var all []string
	for _, at := range moments {
		id := at.UTC().Format(snapshotForm)
		for _, uri := range services {
			all = append(all, strings.ReplaceAll(uri, SnapshotID, id))
		}
	}
	return tidy(all)
}

// Host tells whether a host is one of those where archives are looked for.
func (m Mirrors) Host(name string) bool {
	var all []string
	for _, uris := range m.Given {
		all = append(all, uris...)
	}
	if !m.GivenOnly {
		for _, e := range m.Machine {
			all = append(all, e.URIs...)
		}
		for _, archive := range ArchiveNames() {
			all = append(all, DefaultMirrors(archive, false)...)
			all = append(all, snapshotServices(archive)...)
		}
	}
	return slices.ContainsFunc(all, func(uri string) bool {
		u, err := url.Parse(uri)
		return err == nil && strings.EqualFold(u.Hostname(), name)
	})
}

// OwnHosts lists the hosts of the mirrors that were given and of this machine's own
// sources, sorted, each once.
func (m Mirrors) OwnHosts() []string {
	var hosts []string
	add := func(uris []string) {
		for _, uri := range uris {
			if u, err := url.Parse(uri); err == nil && u.Hostname() != "" {
				hosts = append(hosts, strings.ToLower(u.Hostname()))
			}
		}
	}
	for _, uris := range m.Given {
		add(uris)
	}
	for _, e := range m.Machine {
		add(e.URIs)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// tidy cuts slashes off the ends, and leaves each URI only where it stands first.
func tidy(uris []string) []string {
	var out []string
	for _, u := range uris {
		if u = strings.TrimRight(u, "/"); !slices.Contains(out, u) {
			out = append(out, u)
		}
	}
	return out
}

// Below returns the addresses of a file, by its path from an archive's top, below
// each of some tops, each once.
func Below(tops []string, path string) []string {
	all := tidy(tops)
	for i := range all {
		all[i] += "/" + path
	}
	return all
}
