//go:build linux

package guest

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"satchel/aptmirror/deb/debtest"
)

// withPostinst makes a package whose postinst writes down how it was called,
// outside of the root, and does more. DPKG_ROOT is the root: it runs outside. It
// has a file of its own: one that has none left is gone for dpkg.
func withPostinst(name, triggers, more string, files ...string) debtest.Package {
	p := debtest.Package{
		Name: name, Data: []tar.Header{debtest.Dir("."), debtest.Dir("./usr"), debtest.Dir("./usr/share"), debtest.File("./usr/share/of-" + name)},
		Scripts: map[string]string{"postinst": "#!/bin/sh\nset -e\necho \"" + name + " $*\" >>\"$DPKG_ROOT.log\"\n" + more},
	}
	if triggers != "" {
		p.Scripts["triggers"] = triggers
	}
	for _, f := range files {
		dir, _ := split(f)
		if dir != "./usr/share" {
			p.Data = append(p.Data, debtest.Dir(dir))
		}
		p.Data = append(p.Data, debtest.File(f))
	}
	return p
}

func changed(p debtest.Package, change func(*debtest.Package)) debtest.Package {
	change(&p)
	return p
}

// TestTriggersLikeDpkg unpacks packages wave by wave with the machine's dpkg and
// with ours, configures each wave with dpkg, and compares what is pending before,
// which scripts ran, in which order and told what, and the database after.
func TestTriggersLikeDpkg(t *testing.T) {
	needRoot(t)
	if _, err := exec.LookPath("dpkg"); err != nil {
		skip(t, "needs dpkg")
	}
	defer setUmask(0o022)()
	depends := func(p debtest.Package, on string) debtest.Package {
		return changed(p, func(p *debtest.Package) { p.Fields += "Depends: " + on + "\n" })
	}
	same := func(p debtest.Package, arch string) debtest.Package {
		return changed(p, func(p *debtest.Package) {
			p.Arch, p.Fields = arch, "Multi-Arch: same\n"
			p.Scripts["postinst"] = strings.Replace(p.Scripts["postinst"], " $*", ":"+arch+" $*", 1)
		})
	}
	const watch, quiet = "interest /usr/share/watched\n", "interest-noawait /usr/share/watched\n"
	for _, c := range []struct {
		name  string
		waves [][]debtest.Package
		calls string // a line that must be among those of the scripts
		fails bool   // the last wave, with dpkg too
	}{
		{"a file of a later wave", [][]debtest.Package{
			{withPostinst("watcher", watch, "")},
			{withPostinst("late", "", "", "./usr/share/watched/x")}}, "watcher triggered /usr/share/watched", false},
		{"nobody waits", [][]debtest.Package{
			{withPostinst("watcher", quiet, "")},
			{withPostinst("late", "", "", "./usr/share/watched/x"), depends(withPostinst("later", "", ""), "late")}}, "watcher triggered /usr/share/watched", false},
		{"one that depends on who waits", [][]debtest.Package{
			{withPostinst("watcher", watch, "")},
			{withPostinst("late", "", "", "./usr/share/watched/x"), depends(withPostinst("later", "", ""), "late")}}, "later configure ", false},
		{"the watcher comes in the same wave, and is configured with all there", [][]debtest.Package{
			{withPostinst("a", "", "", "./usr/share/watched/x"), withPostinst("watcher", watch, ""), withPostinst("z", "", "", "./usr/share/watched/z")}}, "watcher configure ", false},
		{"the directory alone, and the file alone", [][]debtest.Package{
			{withPostinst("dir", watch, ""), withPostinst("file", "interest /usr/share/watched/x\n", ""), withPostinst("else", "interest /usr/share/watched/y\n", "")},
			{withPostinst("late", "", "", "./usr/share/watched/x")}}, "file triggered /usr/share/watched/x", false},
		{"several paths of one watcher", [][]debtest.Package{
			{withPostinst("watcher", "interest /usr/share/a\ninterest-noawait /usr/share/b\ninterest /usr/share\n", "")},
			{withPostinst("late", "", "", "./usr/share/b/x", "./usr/share/a/x"), withPostinst("later", "", "", "./usr/share/a/y")}}, "watcher triggered /usr/share /usr/share/a /usr/share/b", false},
		{"names", [][]debtest.Package{
			{withPostinst("watcher", "interest-noawait Some.name+1\ninterest other\n", "")},
			{withPostinst("late", "activate-noawait Some.name+1\nactivate other\nactivate nobody\nactivate no_kind\n", ""), depends(withPostinst("later", "", ""), "late")}}, "watcher triggered Some.name+1 other", false},
		{"a name in two waves", [][]debtest.Package{
			{withPostinst("watcher", "interest-noawait name\n", "")},
			{withPostinst("late", "activate-await name\n", "")},
			{withPostinst("later", "activate-await name\n", "")}}, "watcher triggered name", false},
		{"a path by name", [][]debtest.Package{
			{withPostinst("watcher", watch, "")}, {withPostinst("late", "activate /usr/share/watched/deep/below\n", "")}}, "watcher triggered /usr/share/watched", false},
		{"a script sets it off", [][]debtest.Package{
			{withPostinst("watcher", "interest name\n"+watch, "")},
			{withPostinst("late", "", "dpkg-trigger --root=\"$DPKG_ROOT\" name\n", "./usr/share/watched/x")}}, "watcher triggered /usr/share/watched name", false},
		{"interest in the same again", [][]debtest.Package{
			{withPostinst("first", "interest name\n"+watch, ""), withPostinst("watcher", "interest name\ninterest-noawait name\n"+watch+quiet, ""), withPostinst("last", "interest name\n"+watch, "")},
			{withPostinst("late", "activate name\n", "", "./usr/share/watched/x")}}, "watcher triggered /usr/share/watched name", false},
		{"one package in two architectures", [][]debtest.Package{
			{same(withPostinst("lib", watch, ""), "amd64"), same(withPostinst("lib", watch, ""), "i386")},
			{same(withPostinst("late", "", "", "./usr/share/watched/x"), "amd64"), same(withPostinst("late", "", "", "./usr/share/watched/x"), "i386")}}, "lib:i386 triggered /usr/share/watched", false},
		{"a conffile", [][]debtest.Package{
			{withPostinst("watcher", watch, "")},
			{changed(withPostinst("late", "", "", "./usr/share/watched/x"), func(p *debtest.Package) { p.Scripts["conffiles"] = "/usr/share/watched/x\n" })}}, "watcher triggered /usr/share/watched", false},
		{"a file that another keeps", [][]debtest.Package{
			{withPostinst("watcher", "interest /usr/share/watched/x\n", ""), changed(withPostinst("keeper", "", "", "./usr/share/watched/x"), func(p *debtest.Package) { p.Fields = "Replaces: late\n" })},
			{withPostinst("late", "", "", "./usr/share/watched/x")}}, "watcher triggered /usr/share/watched/x", false},
		{"a file that is diverted", [][]debtest.Package{
			{withPostinst("watcher", "interest /usr/bin/tool\n", ""), withPostinst("elsewhere", "interest /usr/bin/tool.distrib\n", "")},
			{changed(withPostinst("late", "", ""), func(p *debtest.Package) {
				p.Data = append(p.Data, debtest.Dir("./usr/bin"), debtest.File("./usr/bin/tool"))
			})}}, "elsewhere triggered /usr/bin/tool.distrib", false},
		{"one sets off another", [][]debtest.Package{
			{withPostinst("one", watch, "[ $1 != triggered ] || dpkg-trigger --root=\"$DPKG_ROOT\" second\n"), withPostinst("two", "interest second\n", "")},
			{withPostinst("late", "", "", "./usr/share/watched/x")}}, "two triggered second", false},
		{"a circle", [][]debtest.Package{
			{withPostinst("one", watch+"interest first\n", "[ $1 != triggered ] || dpkg-trigger --root=\"$DPKG_ROOT\" --no-await second\n"),
				withPostinst("two", "interest second\n", "[ $1 != triggered ] || dpkg-trigger --root=\"$DPKG_ROOT\" --no-await first\n")},
			{withPostinst("late", "", "", "./usr/share/watched/x")}}, "two triggered second", true},
		{"a circle of dependencies through who waits", [][]debtest.Package{
			{withPostinst("watcher", watch, "")},
			{depends(withPostinst("a", "", "", "./usr/share/watched/a"), "b"), depends(withPostinst("b", "", "", "./usr/share/watched/b"), "a")}}, "watcher triggered /usr/share/watched", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			theirs := dpkgWaves(t, c.waves, c.fails)
			ours := ourWaves(t, c.waves, c.fails)
			if theirs.told != ours.told {
				t.Errorf("dpkg's:\n%s\nours:\n%s", theirs.told, ours.told)
			}
			if !strings.Contains("\n"+ours.told, "\n"+c.calls+"\n") {
				t.Errorf("no call %q in\n%s", c.calls, ours.told)
			}
			for _, d := range differences(theirs.tree, ours.tree) {
				t.Error(d)
			}
		})
	}
}

