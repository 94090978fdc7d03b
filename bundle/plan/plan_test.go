package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"satchel/aptmirror"
	"satchel/manifest"
)

// TestCheckSigner: a key of the machine's keyring that has nothing to do with
// the suite does not do, unless the user chose the keys.
func TestCheckSigner(t *testing.T) {
	signed := func(by ...string) (all []aptmirror.Signer) {
		for _, f := range by {
			all = append(all, aptmirror.Signer{Fingerprint: f})
		}
		return all
	}
	suite := aptmirror.Suite{Name: "bookworm", KeyFingerprints: []string{"AA", "BB"}}
	for _, c := range []struct {
		name  string
		p     *Planner
		suite aptmirror.Suite
		by    []aptmirror.Signer
		good  bool
	}{
		{"one of them", &Planner{}, suite, signed("XX", "BB"), true},
		{"another", &Planner{}, suite, signed("XX"), false},
		{"nobody", &Planner{}, suite, signed(), false},
		{"chosen by the user", &Planner{AnySigner: true}, suite, signed("XX"), true},
		{"a suite without known keys", &Planner{}, aptmirror.Suite{Name: "sid"}, signed("XX"), true},
	} {
		if err := c.p.checkSigner(c.suite, c.by); (err == nil) != c.good {
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
		if err := checkSuite(c.asked, &aptmirror.Release{Suite: c.suite, Codename: c.codename}); (err == nil) != c.good {
			t.Errorf("asked for %s, got %s %s: %v", c.asked, c.suite, c.codename, err)
		}
	}
}

// TestURLs: first where the release file came from, by-hash before the plain
// path where the archive has it, and a snapshot service in the end; or, where a
// moment was asked for, in the beginning.
func TestURLs(t *testing.T) {
	date := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	p := &Planner{Now: date.Add(36 * time.Hour), Mirrors: aptmirror.Mirrors{GivenOnly: true, Given: map[string][]string{
		"debian": {"http://one.example/debian/", "http://snap.example/@SNAPSHOTID@/", "http://two.example/d"},
	}}}
	a := &archive{
		pin: manifest.ArchivePin{Name: "debian", Suite: "bookworm"}, pocket: aptmirror.Pocket{Archive: "debian", Suite: "bookworm"},
		top: "http://two.example/d", release: &aptmirror.Release{Date: date},
	}
	f := manifest.ArchiveFile{Path: "main/binary-amd64/Packages.gz", Blob: manifest.Blob{SHA256: manifest.Sum([]byte("x")), Size: 1}}
	below := func(path string, tops ...string) (all []string) {
		for _, top := range tops {
			all = append(all, "http://"+top+"/dists/bookworm/"+path)
		}
		return all
	}
	order := []string{"two.example/d", "one.example/debian", "snap.example/20240102T090405Z", "snap.example/20240103T030405Z"}
	if got, want := p.indexURLs(a, f), below(f.Path, order...); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	a.release.AcquireByHash = true
	a.release.Files = map[string]manifest.Blob{f.Path: f.Blob}
	hashed := "main/binary-amd64/by-hash/SHA256/" + f.SHA256.Hex()
	if got, want := p.indexURLs(a, f), append(below(hashed, order...), below(f.Path, order...)...); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	a.release.AcquireByHash = false
	p.Snapshot = date.Add(time.Minute)
	a.top = "http://snap.example/20240102T030505Z"
	if got, want := p.indexURLs(a, f), below(f.Path, "snap.example/20240102T030505Z", "one.example/debian", "two.example/d"); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// TestTimely: what the dates of a release file allow, and what is then said of
// it in the lock.
func TestTimely(t *testing.T) {
	now := time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	for _, c := range []struct {
		name        string
		date, until time.Duration // from now; until 0: for ever
		closed      bool
		ignore      bool
		snapshot    time.Duration // from now; 0: none
		want        string        // of the error
		waived      int
	}{
		{name: "today's", date: -day, until: day},
		{name: "for ever", date: -1000 * day},
		{name: "expired", date: -9 * day, until: -2 * day, want: "valid until"},
		{name: "expired, and that is ignored", date: -9 * day, until: -2 * day, ignore: true, waived: 1},
		{name: "not expired, and that would be ignored", date: -day, until: day, ignore: true},
		{name: "expired, but closed", date: -900 * day, until: -890 * day, closed: true},
		{name: "of the future", date: day, until: 2 * day, want: "clock"},
		{name: "of the future, and ignored", date: day, until: 2 * day, ignore: true, want: "clock"},
		{name: "of the future, and closed", date: day, closed: true, want: "clock"},
		{name: "expired by now, not at the moment", date: -101 * day, until: -94 * day, snapshot: -100 * day},
		{name: "expired at the moment", date: -110 * day, until: -103 * day, snapshot: -100 * day, want: "valid until"},
		{name: "after the moment", date: -99 * day, until: -90 * day, snapshot: -100 * day, want: "after the moment"},
		{name: "after the moment, and closed", date: -99 * day, snapshot: -100 * day, closed: true, ignore: true, want: "after the moment"},
	} {
		p := &Planner{Now: now, IgnoreExpiry: c.ignore}
		if c.snapshot != 0 {
			p.Snapshot = now.Add(c.snapshot)
		}
		r := &aptmirror.Release{Codename: "x", Date: now.Add(c.date)}
		if c.until != 0 {
			r.ValidUntil = now.Add(c.until)
		}
		waived, err := p.timely(aptmirror.Suite{Closed: c.closed}, r)
		if len(waived) != c.waived || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, %v", c.name, waived, err)
		}
	}
}
