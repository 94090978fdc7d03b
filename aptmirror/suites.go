package aptmirror

import (
	"slices"
	"strings"
)

// A Suite is what this package knows of a release of Debian or Ubuntu without
// asking anybody.
type Suite struct {
	Distro string // "debian" or "ubuntu"
	Name   string // codename, "bookworm"
	// Pockets are where its packages are, in the order of gitian's
	// sources.list: the suite, its updates, its security updates.
	Pockets []Pocket
	// MergedUsr: a bootstrap must make /bin, /sbin and /lib* links into /usr
	// before it unpacks anything. Debian: what mmdebstrap does, which is to
	// make them where the archive has a package usr-is-merged: from bookworm
	// on. (debootstrap made them from buster on, but the packages of buster and
	// bullseye do not need them.) Ubuntu: what debootstrap does and Ubuntu's
	// own images have: from disco on.
	MergedUsr bool
	// BasePackages are those that gitian's make-base-vm installs on top of the
	// Essential set, sorted. Its kernel, boot loader and SSH server are left
	// out: a container does not boot, and nobody logs in.
	BasePackages []string
	// Closed: it gets no more updates and has left, or is leaving, the main
	// mirrors, so that its Release may be past its Valid-Until.
	Closed bool
	// KeyFingerprints are the primary keys of which one must have signed each
	// pocket's Release, sorted; empty: any key of the archive's keyring. They
	// are the keys of the suite, and of the suites before and after it, as
	// archives sign with the old and the new key for years.
	KeyFingerprints []string
}

// A Pocket is one directory below an archive's dists.
type Pocket struct {
	Archive    string   // "debian", "debian-security", "ubuntu" or "ubuntu-ports"
	Suite      string   // from dists/: "bookworm", "buster/updates"
	Components []string // as they are in index paths
	// Optional: some mirrors of old suites have dropped it.
	Optional bool
	// URI is where an archive is that no table knows; "" for the four above.
	URI string
}

// Lookup returns the suite of that codename. distro is "debian" or "ubuntu",
// as a gitian descriptor calls it. Names that move, such as "stable", are
// nobody's: a lock must mean the same next year.
func Lookup(distro, suite string) (Suite, bool) {
	switch distro {
	case "debian":
		return lookupDebian(suite)
	case "ubuntu":
		return lookupUbuntu(suite)
	}
	return Suite{}, false
}

// SuiteNames returns the suites of a distribution that Lookup knows, oldest first.
func SuiteNames(distro string) []string {
	switch distro {
	case "debian":
		return strings.Fields(debianSuites)
	case "ubuntu":
		return strings.Fields(ubuntuSuites)
	}
	return nil
}

// PocketsFor returns the pockets that serve some Debian architectures. Ubuntu
// has two archives with the same suites, see Pocket.Serves: that of the first
// architecture comes first.
func (s Suite) PocketsFor(arches ...string) []Pocket {
	var pockets []Pocket
	done := map[string]bool{}
	for _, arch := range arches {
		for _, p := range s.Pockets {
			if !p.Serves(arch) {
				p.Archive = ubuntuPorts
			}
			if at := p.Archive + "/" + p.Suite; !done[at] {
				done[at] = true
				pockets = append(pockets, p)
			}
		}
	}
	return pockets
}

// ubuntuPorts is the archive of the architectures that Ubuntu's main one has not.
const ubuntuPorts = "ubuntu-ports"

// Serves tells whether the archive has a Debian architecture of this suite. Its
// release file does not tell: both of Ubuntu's archives have the very same one,
// which lists the indexes of all architectures. amd64 and i386 are in the main
// archive, and arm64 since questing (canonical/curtin, pull request 34; the
// ports have it still); all others are ports. An archive that no table knows may
// have any.
func (p Pocket) Serves(arch string) bool {
	codename, _, _ := strings.Cut(p.Suite, "-")
	main := arch == "amd64" || arch == "i386" ||
		arch == "arm64" && age(ubuntuSuites, codename) >= age(ubuntuSuites, "questing")
	switch p.Archive {
	case "ubuntu":
		return main
	case ubuntuPorts:
		return !main
	}
	return true
}

// ArchiveNames returns the names of the archives that this package knows places of.
func ArchiveNames() []string {
	return []string{"debian", "debian-security", "debian-ports", "ubuntu", ubuntuPorts}
}

