package main

import (
	"bytes"
	"compress/gzip"
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
	"escape": func(t testing.TB, a *fakeArchive) { // a package whose path leads out of the archive
		s := baseAlone
		s.Edit = func(_, text string) string { return strings.ReplaceAll(text, "Filename: pool", "Filename: ../../pool") }
		a.Publish(t, s)
	},
	"other-key": func(t testing.TB, a *fakeArchive) {
		s := baseAlone
		s.Keys = []*archivetest.Key{archivetest.NewKey(t)}
		a.Publish(t, s)
	},
	"other-suite": func(t testing.TB, a *fakeArchive) {
		a.Write(t, "debian/dists/bookworm/InRelease", a.Read(t, "debian/dists/bookworm-updates/InRelease"))
	},
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
