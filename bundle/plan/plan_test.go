package plan

import (
	"strings"
	"testing"

	"satchel/aptmirror"
	"satchel/manifest"
)

// TestCheckSigner: a key of the machine's keyring that has nothing to do with
// the suite does not do, unless the user chose the keys.
func TestCheckSigner(t *testing.T) {
	signed := func(by ...string) *archive {
		return &archive{pin: manifest.ArchivePin{Name: "debian", Suite: "bookworm", SignedBy: by}}
	}
	suite := aptmirror.Suite{Name: "bookworm", KeyFingerprints: []string{"AA", "BB"}}
	for _, c := range []struct {
		name  string
		p     *Planner
		suite aptmirror.Suite
		a     *archive
		good  bool
	}{
		{"one of them", &Planner{}, suite, signed("XX", "BB"), true},
		{"another", &Planner{}, suite, signed("XX"), false},
		{"nobody", &Planner{}, suite, signed(), false},
		{"chosen by the user", &Planner{AnySigner: true}, suite, signed("XX"), true},
		{"a suite without known keys", &Planner{}, aptmirror.Suite{Name: "sid"}, signed("XX"), true},
	} {
		if err := c.p.checkSigner(c.suite, c.a); (err == nil) != c.good {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

// TestCheckSuite: a release file of another suite is not taken for the one that
// was asked for.
func TestCheckSuite(t *testing.T) {
	for _, c := range []struct {
		asked, suite, codename string
		good                   bool
	}{
		{"bookworm", "oldstable", "bookworm", true},
		{"bookworm-updates", "oldstable-updates", "bookworm-updates", true},
		{"bookworm-security", "oldstable-security", "bookworm-security", true},
		{"buster/updates", "oldoldstable", "buster", true},
		{"trusty-security", "trusty-security", "trusty", true},
		{"bookworm", "stable", "trixie", false},
		{"bookworm", "oldstable-updates", "bookworm-updates", false},
		{"bookworm", "", "", false},
		{"bookworm-security", "stable-security", "trixie-security", false},
	} {
		a := &archive{pin: manifest.ArchivePin{Name: "x", Suite: c.asked}, release: &aptmirror.Release{Suite: c.suite, Codename: c.codename}}
		if err := a.checkSuite(); (err == nil) != c.good {
			t.Errorf("asked for %s, got %s %s: %v", c.asked, c.suite, c.codename, err)
		}
	}
}

// TestURLs: mirrors in their order, by-hash first where the archive has it.
func TestURLs(t *testing.T) {
	p := &Planner{Mirrors: func(aptmirror.Pocket, bool) []string {
		return []string{"http://one.example/debian/", "http://two.example/d"}
	}}
	a := &archive{pin: manifest.ArchivePin{Name: "debian", Suite: "bookworm"}, release: &aptmirror.Release{}}
	f := manifest.ArchiveFile{Path: "main/binary-amd64/Packages.gz", Blob: manifest.Blob{SHA256: manifest.Sum([]byte("x")), Size: 1}}
	if got, want := strings.Join(p.indexURLs(a, f), " "), "http://one.example/debian/dists/bookworm/main/binary-amd64/Packages.gz http://two.example/d/dists/bookworm/main/binary-amd64/Packages.gz"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	a.release.AcquireByHash = true
	a.release.Files = map[string]manifest.Blob{f.Path: f.Blob}
	got := p.indexURLs(a, f)
	if len(got) != 4 || !strings.HasSuffix(got[0], "by-hash/SHA256/"+f.SHA256.Hex()) || !strings.HasPrefix(got[1], "http://two.") {
		t.Errorf("got %v, want by-hash of both mirrors first", got)
	}
}
