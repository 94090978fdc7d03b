package archivetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"satchel/aptmirror/deb/debtest"
)

// TestAptReads: the real apt, with the key alone to trust, takes what is
// published in every form, and sees the packages that are in it.
func TestAptReads(t *testing.T) {
	a := New(t)
	tool := Deb("tool", "1:2.0-1", "Depends: libtool1\n")
	tool.Component, tool.Index = "universe", "Phased-Update-Percentage: 10\n"
	data := Package{Package: debtest.Package{Name: "tool-data", Version: "2.0-1", Arch: "all"}}
	for i, s := range []Suite{
		{Forms: []string{".gz"}},
		{Forms: []string{".xz"}, ByHash: true},
		{Forms: []string{".bz2"}, Hashes: []string{"MD5Sum", "SHA1", "SHA256"}, Detached: true},
		{Forms: []string{".lzma"}, Keys: []*Key{a.Key, NewKey(t)}},
		{Forms: []string{".zst"}, Architectures: []string{"amd64", "all"}},
		{Forms: []string{""}, Architectures: []string{"amd64", "i386", "all"}, NoSupportForAll: true},
		{Forms: []string{"", ".gz", ".xz"}, Fields: "NotAutomatic: yes\nButAutomaticUpgrades: yes\n", Until: time.Now().Add(time.Hour)},
	} {
		s.Archive, s.Name, s.Origin = "ubuntu", fmt.Sprintf("jammy-%d", i), "Ubuntu"
		s.Components = []string{"main", "universe"}
		s.Packages = []Package{Deb("libtool1", "2.1", ""), tool, data}
		s.Sources = []Source{{Name: "tool", Version: "1:2.0-1", Files: map[string][]byte{"tool_2.0.orig.tar.gz": []byte("x")}}}
		a.Publish(t, s)
		out := aptUpdate(t, a, "ubuntu", s.Name, "main universe")
		for _, want := range []string{"tool:\n  Installed: (none)\n  Candidate: 1:2.0-1\n", "libtool1:\n  Installed: (none)\n  Candidate: 2.1\n",
			"tool-data:\n  Installed: (none)\n  Candidate: 2.0-1\n", "jammy-" + fmt.Sprint(i) + "/universe amd64 Packages"} {
			if !strings.Contains(out, want) {
				t.Errorf("suite %d: apt does not say %q:\n%s", i, want, out)
			}
		}
	}
}

// TestAptJoins: what readers of archives may rely on, whichever key is known.
func TestAptJoins(t *testing.T) {
	a, stranger := New(t), NewKey(t)
	s := Suite{Archive: "debian", Name: "stable", Detached: true, Packages: []Package{Deb("base", "1", "")}}
	a.Publish(t, s)
	release := a.Read(t, "debian/dists/stable/Release")
	for _, keys := range [][]*Key{{a.Key, stranger}, {stranger, a.Key}} {
		var sigs []byte
		for _, k := range keys {
			sigs = append(sigs, DetachSign(t, release, time.Now().Add(-time.Minute), k)...)
		}
		a.Write(t, "debian/dists/stable/Release.gpg", sigs)
		aptUpdate(t, a, "debian", "stable", "main")
	}
}

// TestAptRefuses what another key signed, and what was changed since.
func TestAptRefuses(t *testing.T) {
	for name, spoil := range map[string]func(a *Archive){
		"another key": func(a *Archive) { a.Publish(t, Suite{Archive: "debian", Name: "stable", Keys: []*Key{NewKey(t)}}) },
		"another index": func(a *Archive) {
			a.Publish(t, Suite{Archive: "debian", Name: "stable", Forms: []string{""}, Packages: []Package{Deb("base", "1", "")}})
			a.Write(t, "debian/dists/stable/main/binary-amd64/Packages", []byte("Package: evil\n"))
		},
	} {
		a := New(t)
		spoil(a)
		if out, err := runApt(t, a, "debian", "stable", "main"); err == nil {
			t.Errorf("%s: apt takes it:\n%s", name, out)
		}
	}
}

func aptUpdate(t *testing.T, a *Archive, archive, suite, components string) string {
	t.Helper()
	out, err := runApt(t, a, archive, suite, components)
	if err != nil {
		t.Fatalf("apt: %v\n%s", err, out)
	}
	return out
}

// runApt updates an apt that knows one suite alone, and prints what it knows of
// the packages.
func runApt(t *testing.T, a *Archive, archive, suite, components string) (string, error) {
	t.Helper()
	a.Write(t, "key.gpg", a.Keyring(t))
	apt := NewApt(t, fmt.Sprintf("deb [signed-by=%s/key.gpg] file:%s/%s %s %s\n", a.Dir, a.Dir, archive, suite, components))
	out, err := apt.Run("apt-get", "update")
	if err != nil {
		return out, err
	}
	return apt.Run("apt-cache", "policy", "tool", "libtool1", "tool-data")
}