// DefaultMirrors returns the canonical places of an archive, best first: for a
// closed suite, the host that keeps old ones comes first. Each is a URI without
// a slash at its end, below which "dists" and "pool" are. They are plain HTTP,
// as not all of the hosts offer more; what is fetched is trusted for its
// signature and hashes alone.
func DefaultMirrors(archive string, closed bool) []string {
	var open, old []string
	switch archive {
	case "debian":
		open, old = []string{"http://ftp.debian.org/debian"}, []string{"http://archive.debian.org/debian"}
	case "debian-security":
		open, old = []string{"http://security.debian.org/debian-security"}, []string{"http://archive.debian.org/debian-security"}
	case "ubuntu":
		open = []string{"http://archive.ubuntu.com/ubuntu", "http://security.ubuntu.com/ubuntu"}
		old = []string{"http://old-releases.ubuntu.com/ubuntu"}
	case "ubuntu-ports":
		open, old = []string{"http://ports.ubuntu.com/ubuntu-ports"}, []string{"http://old-releases.ubuntu.com/ubuntu"}
	default:
		return nil
	}
	if closed {
		return append(old, open...)
	}
	return append(open, old...)
}

// The codenames, oldest first. A suite's place in the list says what it does.
// Looked over on 2026-11-23. Names and the end of support are those of
// distro-info-data, with 15 years for Ubuntu's LTS releases from trusty on
// (Canonical's Legacy add-on, November 2025); that /usr is merged, and Ubuntu's
// hosts, debootstrap's. Tests compare with both.
const (
	debianSuites = "squeeze wheezy jessie stretch buster bullseye bookworm trixie forky sid"
	ubuntuSuites = "lucid maverick natty oneiric precise quantal raring saucy trusty utopic vivid wily xenial " +
		"yakkety zesty artful bionic cosmic disco eoan focal groovy hirsute impish jammy kinetic lunar mantic " +
		"noble oracular plucky questing resolute stonking"
)

// age returns the place of a codename in a list, or -1.
func age(list, name string) int { return slices.Index(strings.Fields(list), name) }

// lookupDebian: see Lookup.
func lookupDebian(name string) (Suite, bool) {
	n := age(debianSuites, name)
	if n < 0 {
		return Suite{}, false
	}
	from := func(first string) bool { return n >= age(debianSuites, first) }
	s := Suite{
		Distro:          "debian",
		Name:            name,
		MergedUsr:       from("bookworm"),
		Closed:          !from("bookworm"), // bullseye's long-term support ended 2026-08-31
		KeyFingerprints: debianKeys(name),
		BasePackages: []string{
			"apt", "build-essential", "git", "locales", "lsb-release", "pciutils", "subversion", "sudo", "wget",
		},
	}
	s.Pockets = []Pocket{{Archive: "debian", Suite: name, Components: []string{"main"}}}
	if name == "sid" {
		return s, true
	}
	security := name + "/updates"
	if from("bullseye") {
		security = name + "-security"
	}
	s.Pockets = append(s.Pockets,
		// The updates of a closed suite went into its last point release, and
		// then their directory was removed: jessie-updates in March 2019.
		Pocket{Archive: "debian", Suite: name + "-updates", Components: []string{"main"}, Optional: s.Closed},
		Pocket{Archive: "debian-security", Suite: security, Components: []string{"main"}},
	)
	return s, true
}

// lookupUbuntu: see Lookup.
func lookupUbuntu(name string) (Suite, bool) {
	n := age(ubuntuSuites, name)
	if n < 0 {
		return Suite{}, false
	}
	s := Suite{
		Distro:          "ubuntu",
		Name:            name,
		MergedUsr:       n >= age(ubuntuSuites, "disco"),
		KeyFingerprints: ubuntuKeys(n),
		BasePackages: []string{
			"apt", "build-essential", "git", "language-pack-en", "lsb-release", "pciutils", "subversion", "sudo", "wget",
		},
	}
	switch name {
	case "lucid": // its "git" is another program
		s.BasePackages[2] = "git-core"
		s.Closed = true
	case "trusty", "xenial", "bionic", "focal", "jammy", "noble", "resolute", "stonking":
		// Supported for somebody, so still on the main mirrors. A suite goes to
		// old-releases some months after its last support has ended.
	default:
		s.Closed = true
	}
	for _, pocket := range []string{"", "-updates", "-security"} {
		s.Pockets = append(s.Pockets, Pocket{Archive: "ubuntu", Suite: name + pocket, Components: []string{"main", "universe"}})
	}
	return s, true
}
