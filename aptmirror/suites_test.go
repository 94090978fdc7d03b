package aptmirror

import (
	"bytes"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	got, ok := Lookup("debian", "bookworm")
	if !ok {
		t.Fatal("no bookworm")
	}
	want := Suite{
		Distro: "debian", Name: "bookworm", MergedUsr: true,
		Pockets: []Pocket{
			{Archive: "debian", Suite: "bookworm", Components: []string{"main"}},
			{Archive: "debian", Suite: "bookworm-updates", Components: []string{"main"}},
			{Archive: "debian-security", Suite: "bookworm-security", Components: []string{"main"}},
		},
		BasePackages:    strings.Fields("apt build-essential git locales lsb-release pciutils subversion sudo wget"),
		KeyFingerprints: got.KeyFingerprints,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got, _ = Lookup("ubuntu", "bionic")
	want = Suite{
		Distro: "ubuntu", Name: "bionic",
		Pockets: []Pocket{
			{Archive: "ubuntu", Suite: "bionic", Components: []string{"main", "universe"}},
			{Archive: "ubuntu", Suite: "bionic-updates", Components: []string{"main", "universe"}},
			{Archive: "ubuntu", Suite: "bionic-security", Components: []string{"main", "universe"}},
		},
		BasePackages:    strings.Fields("apt build-essential git language-pack-en lsb-release pciutils subversion sudo wget"),
		KeyFingerprints: []string{"790BC7277767219C42C86F933B4FE6ACC0B21F32", "F6ECB3762474EDA9D21B7022871920D1991BC93C"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, c := range []struct {
		distro, name     string
		merged, closed   bool
		security, second string
	}{
		{"debian", "squeeze", false, true, "squeeze/updates", "git"},
		{"debian", "buster", false, true, "buster/updates", "git"},
		{"debian", "bullseye", false, true, "bullseye-security", "git"},
		{"debian", "trixie", true, false, "trixie-security", "git"},
		{"debian", "forky", true, false, "forky-security", "git"},
		{"debian", "sid", true, false, "sid", "git"},
		{"ubuntu", "lucid", false, true, "lucid-security", "git-core"},
		{"ubuntu", "precise", false, true, "precise-security", "git"},
		{"ubuntu", "trusty", false, false, "trusty-security", "git"},
		{"ubuntu", "cosmic", false, true, "cosmic-security", "git"},
		{"ubuntu", "disco", true, true, "disco-security", "git"},
		{"ubuntu", "noble", true, false, "noble-security", "git"},
		{"ubuntu", "resolute", true, false, "resolute-security", "git"},
	} {
		s, ok := Lookup(c.distro, c.name)
		if !ok || s.MergedUsr != c.merged || s.Closed != c.closed || s.Pockets[len(s.Pockets)-1].Suite != c.security || s.BasePackages[2] != c.second {
			t.Errorf("%s %s: got %+v", c.distro, c.name, s)
		}
	}
	for _, c := range [][2]string{{"debian", "stable"}, {"debian", "noble"}, {"ubuntu", "bookworm"}, {"debian", ""}, {"", "sid"}, {"ubuntu", "trustyy"}, {"fedora", "40"}} {
		if s, ok := Lookup(c[0], c[1]); ok {
			t.Errorf("%v: got %+v", c, s)
		}
	}
}

// TestEverySuite checks what holds for all of them.
func TestEverySuite(t *testing.T) {
	hosts := []string{"ftp.debian.org", "security.debian.org", "archive.debian.org",
		"archive.ubuntu.com", "security.ubuntu.com", "old-releases.ubuntu.com", "ports.ubuntu.com"}
	count := 0
	for _, distro := range []string{"debian", "ubuntu"} {
		for _, name := range SuiteNames(distro) {
			count++
			s, ok := Lookup(distro, name)
			if !ok || s.Name != name || s.Distro != distro || len(s.Pockets) == 0 {
				t.Errorf("%s %s: got %+v, %v", distro, name, s, ok)
			}
			if !slices.IsSorted(s.BasePackages) || !slices.IsSorted(s.KeyFingerprints) || len(slices.Compact(slices.Clone(s.KeyFingerprints))) != len(s.KeyFingerprints) {
				t.Errorf("%s: a list is not sorted: %v, %v", name, s.BasePackages, s.KeyFingerprints)
			}
			for _, print := range s.KeyFingerprints {
				if len(print) != 40 || print != strings.ToUpper(print) {
					t.Errorf("%s: %s is no fingerprint", name, print)
				}
			}
			if len(s.KeyFingerprints) == 0 && name != "forky" && name != "sid" {
				t.Errorf("%s: no keys", name)
			}
			for _, arch := range []string{"amd64", "i386", "arm64"} {
				for _, p := range s.PocketsFor(arch) {
					mirrors := DefaultMirrors(p.Archive, s.Closed)
					if len(mirrors) < 2 || checkPath(p.Suite) != nil || len(p.Components) == 0 {
						t.Errorf("%s, %s: got %+v, mirrors %v", name, arch, p, mirrors)
					}
					old := strings.Contains(mirrors[0], "//archive.debian.org") || strings.Contains(mirrors[0], "//old-releases.")
					if old != s.Closed {
						t.Errorf("%s: closed is %v, but %s comes first", name, s.Closed, mirrors[0])
					}
					for _, m := range mirrors {
						u, err := url.Parse(m)
						if err != nil || !slices.Contains(hosts, u.Host) || strings.HasSuffix(m, "/") {
							t.Errorf("%s: mirror %s", name, m)
						}
					}
				}
			}
		}
	}
	for name, want := range map[string]bool{"lucid": true, "oneiric": true, "precise": true, "quantal": false, "trusty": false, "xenial": false, "noble": false} {
		s, _ := Lookup("ubuntu", name)
		if got := slices.Contains(s.KeyFingerprints, "630239CC130E1A7FD81A27B140976EAF437D05B5"); got != want {
			t.Errorf("%s may be signed by the DSA key of 2004: %v", name, got)
		}
	}
	if count != 10+34 {
		t.Errorf("got %d suites", count)
	}
	s, _ := Lookup("ubuntu", "noble")
	if m := DefaultMirrors("elsewhere", false); m != nil {
		t.Errorf("an archive that is none: got %v", m)
	}
	s.BasePackages[0] = "changed" // a caller's copy
	if again, _ := Lookup("ubuntu", "noble"); again.BasePackages[0] != "apt" {
		t.Error("Lookup hands out what it keeps")
	}
}

// TestPocketsFor: which of Ubuntu's archives have which architectures.
func TestPocketsFor(t *testing.T) {
	for _, c := range []struct{ distro, suite, arches, want string }{
		{"ubuntu", "noble", "amd64", "ubuntu/noble ubuntu/noble-updates ubuntu/noble-security"},
		{"ubuntu", "noble", "amd64 i386", "ubuntu/noble ubuntu/noble-updates ubuntu/noble-security"},
		{"ubuntu", "noble", "arm64", "ubuntu-ports/noble ubuntu-ports/noble-updates ubuntu-ports/noble-security"},
		{"ubuntu", "noble", "amd64 armhf arm64", "ubuntu/noble ubuntu/noble-updates ubuntu/noble-security " +
			"ubuntu-ports/noble ubuntu-ports/noble-updates ubuntu-ports/noble-security"},
		{"ubuntu", "lucid", "armel i386", "ubuntu-ports/lucid ubuntu-ports/lucid-updates ubuntu-ports/lucid-security " +
			"ubuntu/lucid ubuntu/lucid-updates ubuntu/lucid-security"},
		{"ubuntu", "questing", "arm64 amd64", "ubuntu/questing ubuntu/questing-updates ubuntu/questing-security"},
		{"ubuntu", "stonking", "arm64 armhf", "ubuntu/stonking ubuntu/stonking-updates ubuntu/stonking-security " +
			"ubuntu-ports/stonking ubuntu-ports/stonking-updates ubuntu-ports/stonking-security"},
		{"ubuntu", "plucky", "arm64", "ubuntu-ports/plucky ubuntu-ports/plucky-updates ubuntu-ports/plucky-security"},
		{"debian", "bookworm", "amd64 armhf", "debian/bookworm debian/bookworm-updates debian-security/bookworm-security"},
	} {
		s, _ := Lookup(c.distro, c.suite)
		var got []string
		for _, p := range s.PocketsFor(strings.Fields(c.arches)...) {
			got = append(got, p.Archive+"/"+p.Suite)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s for %s: got %v, want %s", c.suite, c.arches, got, c.want)
		}
		if s.Pockets[0].Archive != c.distro {
			t.Errorf("%s: the table has changed", c.suite)
		}
	}
	if (Pocket{Archive: "ubuntu", Suite: "noble-backports"}).Serves("arm64") || !(Pocket{Archive: "ubuntu", Suite: "questing-backports"}).Serves("arm64") {
		t.Error("backports do not serve what their suite does")
	}
}

func TestParseSourcesList(t *testing.T) {
	got, err := ParseSourcesList("sources.list", []byte(`# comment
deb http://mirror.example/debian/ bookworm main contrib # end
  deb-src	http://mirror.example/debian bookworm main
deb [ arch=amd64,i386 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg trusted=yes ] http://a.example/d bookworm-security main
deb [arch+=arm64] file:/srv/flat ./

`))
	if err != nil {
		t.Fatal(err)
	}
	want := []SourceEntry{
		{Types: []string{"deb"}, URIs: []string{"http://mirror.example/debian/"}, Suites: []string{"bookworm"}, Components: []string{"main", "contrib"}, Line: 2},
		{Types: []string{"deb-src"}, URIs: []string{"http://mirror.example/debian"}, Suites: []string{"bookworm"}, Components: []string{"main"}, Line: 3},
		{Types: []string{"deb"}, URIs: []string{"http://a.example/d"}, Suites: []string{"bookworm-security"}, Components: []string{"main"},
			SignedBy: []string{"/usr/share/keyrings/debian-archive-keyring.gpg"}, Architectures: []string{"amd64", "i386"}, Line: 4},
		{Types: []string{"deb"}, URIs: []string{"file:/srv/flat"}, Suites: []string{"./"}, Components: []string{}, Architectures: []string{"arm64"}, Line: 5},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	got, err = ParseSourcesList("debian.sources", []byte(`# comment
Types: deb deb-src
URIs: http://mirror.example/debian http://b.example/debian
Suites: bookworm
 bookworm-updates
Components: main
Trusted: yes
# in between
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb
URIs: http://c.example/d
Suites: bookworm
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 AAAA
 -----END PGP PUBLIC KEY BLOCK-----
`))
	if err != nil {
		t.Fatal(err)
	}
	want = []SourceEntry{
		{Types: []string{"deb", "deb-src"}, URIs: []string{"http://mirror.example/debian", "http://b.example/debian"},
			Suites: []string{"bookworm", "bookworm-updates"}, Components: []string{"main"},
			SignedBy: []string{"/usr/share/keyrings/debian-archive-keyring.gpg"}, Line: 2},
		{Types: []string{"deb"}, URIs: []string{"http://c.example/d"}, Suites: []string{"bookworm"}, Components: []string{"main"},
			SignedBy: []string{"embedded"}, Line: 17},
	}
	for i := range got {
		if len(got[i].Architectures) == 0 {
			got[i].Architectures = nil
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// TestMachineSources reads what this machine's apt reads. It prints none of it:
// the hosts are nobody's business.
func TestMachineSources(t *testing.T) {
	files, _ := filepath.Glob("/etc/apt/sources.list.d/*")
	files = append(files, "/etc/apt/sources.list")
	read := 0
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil || path.Ext(f) != ".sources" && path.Ext(f) != ".list" {
			continue
		}
		entries, err := ParseSourcesList(f, data)
		if err != nil {
			t.Errorf("%s cannot be read", f)
		}
		read += len(entries)
	}
	if read == 0 {
		need(t, "apt's sources")
	}
}

func TestParseSourcesListRefused(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"a.list", "\nrpm http://x y z\n", "a.list:2: \"rpm\" is neither"},
		{"a.list", "deb http://x\n", "a.list:1: want a type"},
		{"a.list", "deb [arch=amd64 http://x y z\n", "do not end"},
		{"a.list", "deb http://x y\n", "no component"},
		{"a.list", "deb nowhere y z\n", "is no URI"},
		{"a.sources", "Types: deb\nURIs: http://x\n", "a.sources:1: want Types"},
		{"a.sources", "\nTypes: deb\nTypes: deb\n", "a.sources:3: field Types is given twice"},
		{"a.sources", "Types: rpm\nURIs: http://x\nSuites: y\nComponents: z\n", "is neither"},
		{"a.sources", strings.Repeat("x", maxStanza+1), "too big"},
	} {
		got, err := ParseSourcesList(c.name, []byte(c.in))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %+v, %v, want %q", c.in[:min(len(c.in), 60)], got, err, c.want)
		}
	}
}

func TestMirror(t *testing.T) {
	list, err := ParseSourcesList("sources.list", []byte(`
deb-src http://source.example/debian bookworm main
deb http://one.example/debian/ bookworm main
deb http://one.example/debian bookworm main contrib
deb http://sec.example/debian-security bookworm-security main
deb http://old.example/debian-security buster/updates main
deb [signed-by=/etc/apt/keyrings/docker.gpg] http://docker.example/linux/debian bookworm main
deb http://docker.example/linux/debian bookworm stable
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://two.example/x bookworm main
deb [signed-by=B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8] file:/srv/debian bookworm main
deb cdrom:[Debian_12]/ bookworm main
deb mirror+http://list.example/ bookworm main
deb http://u.example/ubuntu noble main universe
deb http://u.example/ubuntu-ports noble main universe
`))
	if err != nil {
		t.Fatal(err)
	}
	main := []string{"main"}
	for _, c := range []struct {
		pocket Pocket
		want   []string
	}{
		{Pocket{Archive: "debian", Suite: "bookworm", Components: main}, []string{"http://one.example/debian", "https://two.example/x", "file:/srv/debian"}},
		{Pocket{Archive: "debian-security", Suite: "bookworm-security", Components: main}, []string{"http://sec.example/debian-security"}},
		{Pocket{Archive: "debian-security", Suite: "buster/updates", Components: main}, []string{"http://old.example/debian-security"}},
		{Pocket{Archive: "debian", Suite: "bookworm-updates", Components: main}, nil},
		{Pocket{Archive: "ubuntu", Suite: "noble", Components: main}, []string{"http://u.example/ubuntu"}},
		{Pocket{Archive: "ubuntu-ports", Suite: "noble", Components: main}, []string{"http://u.example/ubuntu-ports"}},
	} {
		if got := Mirror(list, c.pocket); !slices.Equal(got, c.want) {
			t.Errorf("%+v: got %v, want %v", c.pocket, got, c.want)
		}
	}
}

func FuzzParseSourcesList(f *testing.F) {
	f.Add("a.list", []byte("deb [arch=amd64] http://x/ y z\ndeb-src http://x y/\n"))
	f.Add("a.sources", []byte("Types: deb\nURIs: http://x\nSuites: y\nComponents: z\nSigned-By:\n a\n .\n b\n"))
	bookworm := Pocket{Archive: "debian", Suite: "bookworm", Components: []string{"main"}}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		entries, err := ParseSourcesList(name, data)
		if err != nil {
			return
		}
		for _, e := range entries {
			if e.check() != nil || e.Line < 1 || e.Line > bytes.Count(data, []byte("\n"))+1 {
				t.Fatalf("accepted %+v", e)
			}
		}
		for _, uri := range Mirror(entries, bookworm) {
			if strings.HasSuffix(uri, "/") || strings.ContainsAny(uri, " \n") {
				t.Fatalf("mirror %q", uri)
			}
		}
	})
}
