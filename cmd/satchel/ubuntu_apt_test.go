package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"satchel/aptmirror/archivetest"
	"satchel/aptmirror/deb/debtest"
	"satchel/manifest"
)

// TestUbuntuAgainstApt: what Ubuntu's archives have that Debian's do not, as the
// real apt decides it, which sees the same hosts: ports in an archive of their
// own beside the main one, updates that have reached a part of all machines,
// backports, a security pocket that is behind or ahead, universe, indexes by
// their hash, zstd.
func TestUbuntuAgainstApt(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	publishJammy(t, n)
	n.write(t, "tool.yml", []byte(jammyDescriptor))
	n.satchel(t, 0, "lock", "tool.yml", "-o", "tool.lock")
	checkJammyRequests(t, n)
	lock, err := manifest.ParseLock("tool.lock", []byte(n.read(t, "tool.lock")))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range lock.Targets[0].Packages {
		got = append(got, p.Name+" "+p.Version+" "+p.Architecture)
		if port := p.Architecture == "armhf" || p.Architecture == "arm64"; p.Architecture != "all" && strings.HasPrefix(p.Archive, "ubuntu-ports/") != port {
			t.Errorf("%s:%s is from %s", p.Name, p.Architecture, p.Archive)
		}
	}
	slices.Sort(got)
	want := `base 1.0 amd64, cross-data 1 all, extra 1 amd64, libcross 1 armhf, libx 2 amd64, libx 2 arm64, libx 2 armhf, ` +
		`newer 2 amd64, old 1.1 amd64, slow 2 amd64, tool 1.2 amd64, uni 1 amd64`
	if strings.Join(got, ", ") != want {
		t.Errorf("locked are %q, want %s", got, want)
	}
	for _, machine := range []string{"0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"} {
		if apt := aptJammy(t, n, machine); !slices.Equal(apt, got) {
			t.Errorf("apt on machine %q takes\n%s\nthe lock has\n%s", machine, strings.Join(apt, "\n"), strings.Join(got, "\n"))
		}
	}
	n.satchel(t, 0, "gather", "--lock", "tool.lock", "-o", "tool.satchel")
	for _, asked := range n.requests(`_arm(hf|64)\.deb`) {
		if !strings.HasPrefix(asked, "ports.ubuntu.com/ubuntu-ports/pool/") {
			t.Errorf("asked for %s", asked)
		}
	}
	n.satchel(t, 0, "verify", "--unsigned", "tool.satchel", "--archive-keyring", "archive.gpg")
}

const jammyDescriptor = `name: "tool"
distro: "ubuntu"
suites: ["jammy"]
architectures: ["amd64"]
multiarch: ["armhf", "arm64"]
packages: ["tool", "libcross:armhf", "libx:arm64", "uni", "newer", "slow", "old"]
repositories:
- distribution: "jammy-backports"
  source: "deb http://archive.ubuntu.com/ubuntu jammy-backports main"
  packages: []
- distribution: "jammy-backports"
  source: "deb http://ports.ubuntu.com/ubuntu-ports jammy-backports main"
  packages: ["extra"]
reference_datetime: "2020-01-01 00:00:00"
remotes: []
files: []
script: |
  true
`