// waved is what waves of packages led to: everything that was seen on the way, and the tree.
type waved struct {
	told string
	tree map[string]string
}

func dpkgWaves(t *testing.T, waves [][]debtest.Package, fails bool) waved {
	return inWaves(t, waves, fails, func(root string, wave []debtest.Package) {
		args := []string{"--force-depends", "--force-unsafe-io", "--force-script-chrootless", "--no-triggers", "--unpack"}
		for i, p := range wave {
			file := filepath.Join(t.TempDir(), fmt.Sprint(i)+".deb")
			if err := os.WriteFile(file, p.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			args = append(args, file)
		}
		dpkg(t, root, "", args...)
	})
}

func ourWaves(t *testing.T, waves [][]debtest.Package, fails bool) waved {
	var pl *placer
	return inWaves(t, waves, fails, func(root string, wave []debtest.Package) {
		if pl == nil {
			pl = newPlacer(newTree(root))
		}
		if err := placeWave(t, pl, wave); err != nil {
			t.Fatal(err)
		}
	})
}

func inWaves(t *testing.T, waves [][]debtest.Package, fails bool, unpack func(string, []debtest.Package)) waved {
	t.Helper()
	root := filepath.Join(roomFor(t), "root") // dpkg waits for discs
	skeletonAt(t, root)
	if err := initDatabase(newTree(root), "amd64", []string{"i386"}); err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	for i, wave := range waves {
		unpack(root, wave)
		// dpkg works in what has been set off whenever it writes.
		name := wave[0].Name
		if wave[0].Arch != "" {
			name += ":" + wave[0].Arch
		}
		dpkg(t, root, name+" install\n", "--set-selections")
		fmt.Fprintf(&told, "== unpacked\n%s", readAll(t, filepath.Join(root, statusFile)))
		cmd := exec.Command("dpkg", "--root="+root, "--log=/dev/null", "--force-script-chrootless", "--configure", "-a")
		out, err := cmd.CombinedOutput()
		if want := fails && i == len(waves)-1; want != (err != nil) {
			t.Fatalf("configuring: %v\n%s", err, out)
		}
		fmt.Fprintf(&told, "== configured: %v\n%s%s", err, out, readAll(t, filepath.Join(root, statusFile)))
	}
	fmt.Fprintf(&told, "== called\n%s", readAll(t, root+".log"))
	for _, left := range []string{"status-old", "diversions-old", "lock", "lock-frontend", "triggers/Lock"} {
		os.Remove(filepath.Join(root, adminDir, left))
	}
	return waved{inOrder(told.String()), treeOf(t, root, io.Discard)}
}

// inOrder sorts the triggers in a line of pending ones and in that of a call:
// dpkg turns their order round whenever it reads its status, so that it tells
// nothing but how often dpkg has run.
func inOrder(told string) string {
	var b strings.Builder
	for line := range strings.Lines(told) {
		for _, before := range []string{"Triggers-Pending: ", " triggered "} {
			if i := strings.Index(line, before); i >= 0 {
				i += len(before)
				list := strings.Fields(line[i:])
				slices.Sort(list)
				line = line[:i] + strings.Join(list, " ") + "\n"
			}
		}
		b.WriteString(line)
	}
	return b.String()
}

func TestParseTriggers(t *testing.T) {
	for _, c := range []struct{ text, want, err string }{
		{"", "[]", ""},
		{"# words\n\n  \n\tinterest  /usr/lib\t\n", "[{false true /usr/lib}]", ""},
		{"interest-await a\ninterest-noawait b\nactivate c\nactivate-await d\nactivate-noawait e", "[{false true a} {false false b} {true true c} {true true d} {true false e}]", ""},
		{"activate no_kind\nactivate //\n", "[{true true no_kind} {true true //}]", ""},
		{"interest\n", "", "malformed"},
		{"interests a\n", "", "malformed"},
		{"interest a # words\n", "", "not allowed"},
		{"interest no_kind\n", "", "not allowed"},
		{"interest /usr//lib\n", "", "not allowed"},
		{"interest /usr/\n", "", "not allowed"},
		{"interest ../status\n", "", "not allowed"},
		{"interest a/b\n", "", "not allowed"},
		{"interest .x\n", "", "not allowed"},
		{"activate \x01\n", "", "not allowed"},
		{"activate /caf\xc3\xa9\n", "", "not allowed"},
	} {
		all, err := parseTriggers([]byte(c.text))
		if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) || c.err == "" && (err != nil || fmt.Sprint(all) != c.want) {
			t.Errorf("%q: got %v, %v", c.text, all, err)
		}
	}
}

