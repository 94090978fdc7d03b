package main

import (
	"bytes"
	"compress/gzip"
	"regexp"
	"strings"
	"testing"
	"time"

	"satchel/aptmirror/archivetest"
)

// fakeArchive is a complete signed Debian archive with small packages of the
// test's own, served on loopback.
type fakeArchive struct {
	*archivetest.Archive
	*archivetest.Server
}

// newArchive has all the pockets that satchel reads for bookworm, and the
// packages in the first.
func newArchive(t testing.TB, packages ...archivetest.Package) *fakeArchive {
	t.Helper()
	a := archivetest.New(t)
	for i, s := range []archivetest.Suite{
		{Archive: "debian", Name: "bookworm"}, {Archive: "debian", Name: "bookworm-updates"}, {Archive: "debian-security", Name: "bookworm-security"},
	} {
		if s.Until = time.Now().Add(24 * time.Hour); i == 0 {
			s.Packages = packages
		}
		a.Publish(t, s)
	}
	return &fakeArchive{a, a.Serve(t)}
}

// releases are the ways in which the main suite may be published again.
var releases = map[string]func(testing.TB, *fakeArchive){
	"expired": func(t testing.TB, a *fakeArchive) {
		now := time.Now()
		a.Publish(t, archivetest.Suite{Archive: "debian", Name: "bookworm", Date: now.Add(-48 * time.Hour), Until: now.Add(-24 * time.Hour)})
	},
	"future": func(t testing.TB, a *fakeArchive) {
		now := time.Now()
		a.Publish(t, archivetest.Suite{Archive: "debian", Name: "bookworm", Date: now.Add(48 * time.Hour), Until: now.Add(96 * time.Hour)})
	},
	"bomb": func(t testing.TB, a *fakeArchive) { // an index that decodes to a gigabyte more than the Release says
		s := baseAlone
		a.Publish(t, s)
		index := "main/binary-amd64/Packages"
		plain := a.Read(t, "debian/dists/bookworm/"+index+".gz")
		s.Replace = map[string][]byte{index + ".gz": append(plain, gzipped(make([]byte, 1<<30))...)}
		a.Publish(t, s)
	},
	"newer": func(t testing.TB, a *fakeArchive) { // the archive has moved on; base is as it was
		a.Publish(t, archivetest.Suite{Archive: "debian", Name: "bookworm", Until: time.Now().Add(24 * time.Hour), Packages: []archivetest.Package{
			archivetest.Deb("base", "1.0", "Essential: yes\nPriority: required\n"),
			archivetest.Deb("tool", "3.0-1", "Depends: libtool1 (>= 3), base, extra\n"),
			archivetest.Deb("libtool1", "3.1", ""), archivetest.Deb("extra", "1", ""),
		}})
	},
	"escape": edited(func(text string) string { return strings.Replace(text, "Filename: pool", "Filename: ../../pool", 1) }),
	// Packages that cannot be what their index says, each in base's place.
	"twice": edited(func(text string) string {
		return text + strings.Replace(text, "Description: test", "Description: other", 1)
	}),
	"twice-other": edited(func(text string) string {
		return text + sums.ReplaceAllString(text, "SHA256: "+strings.Repeat("0", 63)+"1")
	}),
	"field-twice": edited(func(text string) string { return strings.Replace(text, "Version:", "Version: 0.9\nVersion:", 1) }),
	"huge":        edited(func(text string) string { return "X-Big: " + strings.Repeat("x", 1<<20) + "\n" + text }),
	"longer":      edited(func(text string) string { return sizes.ReplaceAllString(text, "Size: 99999") }),
	"shorter":     edited(func(text string) string { return sizes.ReplaceAllString(text, "Size: 9") }),
	"negative":    edited(func(text string) string { return sizes.ReplaceAllString(text, "Size: -1") }),
	"unsized":     edited(func(text string) string { return sizes.ReplaceAllString(text, "Size: 1e3") }),
	"absolute":    edited(func(text string) string { return strings.Replace(text, "Filename: ", "Filename: /", 1) }),
	"backslash":   edited(func(text string) string { return strings.Replace(text, "Filename: pool/", "Filename: pool\\", 1) }),
	"unhashed":    edited(func(text string) string { return sums.ReplaceAllString(text, "X: x") }),
	"one-path": edited(func(text string) string { // two packages in one place
		other := strings.Replace(text, "Package: base", "Package: tool", 1)
		return text + sums.ReplaceAllString(other, "SHA256: "+strings.Repeat("0", 63)+"1")
	}),
	"other-key": func(t testing.TB, a *fakeArchive) {
		s := baseAlone
		s.Keys = []*archivetest.Key{archivetest.NewKey(t)}
		a.Publish(t, s)
	},
	"other-suite": func(t testing.TB, a *fakeArchive) {
		a.Write(t, "debian/dists/bookworm/InRelease", a.Read(t, "debian/dists/bookworm-updates/InRelease"))
	},
}

var (
	sizes = regexp.MustCompile(`(?m)^Size: \d+$`)
	sums  = regexp.MustCompile(`(?m)^SHA256: [0-9a-f]+$`)
)

// edited publishes bookworm with base alone and its index changed.
func edited(edit func(text string) string) func(testing.TB, *fakeArchive) {
	return func(t testing.TB, a *fakeArchive) {
		s := baseAlone
		s.Edit = func(_, text string) string { return edit(text) }
		a.Publish(t, s)
	}
}

// baseAlone is bookworm with one package.
var baseAlone = archivetest.Suite{
	Archive: "debian", Name: "bookworm", Packages: []archivetest.Package{archivetest.Deb("base", "1.0", "Essential: yes\n")},
}

func gzipped(b []byte) []byte {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	w.Write(b)
	w.Close()
	return zipped.Bytes()
}
