//go:build linux

package guest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"satchel/aptmirror/deb/debtest"
)

// unpackInto reads, stages and places packages in a directory, one after
// another, and records them, without running anything.
func unpackInto(t *testing.T, root string, packages ...debtest.Package) (*placer, error) {
	t.Helper()
	tree := newTree(root)
	if err := initDatabase(tree, "amd64", []string{"i386"}); err != nil {
		t.Fatal(err)
	}
	return unpackMore(t, tree, packages...)
}

func unpackMore(t *testing.T, tree *tree, packages ...debtest.Package) (*placer, error) {
	t.Helper()
	pl := newPlacer(tree)
	return pl, placeWave(t, pl, packages)
}

// placeWave reads, stages, places and records packages as a wave is, without
// running anything.
func placeWave(t *testing.T, pl *placer, packages []debtest.Package) error {
	t.Helper()
	spool, err := os.MkdirTemp(filepath.Dir(pl.tree.root), "spool-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(spool)
	passwd, _ := os.ReadFile("/etc/passwd")
	group, _ := os.ReadFile("/etc/group")
	pl.owners = parseOwners(passwd, group)
	if os.Geteuid() != 0 {
		pl.owners = owners{map[string]int{"root": os.Geteuid()}, map[string]int{"root": os.Getegid()}}
	}
	div, err := pl.tree.read(adminDir + "/diversions")
	if err == nil {
		pl.diverted, err = parseDiversions(div)
	}
	if err != nil {
		return err
	}
	if err := pl.startTriggers(); err != nil {
		return err
	}
	var all []*staged
	for i, p := range packages {
		s := stagedOf(t, spool, i, p)
		if err := s.readControl(); err != nil {
			return err
		}
		if err := s.stage(t.Context(), 1<<40); err != nil {
			return err
		}
		if err := pl.place(t.Context(), s); err != nil {
			return err
		}
		all = append(all, s)
	}
	if err := record(pl.tree, all); err != nil {
		return err
	}
	if err := pl.triggers.record(pl.tree); err != nil {
		return err
	}
	return pl.relist()
}

// stagedOf writes a package to the spool.
func stagedOf(t *testing.T, spool string, i int, p debtest.Package) *staged {
	t.Helper()
	version, arch := p.Version, p.Arch
	if version == "" {
		version = "1"
	}
	if arch == "" {
		arch = "all"
	}
	s := &staged{Deb: Deb{Name: p.Name, Version: version, Architecture: arch}, rank: i,
		path: filepath.Join(spool, fmt.Sprint(i)+".deb"), dir: filepath.Join(spool, fmt.Sprint(i))}
	if err := os.WriteFile(s.path, p.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return s
}

// with changes a header.
func with(h tar.Header, change func(*tar.Header)) tar.Header {
	change(&h)
	return h
}

// world is packages that use what dpkg's unpacking has to offer.
func world() []debtest.Package {
	mode := func(name string, mode int64) tar.Header {
		return with(debtest.File(name), func(h *tar.Header) { h.Mode = mode })
	}
	shared := func(arch string) debtest.Package {
		return debtest.Package{
			Name: "libshared", Version: "1.0", Arch: arch, Fields: "Multi-Arch: same\n",
			Scripts: map[string]string{"triggers": "activate-noawait ldconfig\ninterest-noawait shared-trigger\n", "shlibs": "x 1\n"},
			Data: []tar.Header{debtest.Dir("."), debtest.Dir("./usr"), debtest.Dir("./usr/share"),
				debtest.File("./usr/share/shared"), debtest.Link("./usr/share/shared.link", "shared"),
				debtest.Dir("./usr/lib"), debtest.Dir("./usr/lib/" + arch), debtest.File("./usr/lib/" + arch + "/libshared.so")},
			Contents: map[string]string{"./usr/share/shared": "the same", "./usr/lib/" + arch + "/libshared.so": arch},
		}
	}
	return []debtest.Package{
		{
			Name: "base", Version: "2:1.0~rc1-1", Fields: "Essential: yes\nSection: admin\nPriority: required\nInstalled-Size: 12\nX-Odd: field \n with\n .\n lines\nHomepage: https://example.org/\n",
			Scripts: map[string]string{"conffiles": "/etc/base.conf\nremove-on-upgrade /etc/base.gone\n/etc/base.d/two\n",
				"triggers": "# a comment\ninterest /usr/share/watched\ninterest-noawait /usr/share/other\ninterest-await base-trigger\n"},
			Data: []tar.Header{
				debtest.Dir("."), debtest.Dir("./etc"), debtest.File("./etc/base.conf"),
				with(debtest.Dir("./etc/base.d"), func(h *tar.Header) { h.Mode = 0o750; h.Gname = "adm" }),
				debtest.File("./etc/base.d/two"), debtest.HardLink("./etc/base.d/again", "./etc/base.d/two"),
				debtest.Dir("./usr"), debtest.Dir("./usr/bin"), mode("./usr/bin/setuid", 0o4755),
				with(mode("./usr/bin/setgid", 0o2755), func(h *tar.Header) { h.Gname = "tty"; h.Gid = 77 }),
				with(debtest.File("./usr/bin/numbers"), func(h *tar.Header) { h.Uname, h.Gname = "no-such-user", ""; h.Uid, h.Gid = 4242, 4243 }),
				mode("./usr/bin/prog", 0o755), debtest.HardLink("./usr/bin/prog2", "./usr/bin/prog"),
				debtest.Link("./usr/bin/abs", "/usr/bin/prog"),
				with(debtest.Dir("./var"), func(h *tar.Header) {}), with(debtest.Dir("./var/spool"), func(h *tar.Header) { h.Mode = 0o1777 }),
				with(debtest.File("./var/fifo"), func(h *tar.Header) { h.Typeflag = tar.TypeFifo; h.Mode = 0o620 }),
				debtest.File("./usr/a name with blanks and \xc3\xa9"),
				debtest.Dir("./usr/" + strings.Repeat("d", 120)), debtest.File("./usr/" + strings.Repeat("d", 120) + "/" + strings.Repeat("f", 120)),
			},
			Contents: map[string]string{"./etc/base.conf": "one\n", "./etc/base.d/two": "two\n", "./usr/bin/prog": "#!/bin/sh\n"},
		},
		shared("amd64"), shared("i386"),
		{
			Name: "merged", Scripts: map[string]string{"md5sums": "d41d8cd98f00b204e9800998ecf8427e  usr/bin/from-bin\n", "postinst": "#!/bin/sh\nexit 0\n"},
			Data: []tar.Header{debtest.Dir("."), debtest.Dir("./bin"), debtest.File("./bin/from-bin"),
				with(debtest.Dir("./var"), func(h *tar.Header) { h.Mode = 0o700 }), debtest.Dir("./var/spool"), debtest.File("./var/spool/x")},
		},
		{
			Name: "replacer", Version: "3", Fields: "Replaces: base (<< 3:0), other\nBreaks: base (<< 0)\nProvides: virtual (= 3)\nDepends: base | nothing\n",
			Data:     []tar.Header{debtest.Dir("."), debtest.Dir("./usr"), debtest.Dir("./usr/bin"), debtest.File("./usr/bin/numbers")},
			Contents: map[string]string{"./usr/bin/numbers": "the replacer's"},
		},
		{
			Name: "diverted", Data: []tar.Header{debtest.Dir("."), debtest.Dir("./usr"), debtest.Dir("./usr/bin"), debtest.File("./usr/bin/tool"), debtest.File("./usr/bin/mine"), debtest.HardLink("./usr/bin/tool2", "./usr/bin/tool")},
			Contents: map[string]string{"./usr/bin/tool": "diverted's", "./usr/bin/mine": "diverted's"},
		},
		{
			Name: "diverter", Data: []tar.Header{debtest.Dir("."), debtest.Dir("./usr"), debtest.Dir("./usr/bin"), debtest.File("./usr/bin/tool")},
			Contents: map[string]string{"./usr/bin/tool": "diverter's"},
		},
	}
}

const diversions = "/usr/bin/tool\n/usr/bin/tool.distrib\ndiverter\n/usr/bin/mine\n/usr/bin/mine.local\n:\n"

// skeletonAt makes what a new root has before the first package.
func skeletonAt(t *testing.T, root string) {
	t.Helper()
	for _, d := range []string{"usr/bin", adminDir} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("usr/bin", filepath.Join(root, "bin")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, adminDir, "diversions"), []byte(diversions), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestUnpackLikeDpkg unpacks the same packages with the machine's dpkg and
// compares trees and databases.
func TestUnpackLikeDpkg(t *testing.T) {
	needRoot(t)
	if _, err := exec.LookPath("dpkg"); err != nil {
		skip(t, "needs dpkg")
	}
	defer setUmask(0o022)()
	ours, theirs := t.TempDir(), t.TempDir()
	skeletonAt(t, ours)
	skeletonAt(t, theirs)
	if _, err := unpackInto(t, ours, world()...); err != nil {
		t.Fatal(err)
	}
	if err := initDatabase(newTree(theirs), "amd64", []string{"i386"}); err != nil {
		t.Fatal(err)
	}
	for i, p := range world() {
		file := filepath.Join(t.TempDir(), fmt.Sprint(i)+".deb")
		if err := os.WriteFile(file, p.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		dpkg(t, theirs, "", "--force-depends", "--force-bad-path", "--unpack", file)
	}
	// Both write their status anew, so that it is in dpkg's own form.
	for _, root := range []string{ours, theirs} {
		dpkg(t, root, "base hold\n", "--set-selections")
		for _, left := range []string{"status-old", "diversions-old", "lock", "lock-frontend", "triggers/Lock", "triggers/Unincorp"} {
			os.Remove(filepath.Join(root, adminDir, left))
		}
	}
	a, b := readAll(t, filepath.Join(theirs, statusFile)), readAll(t, filepath.Join(ours, statusFile))
	if a != b {
		t.Errorf("status: dpkg has\n%s\nwe have\n%s", a, b)
	}
	for _, d := range differences(treeOf(t, theirs, io.Discard), treeOf(t, ours, io.Discard)) {
		t.Error(d)
	}
}

// TestStatusKeepsOnlyDpkgsFields: a control stanza cannot claim a state.
func TestStatusKeepsOnlyDpkgsFields(t *testing.T) {
	for _, f := range databaseFields {
		_, err := unpackInto(t, t.TempDir(), debtest.Package{Name: "x", Fields: f + ": install ok installed\n", Data: []tar.Header{debtest.Dir(".")}})
		if err == nil || !strings.Contains(err.Error(), "x_1_all.deb") {
			t.Errorf("%s: got %v, want an error that names the package", f, err)
		}
	}
}

func dpkg(t *testing.T, root, stdin string, args ...string) {
	t.Helper()
	cmd := exec.Command("dpkg", append([]string{"--root=" + root, "--log=/dev/null"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("dpkg %v: %v\n%s", args, err, out.String())
	}
}

func readAll(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
