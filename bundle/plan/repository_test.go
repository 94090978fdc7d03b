package plan

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"satchel/aptmirror"
	"satchel/aptmirror/archivetest"
	"satchel/aptmirror/fetch"
	"satchel/bundle/store"
	"satchel/manifest"
)

// repoWorld is Debian, with backports, and a vendor's archive that has a key of
// its own.
type repoWorld struct {
	planner *Planner
	vendor  *archivetest.Key
	url     string
}

func newRepoWorld(t *testing.T) *repoWorld {
	t.Helper()
	a := archivetest.New(t)
	w := &repoWorld{vendor: archivetest.NewKey(t)}
	for _, s := range []archivetest.Suite{
		{Archive: "debian", Name: "bookworm", Packages: []archivetest.Package{
			archivetest.Deb("base", "1", "Essential: yes\n"), archivetest.Deb("tool", "2", ""), archivetest.Deb("lib", "1", ""),
			archivetest.Deb("plain", "1", "")}},
		{Archive: "debian", Name: "bookworm-updates"}, {Archive: "debian-security", Name: "bookworm-security"},
		{Archive: "debian", Name: "bookworm-backports", Fields: "NotAutomatic: yes\nButAutomaticUpgrades: yes\n", Packages: []archivetest.Package{
			archivetest.Deb("lib", "3~bpo12+1", ""), archivetest.Deb("plain", "3~bpo12+1", "")}},
		{Archive: "vendor", Name: "jammy", Components: []string{"main", "extra"}, Keys: []*archivetest.Key{w.vendor}, Packages: []archivetest.Package{
			archivetest.Deb("tool", "5", "Depends: toolkit\n"), archivetest.Deb("toolkit", "5", "")}},
	} {
		a.Publish(t, s)
	}
	vendor := w.vendor
	w = newRepoPlanner(t, a)
	w.vendor = vendor
	return w
}

// newRepoPlanner reads what is published, on loopback.
func newRepoPlanner(t *testing.T, a *archivetest.Archive) *repoWorld {
	t.Helper()
	server := a.Serve(t)
	w := &repoWorld{url: server.URL}
	keys, err := aptmirror.ReadKeyring("test", a.Keyring(t))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	client := fetch.New(fetch.Options{})
	t.Cleanup(func() { client.Close(); kept.Close() })
	w.planner = &Planner{Fetch: client, Store: kept, Now: time.Now(), Keyring: keys, AnySigner: true,
		Progress: func(string) fetch.Progress { return nil }, Story: func(string) {},
		Mirrors: aptmirror.Mirrors{Given: map[string][]string{
			"debian": {server.URL + "/debian"}, "debian-security": {server.URL + "/debian-security"}}}}
	return w
}

func (w *repoWorld) vendorKeys(t *testing.T) map[string]*aptmirror.Keyring {
	t.Helper()
	k, err := aptmirror.ReadKeyring("vendor", w.vendor.Public(t))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*aptmirror.Keyring{"vendor": k}
}

