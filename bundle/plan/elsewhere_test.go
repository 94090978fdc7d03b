package plan

import (
	"context"
	"strings"
	"testing"

	"satchel/aptmirror/archivetest"
	"satchel/manifest"
)

// TestElsewhere: the error says which component or suite has what is missing,
// also when only a dependency misses it.
func TestElsewhere(t *testing.T) {
	a := archivetest.New(t)
	inContrib := archivetest.Deb("blob", "7", "")
	inContrib.Component = "contrib"
	tooOld := archivetest.Deb("lib", "1.5", "")
	tooOld.Component = "contrib"
	freshest := archivetest.Deb("fresh", "10", "")
	freshest.Component = "contrib"
	for _, s := range []archivetest.Suite{
		{Archive: "debian", Name: "bookworm", Components: []string{"main", "contrib"}, Packages: []archivetest.Package{
			archivetest.Deb("base", "1", "Essential: yes\n"), archivetest.Deb("tool", "2", "Depends: blob\n"), inContrib,
			archivetest.Deb("lib", "1", ""), archivetest.Deb("wants", "1", "Depends: lib (>= 2)\n"), tooOld}},
		{Archive: "debian", Name: "bookworm-backports", Fields: "NotAutomatic: yes\nButAutomaticUpgrades: yes\n", Components: []string{"main", "contrib"},
			Packages: []archivetest.Package{archivetest.Deb("fresh", "9", ""), freshest, archivetest.Deb("lib", "2", ""), archivetest.Deb("lib", "3", "")}},
		{Archive: "debian", Name: "bookworm-updates"}, {Archive: "debian-security", Name: "bookworm-security"},
		{Archive: "debian", Name: "trixie", Packages: []archivetest.Package{
			archivetest.Deb("base", "1", "Essential: yes\n"), archivetest.Deb("newer", "3", "")}},
		{Archive: "debian", Name: "trixie-updates"}, {Archive: "debian-security", Name: "trixie-security"},
	} {
		a.Publish(t, s)
	}
	w := newRepoPlanner(t, a)
	lock := func(packages, suites string) error {
		d, err := manifest.ParseDescriptor("x.yml", []byte("name: x\nsuites: ["+suites+"]\ndistro: debian\narchitectures: [amd64]\npackages: ["+packages+
			"]\nreference_datetime: \"2020-01-01 00:00:00\"\nremotes: []\nfiles: []\nscript: \"true\"\n"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.planner.Lock(context.Background(), []Request{{Descriptor: d, Settings: &manifest.Settings{}, Base: []string{"base"}}})
		return err
	}
	const told = "what is not read for this target (an entry of the descriptor's repositories can add it):\n  "
	for _, c := range []struct{ packages, suites, want string }{
		{"fresh", "bookworm", "fresh 10 is in contrib of debian/bookworm-backports\n  fresh 9 is in debian/bookworm-backports"},
		{"wants", "bookworm", "lib 2 is in debian/bookworm-backports\n  lib 3 is in debian/bookworm-backports"},
		{"lib=3", "bookworm", "lib 3 is in debian/bookworm-backports"},
		{"blob", "bookworm", "blob 7 is in contrib of debian/bookworm"},
		{"tool", "bookworm", "blob 7 is in contrib of debian/bookworm"},
		{"newer", "\"trixie\", \"bookworm\"", "newer 3 is in debian/trixie"},
	} {
		err := lock(c.packages, c.suites)
		if err == nil || !strings.HasSuffix(err.Error(), told+c.want) {
			t.Errorf("%s for %s: %v, want %q", c.packages, c.suites, err, c.want)
		}
	}
	if err := lock("nowhere", "bookworm"); err == nil || strings.Contains(err.Error(), "not read") {
		t.Errorf("what is nowhere: %v", err)
	}
}
