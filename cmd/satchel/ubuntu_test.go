package main

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"satchel/aptmirror/archivetest"
	"satchel/aptmirror/deb/debtest"
	"satchel/manifest"
)

// Ubuntu without its archive: hello's Debian packages, written again in
// Ubuntu's image and published under Ubuntu's names, on the hosts that the
// table of suites has. A proxy on loopback stands in for those hosts, so all of
// it is as it would be on a machine that has never seen Ubuntu but for its key.

// ubuntuRelease is how a release of Ubuntu differs from another.
type ubuntuRelease struct {
	name, version string
	forms         []string // of indexes
	byHash        bool
	detached      []string // pockets whose Release is signed by a Release.gpg
	hashes        []string
	mergedUsr     bool
	packing       func(name, file string) archivetest.Repack // Stanza is set by repack
	packages      string                                     // what the descriptor asks for
	base          []string                                   // --base-packages; nil: the table's
	port          string                                     // an architecture of the ports, beside amd64
}

var ubuntuReleases = []ubuntuRelease{
	{ // since impish all packages are packed with zstd
		name: "jammy", version: "22.04", forms: []string{".gz", ".xz"}, byHash: true, mergedUsr: true,
		hashes: []string{"MD5Sum", "SHA1", "SHA256"},
		packing: func(_, file string) archivetest.Repack {
			if fi, err := os.Stat(file); os.Getenv("SATCHEL_FULL") == "" && (err != nil || fi.Size() > 2<<20) {
				return archivetest.Repack{Control: ".zst", Data: "keep"} // it would take most of the time
			}
			return archivetest.Repack{Control: ".zst", Data: ".zst"}
		},
		packages: "[faketime, zip, 'libport:armhf']", port: "armhf",
	},
	{ // and before that with whatever dpkg knew then
		name: "trusty", version: "14.04", forms: []string{".gz", ".bz2"}, detached: []string{""},
		hashes: []string{"MD5Sum", "SHA1", "SHA256"},
		packing: func(name, _ string) archivetest.Repack {
			for data, names := range map[string][]string{
				".lzma": {"dash", "hostname", "libacl1"}, ".bz2": {"sed", "libattr1"}, ".gz": {"grep", "gzip", "libzstd1"}, "": {"debianutils"},
			} {
				if slices.Contains(names, name) {
					return archivetest.Repack{Control: ".gz", Data: data}
				}
			}
			return archivetest.Repack{Control: ".gz", Data: "keep"}
		},
		packages: "[faketime]", base: []string{"language-pack-en", "sudo"},
	},
}

