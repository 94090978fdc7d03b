package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"satchel/aptmirror/archivetest"
	"satchel/aptmirror/deb/debtest"
)

// TestForms takes an archive across in every shape that archives have had: how
// indexes are packed and found, where packages for all architectures stand, how
// the release file is signed, how the packages themselves are packed.
func TestForms(t *testing.T) {
	base := archivetest.Deb("base", "1.0", "Essential: yes\nDepends: data\n")
	data := archivetest.Package{Package: debtest.Package{Name: "data", Version: "2", Arch: "all"}, Component: "main"}
	for name, c := range map[string]struct {
		suite   archivetest.Suite
		packing string // of base
	}{
		"plain":           {archivetest.Suite{Forms: []string{""}}, ""},
		"gz":              {archivetest.Suite{Forms: []string{".gz"}}, ".gz"},
		"xz":              {archivetest.Suite{Forms: []string{".xz"}}, ".xz"},
		"bz2":             {archivetest.Suite{Forms: []string{".bz2"}}, ".bz2"},
		"lzma":            {archivetest.Suite{Forms: []string{".lzma"}}, ".lzma"},
		"zst":             {archivetest.Suite{Forms: []string{".zst"}}, ".zst"},
		"by hash":         {archivetest.Suite{ByHash: true}, ".xz"},
		"all apart":       {archivetest.Suite{Architectures: []string{"all", "amd64"}}, ".xz"},
		"all in each":     {archivetest.Suite{Architectures: []string{"all", "amd64"}, NoSupportForAll: true}, ".xz"},
		"detached":        {archivetest.Suite{Detached: true, Hashes: []string{"MD5Sum", "SHA1", "SHA256"}}, ".gz"},
		"two keys":        {archivetest.Suite{}, ".gz"},
		"two detached":    {archivetest.Suite{Detached: true}, ".gz"},
		"another's first": {archivetest.Suite{}, ".gz"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t)
			s := c.suite
			s.Archive, s.Name = "debian", "bookworm"
			base := base
			base.Compression = c.packing
			s.Packages = []archivetest.Package{base, data}
			ring := a.Keyring(t)
			switch more := archivetest.NewKey(t); name {
			case "two keys", "two detached":
				s.Keys = []*archivetest.Key{a.Key, more}
				ring = append(ring, more.Public(t)...)
			case "another's first":
				s.Keys = []*archivetest.Key{more, a.Key}
			}
			a.Publish(t, s)
			acrossWith(t, a, ring)
			byHash := false
			for _, p := range a.Asked() {
				byHash = byHash || strings.Contains(p, "by-hash/SHA256/")
			}
			if byHash != s.ByHash {
				t.Errorf("by hash was asked: %v, offered: %v", byHash, s.ByHash)
			}
		})
	}
}

// acrossWith gathers and verifies base, trusting a keyring.
func acrossWith(t *testing.T, a *fakeArchive, ring []byte) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"archive.gpg": string(ring), "base.yml": "name: base\ndistro: debian\nsuites: [bookworm]\narchitectures: [amd64]\n" +
		"packages: []\nreference_datetime: \"2020-01-01 00:00:00\"\nremotes: []\nfiles: []\nscript: |\n  true\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bundle := filepath.Join(dir, "base.satchel")
	for _, args := range [][]string{
		{"gather", filepath.Join(dir, "base.yml"), "-o", bundle, "--base-packages", "base", "--archive-keyring", filepath.Join(dir, "archive.gpg"),
			"--mirror", "debian=" + a.URL + "/debian", "--mirror", "debian-security=" + a.URL + "/debian-security", "--mirrors-only"},
		{"verify", bundle, "--unsigned", "--archive-keyring", filepath.Join(dir, "archive.gpg")},
	} {
		var out, story bytes.Buffer
		if code := command(append(args, "--cache", filepath.Join(dir, "cache")), &ui{out: &out, err: &story}); code != exitDone {
			t.Fatalf("satchel %v: exit status %d\n%s", args, code, story.String())
		}
	}
}