// publishJammy gives both archives the very same release files, and each its own
// architectures.
func publishJammy(t *testing.T, n *internet) {
	pkg := func(name, version, arch, fields, index string) archivetest.Package {
		return archivetest.Package{Index: index, Package: debtest.Package{Name: name, Version: version, Arch: arch, Fields: fields, Compression: ".zst"}}
	}
	libx := func(version string) (all []archivetest.Package) {
		for _, arch := range []string{"amd64", "armhf", "arm64"} {
			all = append(all, pkg("libx", version, arch, "Multi-Arch: same\n", ""))
		}
		return all
	}
	uni := pkg("uni", "1", "amd64", "Depends: libx\n", "")
	uni.Component = "universe"
	pockets := map[string][]archivetest.Package{
		"": append(libx("1"), uni, pkg("base", "1.0", "amd64", "Essential: yes\n", ""), pkg("tool", "1", "amd64", "Depends: libx\n", ""),
			pkg("libcross", "1", "armhf", "Multi-Arch: same\nDepends: libx, cross-data\n", ""), pkg("cross-data", "1", "all", "Multi-Arch: foreign\n", ""),
			pkg("newer", "1", "amd64", "", ""), pkg("slow", "1", "amd64", "", ""), pkg("old", "1", "amd64", "", "")),
		"-updates": append(libx("1.1"), pkg("tool", "1.1", "amd64", "Depends: libx\n", ""), pkg("old", "1.1", "amd64", "", ""),
			pkg("newer", "2", "amd64", "", "Phased-Update-Percentage: 10\n"), pkg("slow", "2", "amd64", "", "Phased-Update-Percentage: 0\n")),
		"-security":  append(libx("1.0.5"), pkg("tool", "1.2", "amd64", "Depends: libx\n", "")),
		"-backports": append(libx("2"), pkg("tool", "3", "amd64", "", ""), pkg("extra", "1", "amd64", "Depends: libx (>= 2)\n", "")),
	}
	for pocket, packages := range pockets {
		s := archivetest.Suite{
			Archive: "ports.ubuntu.com/ubuntu-ports", Name: "jammy" + pocket, Codename: "jammy", Origin: "Ubuntu", ByHash: true,
			Components: []string{"main", "universe"}, Architectures: []string{"amd64", "i386", "armhf", "arm64"}, Packages: packages,
		}
		if pocket == "-backports" {
			s.Fields = "NotAutomatic: yes\nButAutomaticUpgrades: yes\n"
		}
		n.Publish(t, s)
	}
	ports, main := filepath.Join(n.Dir, "ports.ubuntu.com/ubuntu-ports"), filepath.Join(n.Dir, "archive.ubuntu.com/ubuntu")
	if err := os.CopyFS(main, os.DirFS(ports)); err != nil {
		t.Fatal(err)
	}
	without(t, ports, "amd64", "i386")
	without(t, main, "armhf", "arm64")
}

// without removes what an archive has of some architectures.
func without(t *testing.T, dir string, arches ...string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		for _, a := range arches {
			switch {
			case d.Name() == "binary-"+a:
				if err := os.RemoveAll(name); err != nil {
					return err
				}
				return fs.SkipDir
			case strings.HasSuffix(name, "_"+a+".deb"):
				return os.Remove(name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkJammyRequests: each archive was asked for its own indexes, by their hash.
func checkJammyRequests(t *testing.T, n *internet) {
	t.Helper()
	indexes := n.requests(`/binary-`)
	for _, asked := range indexes {
		ports := strings.Contains(asked, "/binary-armhf/") || strings.Contains(asked, "/binary-arm64/")
		if !strings.Contains(asked, "/by-hash/SHA256/") || strings.HasPrefix(asked, "ports.ubuntu.com/ubuntu-ports/") != ports {
			t.Errorf("asked for %s", asked)
		}
	}
	if len(indexes) < 4*3 {
		t.Errorf("asked for %q", indexes)
	}
}

// aptJammy is what apt installs in the steps of gitian, on a machine with that ID.
func aptJammy(t *testing.T, n *internet, machine string) []string {
	t.Helper()
	var sources strings.Builder
	for _, at := range []string{"amd64] http://archive.ubuntu.com/ubuntu", "armhf,arm64] http://ports.ubuntu.com/ubuntu-ports"} {
		for _, rest := range []string{"jammy main universe", "jammy-updates main universe", "jammy-security main universe", "jammy-backports main"} {
			sources.WriteString("deb [signed-by=" + filepath.Join(n.dir, "archive.gpg") + " arch=" + at + " " + rest + "\n")
		}
	}
	apt := archivetest.NewApt(t, sources.String(), "armhf", "arm64")
	options := []string{"-o", "Acquire::http::Proxy=" + n.proxy.URL, "-o", "APT::Machine-ID=" + machine}
	if out, err := apt.Run("apt-get", append(options, "update")...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	installed := map[string]string{}
	for _, wishes := range [][]string{{"base"}, {"tool", "libcross:armhf", "libx:arm64", "uni", "newer", "slow", "old"}, {"-t", "jammy-backports", "extra"}} {
		done, err := apt.Install(append(options, wishes...)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range done {
			f := strings.Fields(p)
			installed[f[0]+" "+f[2]] = p
		}
	}
	var all []string
	for _, p := range installed {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}