// ubuntu goes the whole way with each release.
func (c *crossing) ubuntu(t *testing.T) {
	debs := c.debs(t, "hello.satchel")
	a := archivetest.New(t)
	world := a.Serve(t)
	if err := os.WriteFile(filepath.Join(c.dir, "ubuntu.gpg"), a.Keyring(t), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, r := range ubuntuReleases {
		t.Run(r.name, func(t *testing.T) {
			if r.name == "trusty" && os.Getenv("SATCHEL_FULL") == "" {
				t.Skip("one release goes the whole way; for the older one set SATCHEL_FULL=1")
			}
			r.publish(t, a, debs)
			before := len(world.Asked())
			online := *c
			online.env = append(slices.Clone(c.env), "http_proxy="+world.URL, "https_proxy="+world.URL)
			r.cross(t, &online)
			c.aptAgrees(t, r.name+".satchel", "")
			for _, asked := range world.Asked()[before:] {
				if host, _, _ := strings.Cut(asked, "/"); host != "archive.ubuntu.com" && host != "security.ubuntu.com" && (r.port == "" || host != "ports.ubuntu.com") {
					t.Errorf("asked for %s", asked)
				}
			}
		})
	}
}

// cross locks, gathers, verifies and builds.
func (r *ubuntuRelease) cross(t *testing.T, c *crossing) {
	text := "name: " + r.name + "\ndistro: ubuntu\nsuites: [" + r.name + "]\narchitectures: [amd64]\nmultiarch: [" + r.port + "]\npackages: " + r.packages +
		"\nreference_datetime: \"2020-01-01 00:00:00\"\nremotes: []\nfiles: []\nscript: |\n  " +
		strings.ReplaceAll(strings.TrimSpace(ubuntuScript), "\n", "\n  ") + "\n"
	if err := os.WriteFile(filepath.Join(c.dir, r.name+".yml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	lock := []string{"lock", r.name + ".yml", "-o", r.name + ".lock", "--archive-keyring", "ubuntu.gpg"}
	if r.base != nil {
		lock = append(lock, "--base-packages", strings.Join(r.base, ","))
	}
	c.must(t, nil, lock...)
	r.checkLock(t, c)
	c.must(t, nil, "gather", "--lock", r.name+".lock", "-o", r.name+".satchel", "--sign", "key", "--archive-keyring", "ubuntu.gpg")
	c.must(t, offline(), "verify", r.name+".satchel", "--keyring", "key.pub", "--archive-keyring", "ubuntu.gpg")
	built, code, story := c.build(t, "sandbox", r.name+".satchel", r.name, r.name)
	if code != 0 {
		t.Fatalf("exit status %d\n%s", code, story)
	}
	want := "/home/ubuntu en_US.utf8 ubuntu\n" + map[bool]string{true: "usr/bin", false: "folder"}[r.mergedUsr] + "\n1:2020\n"
	if r.port != "" {
		want += r.port + " 1.1\n"
	}
	if got := c.read(t, r.name, "out", "seen.txt"); got != want {
		t.Errorf("the script saw %q, want %q", got, want)
	}
	if len(built[0].Outputs) != 1 {
		t.Errorf("outputs %v", built[0].Outputs)
	}
	if got := c.read(t, r.name, r.name+"-res.yml"); !strings.Contains(got, "ubuntu1_amd64.deb") {
		t.Errorf("the result names no package of Ubuntu's:\n%s", got)
	}
}

const ubuntuScript = `
link=$(readlink /bin || echo folder)
year=$(faketime '2020-05-05 00:00:00' date +%Y)
echo "$HOME $(locale -a | grep en_US) $(id -un)" > $OUTDIR/seen.txt
echo "$link" >> $OUTDIR/seen.txt
echo "$(dpkg-query -W -f '${Status}\n' | sort -u | grep -c installed):$year" >> $OUTDIR/seen.txt
test "$(dpkg-query -W -f '${Version}' language-pack-en)" = 1:2
for port in $(dpkg --print-foreign-architectures); do
  echo "$port $(dpkg-query -W -f '${Version}' libport:$port)" >> $OUTDIR/seen.txt
done
`

// checkLock: the archives are Ubuntu's, the newest version of each pocket won,
// and what lies in universe is found.
func (r *ubuntuRelease) checkLock(t *testing.T, c *crossing) {
	t.Helper()
	lock, err := manifest.ParseLock(r.name+".lock", []byte(c.read(t, r.name+".lock")))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range lock.Archives {
		got = append(got, a.ID())
		want := "InRelease"
		if slices.Contains(r.detached, strings.TrimPrefix(a.Suite, r.name)) {
			want = "Release"
		}
		if a.Release[0].Path != want || strings.Join(a.Components, " ") != "main universe" {
			t.Errorf("%s has %s and the components %v", a.ID(), a.Release[0].Path, a.Components)
		}
	}
	var want []string
	if r.port != "" {
		want = []string{"ubuntu-ports/" + r.name, "ubuntu-ports/" + r.name + "-security", "ubuntu-ports/" + r.name + "-updates"}
	}
	want = append(want, "ubuntu/"+r.name, "ubuntu/"+r.name+"-security", "ubuntu/"+r.name+"-updates")
	if !slices.Equal(got, want) {
		t.Errorf("archives %v, want %v", got, want)
	}
	from := map[string]string{}
	for _, p := range lock.Targets[0].Packages {
		from[p.Name] = p.Archive + " " + p.Version + " " + p.Path[:strings.LastIndex(p.Path, "/")]
	}
	for name, want := range map[string]string{
		"sudo":             "ubuntu/" + r.name + "-updates ",
		"language-pack-en": "ubuntu/" + r.name + "-security 1:2 pool/main/l/language-pack-en",
		"faketime":         "ubuntu/" + r.name + " ",
	} {
		if !strings.HasPrefix(from[name], want) {
			t.Errorf("%s is from %s, want %s", name, from[name], want)
		}
	}
	if !strings.HasSuffix(from["faketime"], " pool/universe/f/faketime") {
		t.Errorf("faketime is from %s", from["faketime"])
	}
	if m := lock.Targets[0].Image.MergedUsr; m != r.mergedUsr {
		t.Errorf("merged-usr is %v", m)
	}
}

// publish makes the release's archive of Debian's packages: all in the suite
// itself, sudo newer in its updates, and language packs in each pocket. The
// security pocket is on its own host alone.
func (r *ubuntuRelease) publish(t *testing.T, a *archivetest.Archive, debs map[string]string) {
	t.Helper()
	dir := t.TempDir()
	all := make([]archivetest.Package, 0, len(debs)+1)
	var sudo archivetest.Package
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	for name, from := range debs {
		p := archivetest.Package{File: filepath.Join(dir, name+".deb"), Component: "main"}
		if name == "faketime" || name == "libfaketime" {
			p.Component = "universe"
		}
		all = append(all, p)
		g.Go(func() error { r.repack(t, name, "ubuntu1", from, p.File); return nil })
		if name == "sudo" {
			sudo = archivetest.Package{File: filepath.Join(dir, "sudo-2.deb")}
			g.Go(func() error { r.repack(t, name, "ubuntu1.1", from, sudo.File); return nil })
		}
	}
	g.Wait()
	pockets := map[string][]archivetest.Package{
		"": append(all, languagePack("1:1")), "-updates": {languagePack("1:1.5"), sudo}, "-security": {languagePack("1:2")},
	}
	for pocket, packages := range pockets {
		s := archivetest.Suite{
			Archive: "archive.ubuntu.com/ubuntu", Name: r.name + pocket, Codename: r.name, Origin: "Ubuntu", Version: r.version,
			Components: []string{"main", "universe"}, Architectures: []string{"amd64", "i386"},
			Forms: r.forms, ByHash: r.byHash, Hashes: r.hashes, Packages: packages,
			Detached: slices.Contains(r.detached, pocket),
		}
		if pocket == "-security" {
			s.Archive = "security.ubuntu.com/ubuntu"
		}
		a.Publish(t, s)
		if r.port != "" {
			s.Archive, s.Architectures, s.Packages = "ports.ubuntu.com/ubuntu-ports", []string{r.port}, []archivetest.Package{}
			if version := map[string]string{"": "1", "-updates": "1.1"}[pocket]; version != "" {
				s.Packages = append(s.Packages, r.library(version))
			}
			a.Publish(t, s)
		}
	}
}

// library is a package of the port's architecture, which one of amd64's may stand
// beside.
func (r *ubuntuRelease) library(version string) archivetest.Package {
	readme := "./usr/lib/arm-linux-gnueabihf/libport.so.1"
	p := debtest.Package{Name: "libport", Version: version, Arch: r.port, Fields: "Multi-Arch: same\n", Compression: ".zst",
		Contents: map[string]string{readme: "port\n"}}
	for _, d := range []string{".", "./usr", "./usr/lib", "./usr/lib/arm-linux-gnueabihf"} {
		p.Data = append(p.Data, debtest.Dir(d))
	}
	p.Data = append(p.Data, debtest.File(readme))
	return archivetest.Package{Package: p}
}

// languagePack does what Ubuntu's does when it is configured: it makes the
// locales of its language.
func languagePack(version string) archivetest.Package {
	return archivetest.Package{Package: debtest.Package{
		Name: "language-pack-en", Version: version, Arch: "all", Compression: ".xz",
		Fields: "Depends: locales\n", Data: []tar.Header{debtest.Dir(".")},
		Scripts: map[string]string{"postinst": "#!/bin/sh\nset -e\n[ \"$1\" != configure ] || localedef -i en_US -f UTF-8 en_US.UTF-8\n"},
	}}
}

var exact = regexp.MustCompile(`\(= [^)]+`)

// repack writes a package anew, with a version such as Ubuntu gives to one that
// it has changed. Where one must match exactly, so it goes for all.
func (r *ubuntuRelease) repack(t *testing.T, name, suffix, from, to string) {
	packing := r.packing(name, from)
	packing.Stanza = func(control string) string {
		control = exact.ReplaceAllString(control, "${0}ubuntu1")
		control = strings.ReplaceAll(control, "debian-archive-keyring", "ubuntu-keyring")
		var lines []string
		for _, l := range strings.SplitAfter(control, "\n") {
			if v, ok := strings.CutPrefix(l, "Version: "); ok {
				l = "Version: " + strings.TrimSuffix(v, "\n") + suffix + "\n"
			}
			if strings.HasPrefix(l, "Depends:") && !r.mergedUsr { // as nobody has heard of it yet
				l = strings.NewReplacer(", usrmerge | usr-is-merged", "", "usrmerge | usr-is-merged", "base-files").Replace(l)
			}
			lines = append(lines, l)
		}
		return strings.Join(lines, "")
	}
	packing.Write(t, from, to)
}

// debs takes the packages out of a bundle: file by name of package.
func (c *crossing) debs(t *testing.T, bundle string) map[string]string {
	t.Helper()
	var said struct{ Lock manifest.Lock }
	if err := json.Unmarshal([]byte(c.must(t, nil, "inspect", "--json", bundle)), &said); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, p := range said.Lock.Targets[0].Packages {
		names["blobs/sha256/"+p.SHA256.Hex()] = p.Name
	}
	f, err := os.Open(filepath.Join(c.dir, bundle))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dir := t.TempDir()
	out := map[string]string{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name, ok := names[h.Name]
		if !ok {
			continue
		}
		b, err := io.ReadAll(r)
		if err == nil {
			out[name] = filepath.Join(dir, name+".deb")
			err = os.WriteFile(out[name], b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(out) != len(names) || len(out) < 100 {
		t.Fatal(fmt.Errorf("%s has %d of %d packages", bundle, len(out), len(names)))
	}
	return out
}
