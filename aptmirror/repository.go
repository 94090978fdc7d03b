package aptmirror

import (
	"fmt"
	"slices"
	"strings"
)

// A Repository is an archive that a descriptor adds to those of its suite.
type Repository struct {
	Pocket
	Architectures []string // empty: all
	// Suite is that of a pocket of a distribution's own archive, such as Debian's
	// backports. For any other archive, which has a URI, it is empty: no table
	// knows whose keys may sign it.
	Suite Suite
}

// ReadRepository reads one line of sources.list that adds binary packages to a
// suite of distro. The distributions' own archives are known by their hosts, and
// go by their own names, so that all their mirrors serve. Any other one has the
// name that is given, or else one that is made of its address. Of the options,
// arch alone counts: nothing here can turn a check off.
func ReadRepository(distro, line, name string) (Repository, error) {
	entries, err := ParseSourcesList("repository", []byte(line))
	if err != nil {
		return Repository{}, err
	}
	if len(entries) != 1 || entries[0].Types[0] != "deb" {
		return Repository{}, fmt.Errorf("reading repository %s: want one line that begins with deb", quote(line))
	}
	e := entries[0]
	uri := strings.TrimRight(e.URIs[0], "/")
	r := Repository{Pocket: Pocket{Suite: e.Suites[0], Components: e.Components}, Architectures: e.Architectures}
	if strings.HasSuffix(r.Pocket.Suite, "/") {
		return r, fmt.Errorf("reading repository %s: it is a flat one, without dists; satchel takes only those with suites and components", quote(line))
	}
	if r.Archive = distroArchive(uri); r.Archive != "" {
		codename, _, _ := strings.Cut(strings.ReplaceAll(r.Pocket.Suite, "/", "-"), "-")
		ok := false
		if r.Suite, ok = Lookup(distro, codename); !ok || !strings.HasPrefix(r.Archive, distro) {
			return r, fmt.Errorf("reading repository %s: %s has no suite %q that satchel knows: it knows %s, and their pockets",
				quote(line), distro, r.Pocket.Suite, strings.Join(SuiteNames(distro), " "))
		}
		return r, nil
	}
	scheme, rest, _ := strings.Cut(uri, "://")
	if scheme != "http" && scheme != "https" || rest == "" || strings.Contains(rest, "@") {
		return r, fmt.Errorf("reading repository %s: its address is none that a lock may hold: want http:// or https://, and no user", quote(line))
	}
	r.URI = uri
	if r.Archive = name; name == "" {
		r.Archive = nameOfAddress(rest)
	}
	if r.Archive == "" {
		return r, fmt.Errorf("reading repository %s: no name can be made of its address; give it one", quote(line))
	}
	if slices.Contains(archiveNames(), r.Archive) {
		return r, fmt.Errorf("reading repository %s: %s is the name of another archive", quote(line), r.Archive)
	}
	return r, nil
}

// archiveNames are those of the archives that Lookup's suites are in.
func archiveNames() []string {
	return []string{"debian", "debian-security", "ubuntu", "ubuntu-ports"}
}

// distroArchive is the name of the archive that a host of Debian's or Ubuntu's
// serves at an address; "" for any other.
func distroArchive(uri string) string {
	_, rest, _ := strings.Cut(uri, "://")
	host, path, _ := strings.Cut(rest, "/")
	for _, domain := range []string{"debian.org", "ubuntu.com"} {
		if host != domain && !strings.HasSuffix(host, "."+domain) {
			continue
		}
		if distro, _, _ := strings.Cut(domain, "."); slices.Contains(archiveNames(), path) && strings.HasPrefix(path, distro) {
			return path
		}
		if host == "security.debian.org" && path == "" {
			return "debian-security"
		}
	}
	return ""
}

// nameOfAddress makes a name of what stands behind a URI's scheme.
func nameOfAddress(rest string) string {
	words := strings.FieldsFunc(rest, func(r rune) bool {
		return r != '.' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
	return strings.Join(words, "-")
}
