package aptmirror

import (
	"slices"
	"strings"
	"testing"
)

func TestReadRepository(t *testing.T) {
	for _, c := range []struct{ distro, line, name, want string }{
		{"debian", "deb http://ftp.debian.org/debian buster-backports main", "", "debian/buster-backports main of buster"},
		{"debian", "deb http://ftp.de.debian.org/debian/ buster-backports-sloppy main contrib", "mine", "debian/buster-backports-sloppy main,contrib of buster"},
		{"debian", "deb http://security.debian.org/ stretch/updates main", "", "debian-security/stretch/updates main of stretch"},
		{"ubuntu", "deb https://archive.ubuntu.com/ubuntu xenial-proposed main", "", "ubuntu/xenial-proposed main of xenial"},
		{"ubuntu", "deb [arch=amd64 trusted=yes] https://apt.kitware.com/ubuntu/ bionic main", "kitware", "kitware/bionic main at https://apt.kitware.com/ubuntu"},
		{"ubuntu", "deb http://ppa.launchpad.net/bitcoin/bitcoin/ubuntu trusty main", "", "ppa.launchpad.net-bitcoin-bitcoin-ubuntu/trusty main at http://ppa.launchpad.net/bitcoin/bitcoin/ubuntu"},
		{"ubuntu", "deb http://notubuntu.com/ubuntu trusty main", "", "notubuntu.com-ubuntu/trusty main at http://notubuntu.com/ubuntu"},
		{"debian", "deb http://debian.org.evil.example/debian buster main", "", "debian.org.evil.example-debian/buster main at http://debian.org.evil.example/debian"},
		{"debian", "deb http://ftp.debian.org/debian-ports sid main", "", "ftp.debian.org-debian-ports/sid main at http://ftp.debian.org/debian-ports"},
	} {
		r, err := ReadRepository(c.distro, c.line, c.name)
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		got := r.Archive + "/" + r.Pocket.Suite + " " + strings.Join(r.Components, ",")
		if r.URI != "" {
			got += " at " + r.URI
		}
		if r.Suite.Name != "" {
			got += " of " + r.Suite.Name
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.line, got, c.want)
		}
		if r.URI == "" && len(r.Suite.KeyFingerprints) == 0 {
			t.Errorf("%s: nobody's keys", c.line)
		}
	}
	for _, bad := range []string{
		"", "deb", "deb http://a.example/x", "deb http://a.example/x bookworm", "deb http://a.example/x ./", "deb-src http://a.example/x y main",
		"deb http://a.example/x y main\ndeb http://b.example/x y main", "deb ftp://a.example/x y main", "deb file:///x y main", "deb cdrom:[x]/ y main",
		"deb http:// y main", "deb http://u:p@a.example/x y main", "deb http://ftp.debian.org/debian stable main",
		"deb http://archive.ubuntu.com/ubuntu bionic main", // of another distribution
	} {
		if r, err := ReadRepository("debian", bad, ""); err == nil {
			t.Errorf("%q was taken: %+v", bad, r)
		}
	}
	if _, err := ReadRepository("debian", "deb http://a.example/x y main", "debian-security"); err == nil {
		t.Error("a vendor's archive was taken for Debian's")
	}
}

// TestMirrorsOfRepository: an archive that no table knows is looked for where it
// was said to be, and not at whatever of this machine has a suite of that name.
func TestMirrorsOfRepository(t *testing.T) {
	m := Mirrors{
		Given:   map[string][]string{"vendor": {"http://mirror.example/v/"}},
		Machine: []SourceEntry{{Types: []string{"deb"}, URIs: []string{"http://distro.example/ubuntu"}, Suites: []string{"bionic"}, Components: []string{"main"}}},
	}
	pocket := Pocket{Archive: "vendor", Suite: "bionic", Components: []string{"main"}, URI: "https://vendor.example/x"}
	if got, want := m.Current(pocket, false), []string{"http://mirror.example/v", "https://vendor.example/x"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	m.GivenOnly = true
	if got, want := m.Current(pocket, false), []string{"http://mirror.example/v"}; !slices.Equal(got, want) {
		t.Errorf("given only: got %v, want %v", got, want)
	}
}

// FuzzReadRepository: what is taken has a name, and an address without a user.
func FuzzReadRepository(f *testing.F) {
	f.Add("deb [arch=amd64] https://apt.kitware.com/ubuntu/ bionic main", "kitware")
	f.Add("deb http://ftp.debian.org/debian buster-backports main", "")
	f.Fuzz(func(t *testing.T, line, name string) {
		r, err := ReadRepository("debian", line, name)
		if err != nil {
			return
		}
		if r.Archive == "" || r.Pocket.Suite == "" || len(r.Components) == 0 || strings.Contains(r.URI, "@") {
			t.Fatalf("%q was taken as %+v", line, r)
		}
		if own := slices.Contains(archiveNames(), r.Archive); own == (r.URI != "") {
			t.Fatalf("%q was taken as %+v", line, r)
		}
	})
}
