package archivetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// runApt updates a private apt that knows one suite alone, strictly, and prints
// what it knows of the packages.
func runApt(t *testing.T, a *Archive, archive, suite, components string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("apt-get"); err != nil {
		if os.Getenv("SATCHEL_CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no apt to ask")
	}
	dir := t.TempDir()
	for _, d := range []string{"state/lists/partial", "etc/apt.conf.d", "etc/preferences.d", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("key.gpg", string(a.Keyring(t)))
	write("status", "")
	write("etc/sources.list", fmt.Sprintf("deb [signed-by=%s/key.gpg] file:%s/%s %s %s\n", dir, a.Dir, archive, suite, components))
	write("apt.conf", fmt.Sprintf("Dir %q;\nDir::State \"state\";\nDir::State::status \"%s/status\";\nDir::Etc \"etc\";\nDir::Cache \"cache\";\n"+
		"APT::Architecture \"amd64\";\nAPT::Architectures { \"amd64\"; };\nAcquire::Languages \"none\";\nAPT::Sandbox::User \"root\";\nAPT::Update::Error-Mode \"any\";\n", dir, dir))
	cmd := exec.Command("sh", "-c", "apt-get update && apt-cache policy tool libtool1 tool-data")
	cmd.Env = append(os.Environ(), "APT_CONFIG="+dir+"/apt.conf", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	return string(out), err
}