// TestActivationsStandBehind: what scripts have set off is kept.
func TestActivationsStandBehind(t *testing.T) {
	tree := newTree(t.TempDir())
	if err := initDatabase(tree, "amd64", nil); err != nil {
		t.Fatal(err)
	}
	if err := tree.write(unincorp, []byte("name by-script\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	a := &activations{paths: map[string]bool{"/x": true}, seen: make(map[string]bool)}
	s := pkg(t, 0, "late")
	a.path(s, "x")
	a.path(s, "x/y")
	a.path(s, "x")
	for range 2 {
		if err := a.record(tree); err != nil {
			t.Fatal(err)
		}
	}
	if got := readAll(t, tree.at(unincorp)); got != "name by-script\n/x late\n" {
		t.Errorf("got %q", got)
	}
}

// TestLinkerAgain: the second part of a divided wave sets off ldconfig if the first did.
func TestLinkerAgain(t *testing.T) {
	for _, c := range []struct {
		name, triggers string
		rest           bool
		want           string
	}{
		{"the rest of the wave", "activate-noawait ldconfig\nactivate other\n", true, "ldconfig -\n"},
		{"another wave", "activate-noawait ldconfig\n", false, ""},
		{"no libraries before", "activate other\n", true, ""},
	} {
		pl, err := unpackInto(t, t.TempDir(), withPostinst("light", c.triggers, ""))
		if err != nil {
			t.Fatal(err)
		}
		if err := pl.tree.write(unincorp, nil, 0o644); err != nil { // dpkg has read it
			t.Fatal(err)
		}
		pl.rest = c.rest
		if err := placeWave(t, pl, []debtest.Package{withPostinst("links", "", "")}); err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, pl.tree.at(unincorp)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