// lock plans a descriptor with repositories; $URL in them is the server.
func (w *repoWorld) lock(t *testing.T, keys map[string]*aptmirror.Keyring, repositories string) (*manifest.Lock, error) {
	t.Helper()
	text := "name: x\nsuites: [bookworm]\ndistro: debian\narchitectures: [amd64]\npackages: [plain]\nreference_datetime: \"2020-01-01 00:00:00\"\n" +
		"remotes: []\nfiles: []\nscript: \"true\"\nrepositories:\n" + strings.ReplaceAll(repositories, "$URL", w.url)
	d, err := manifest.ParseDescriptor("x.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return w.planner.Lock(context.Background(), []Request{{Descriptor: d, Settings: &manifest.Settings{}, Base: []string{"tool"}, Keyrings: keys}})
}

const vendorAndBackports = `- source: "deb [arch=amd64,i386] $URL/vendor/ jammy extra main"
  distribution: jammy
  name: vendor
  packages: [tool]
- source: "deb http://ftp.debian.org/debian bookworm-backports main"
  distribution: bookworm-backports
  packages: [lib]
`

func TestRepositories(t *testing.T) {
	w := newRepoWorld(t)
	lock, err := w.lock(t, w.vendorKeys(t), vendorAndBackports)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range lock.Targets[0].Packages {
		got = append(got, fmt.Sprintf("%s %s %s (%s)", p.Name, p.Version, p.Archive, p.Why))
	}
	want := []string{
		"base 1 debian/bookworm (essential)", "lib 3~bpo12+1 debian/bookworm-backports (asked for)",
		"plain 1 debian/bookworm (asked for)", // -t holds for its own packages alone
		"tool 5 vendor/jammy (base)", "toolkit 5 vendor/jammy (dependency of tool)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("packages\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	text, err := lock.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte("\n    uri: "+w.url+"/vendor\n")); n != 1 {
		t.Errorf("the lock has %d times where the vendor's archive is:\n%s", n, text)
	}
	for _, a := range lock.Archives {
		if vendor := a.Name == "vendor"; vendor && (a.SignedBy[0] != w.vendor.Fingerprint() || len(a.Components) != 2) || vendor != (a.URI != "") {
			t.Errorf("archive %+v", a)
		}
	}
}

// TestRepositoriesOfOneArchive: a component that the suite has not is added to
// the one pin of the archive, and what it has already is not read twice.
func TestRepositoriesOfOneArchive(t *testing.T) {
	w := newRepoWorld(t)
	lock, err := w.lock(t, w.vendorKeys(t), `- source: "deb $URL/vendor jammy main"
  distribution: jammy
  name: vendor
  packages: [tool]
- source: "deb $URL/vendor jammy main extra"
  distribution: jammy
  name: vendor
  packages: [toolkit]
- source: "deb http://ftp.debian.org/debian/ bookworm main"
  distribution: bookworm
  packages: [plain]
`)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range lock.Archives {
		paths := map[string]bool{}
		for _, f := range a.Indexes {
			paths[f.Path] = true
		}
		if want := len(a.Components); len(paths) != want || len(a.Indexes) != want {
			t.Errorf("%s has components %v and indexes %v", a.ID(), a.Components, a.Indexes)
		}
	}
}

func TestRepositoriesRefused(t *testing.T) {
	w := newRepoWorld(t)
	one := func(source, distribution, more string) string {
		return fmt.Sprintf("- source: %q\n  distribution: %s\n  packages: [tool]\n%s", source, distribution, more)
	}
	vendor := one("deb $URL/vendor jammy main", "jammy", "  name: vendor\n  key: https://vendor.example/key.asc\n")
	other, err := aptmirror.ReadKeyring("other", archivetest.NewKey(t).Public(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, repositories string
		keys               map[string]*aptmirror.Keyring
		machine            bool // the keys are those of the machine
		want               []string
	}{
		{"no key", vendor, nil, true, []string{"no key is known", "https://vendor.example/key.asc", "keyrings: {vendor: FILE}", "--archive-keyring"}},
		{"by address, no key", one("deb https://vendor.example:8443/apt/x jammy main", "jammy", ""), nil, true, []string{"vendor.example-8443-apt-x"}},
		{"trusted=yes is no key", one("deb [trusted=yes] $URL/vendor jammy main", "jammy", ""), nil, true, []string{"no key is known"}},
		{"another key", vendor, map[string]*aptmirror.Keyring{"vendor": other}, false, []string{"vendor/jammy", "key"}},
		{"a key for nobody", vendor, map[string]*aptmirror.Keyring{"vendor": other, "vender": other}, false, []string{"vendor/jammy"}},
		{"not there", one("deb $URL/vendor focal main", "focal", "  name: vendor\n"), w.vendorKeys(t), false, []string{"vendor/focal", "404"}},
		{"no such component", one("deb $URL/vendor jammy contrib", "jammy", "  name: vendor\n"), w.vendorKeys(t), false, []string{"no packages of contrib for amd64"}},
		{"no such architecture", one("deb [arch=arm64] $URL/vendor jammy main", "jammy", "  name: vendor\n"), w.vendorKeys(t), false, []string{"no packages for amd64"}},
		{"no such release", one("deb $URL/vendor jammy main", "noble", "  name: vendor\n"), w.vendorKeys(t), false, []string{`"noble" (-t)`, "jammy"}},
		{"flat", one("deb $URL/vendor ./", "jammy", ""), nil, false, []string{"flat"}},
		{"sources", one("deb-src $URL/vendor jammy main", "jammy", ""), nil, false, []string{"begins with deb"}},
		{"ftp", one("deb ftp://vendor.example/x jammy main", "jammy", ""), nil, false, []string{"http://"}},
		{"a password", one("deb https://me:secret@vendor.example/x jammy main", "jammy", ""), nil, false, []string{"no user"}},
		{"another's name", one("deb $URL/vendor jammy main", "jammy", "  name: debian\n"), nil, false, []string{"name of another archive"}},
		{"a suite that moves", one("deb http://ftp.debian.org/debian stable main", "stable", ""), nil, false, []string{`no suite "stable"`}},
	} {
		w.planner.AnySigner = !c.machine
		_, err := w.lock(t, c.keys, c.repositories)
		if err == nil {
			t.Errorf("%s: locked", c.name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", c.name, err, want)
			}
		}
	}
}
