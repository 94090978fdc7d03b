package aptmirror

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"satchel/manifest"
)

const gitianBase = "apt build-essential git locales lsb-release pciutils subversion sudo wget"

// essentialNames is what a bootstrap begins with.
func essentialNames(packages []Package) []string {
	var names []string
	for i := range packages {
		if packages[i].Essential && !slices.Contains(names, packages[i].Name) {
			names = append(names, packages[i].Name)
		}
	}
	return names
}

// statusOf writes the dpkg status of packages, by the stanzas of the indexes.
func statusOf(chosen []Package, indexes ...*testIndex) []byte {
	want := make(map[string]bool)
	key := func(name, version, arch string) string { return name + " " + version + " " + arch }
	for _, p := range chosen {
		want[key(p.Name, p.Version, p.Architecture)] = true
	}
	var out bytes.Buffer
	for _, x := range indexes {
		for stanza := range bytes.SplitSeq(x.text, []byte("\n\n")) {
			k := key(stanzaField(stanza, "Package"), stanzaField(stanza, "Version"), stanzaField(stanza, "Architecture"))
			if len(stanza) > 0 && want[k] {
				delete(want, k)
				fmt.Fprintf(&out, "%s\nStatus: install ok installed\n\n", bytes.TrimSpace(stanza))
			}
		}
	}
	return out.Bytes()
}

func stanzaField(stanza []byte, name string) string {
	for line := range bytes.SplitSeq(stanza, []byte("\n")) {
		if v, ok := bytes.CutPrefix(line, []byte(name+": ")); ok {
			return string(v)
		}
	}
	return ""
}

// rewritten is an index whose stanzas have gone through edit; those for which it
// returns nil are left out.
func rewritten(x *testIndex, suite, arch, extra string, edit func(stanza []byte) []byte) *testIndex {
	var out bytes.Buffer
	for stanza := range bytes.SplitSeq(x.text, []byte("\n\n")) {
		if s := edit(bytes.TrimSpace(stanza)); len(s) > 0 {
			out.Write(s)
			out.WriteString("\n\n")
		}
	}
	return &testIndex{suite: suite, codename: x.codename, arch: arch, extra: extra, text: out.Bytes()}
}

// asI386 is the index of a second architecture, made of the first one.
func asI386(x *testIndex) *testIndex {
	return rewritten(x, x.suite, "i386", x.extra, func(s []byte) []byte {
		return bytes.Replace(s, []byte("Architecture: amd64"), []byte("Architecture: i386"), 1)
	})
}

// bumped is an index of a part of the sources in a higher version. Binaries of
// one source stay in step, but for a few that are left behind.
func bumped(x *testIndex, suite, extra, suffix string, share float64, seed int64) *testIndex {
	r := rand.New(rand.NewSource(seed))
	sources := make(map[string]bool)
	return rewritten(x, suite, x.arch, extra, func(s []byte) []byte {
		source, _, _ := strings.Cut(stanzaField(s, "Source"), " ")
		if source == "" {
			source = stanzaField(s, "Package")
		}
		if _, ok := sources[source]; !ok {
			sources[source] = r.Float64() < share
		}
		if !sources[source] {
			return nil
		}
		version := stanzaField(s, "Version")
		s = bytes.Replace(s, []byte("Version: "+version), []byte("Version: "+version+suffix), 1)
		if r.Float64() < 0.98 {
			s = bytes.ReplaceAll(s, []byte("(= "+version+")"), []byte("(= "+version+suffix+")"))
		}
		return s
	})
}

func TestBootstrapAgainstApt(t *testing.T) {
	w := newAptWorld(t, nil, nil, mainIndex(t))
	essential := essentialNames(w.packages)
	lists := [][]string{
		append(slices.Clone(essential), strings.Fields(gitianBase)...),
		strings.Fields(gitianBase),
		{"g++", "g++-12+"}, {"gcc/bookworm"},
		essential,
		{"default-mta"}, {"gcc"}, {"debootstrap", "systemd-sysv"},
		{"gcc=4:12.2.0-3"}, {"gcc/stable"},
		{"linux-image-amd64"}, {"gnome-core"},
		{"libstdc++6", "libc6-dev"}, {"python3.11"},
	}
	w.compareAll(t, lists[:min(len(lists), listCount(few(4, len(lists)), len(lists)))])
}

// TestRefusalsAgainstApt: apt refuses exactly if we refuse.
func TestRefusalsAgainstApt(t *testing.T) {
	w := newAptWorld(t, nil, nil, mainIndex(t))
	lists := [][]string{
		{"no-such-package"}, {"mail-transport-agent"}, {"gcc=1"}, {"gcc/sid"}, {"gcc:i386"},
		{"exim4", "postfix"}, {"gcc-4.8"}, {"libz-dev"}, {"awk"}, {"gcc", "no-such-package"}, {"libgcc-s1", "sysvinit-core", "systemd-sysv"},
		{"python3.9"}, {"zsh-"}, {"git-core"}, {"libssl1.0-dev"}, {"g++-4.8-multilib"},
		{"mawk", "original-awk"}, {"editor"}, {"www-browser"}, {"c-compiler"},
	}
	for _, list := range lists[:min(len(lists), listCount(8, len(lists)))] {
		_, refused, out := w.aptAnswer(append([]string{"install"}, list...)...)
		_, _, err := ourAnswer(w.pool, Plan{Steps: []Step{{Wishes: list}}})
		if (err != nil) != refused {
			if refused || !strings.Contains(list[0], "-") || !strings.HasSuffix(list[0], "-") {
				t.Errorf("%v: apt refuses: %t, we say: %v\n%s", list, refused, err, lastLines(out, 3))
			}
		}
		if err != nil {
			t.Logf("%v", err)
		}
	}
}

func TestCorpusListsAgainstApt(t *testing.T) {
	top := os.Getenv("SATCHEL_CORPUS")
	if top == "" {
		top = filepath.Join("..", "..", "shared", "corpus")
	}
	files, _ := filepath.Glob(filepath.Join(top, "descriptors", "*"))
	if len(files) == 0 {
		t.Skip("the corpus of descriptors is not on this machine")
	}
	w := newAptWorld(t, nil, nil, mainIndex(t))
	known := make(map[string]bool)
	for i := range w.packages {
		known[w.packages[i].Name] = true
	}
	var lists [][]string
	seen := make(map[string]bool)
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		d, err := manifest.ParseDescriptor(filepath.Base(name), data)
		if err != nil {
			continue
		}
		list := slices.DeleteFunc(slices.Clone(d.Packages), func(p string) bool { return !known[p] })
		if key := fmt.Sprint(list); len(list) > 0 && !seen[key] {
			seen[key] = true
			lists = append(lists, list)
		}
	}
	w.compareAll(t, lists[:min(len(lists), listCount(few(4, 15), len(lists)))])
}

// TestInstalledBaseAgainstApt installs on top of this machine's own packages.
func TestInstalledBaseAgainstApt(t *testing.T) {
	status, err := os.ReadFile("/var/lib/dpkg/status")
	if err != nil {
		t.Skipf("no dpkg status: %v", err)
	}
	w := newAptWorld(t, status, nil, mainIndex(t))
	w.compareAll(t, randomLists(w.packages, 11, listCount(few(4, 10), 300)))
}

// TestTwoStepsAgainstApt installs on top of gitian's base system.
func TestTwoStepsAgainstApt(t *testing.T) {
	main := mainIndex(t)
	pool, list := mainPool(t, main)
	base := Plan{Essential: true, Steps: []Step{{Why: "base", Wishes: strings.Fields(gitianBase)}}}
	stepsAgainstApt(t, pool, main, base, randomLists(list, 5, listCount(few(2, 6), 200)))
}

// TestBasesAgainstApt installs bases on top of the Essential set alone, and on
// top of the bases.
func TestBasesAgainstApt(t *testing.T) {
	main := mainIndex(t)
	pool, list := mainPool(t, main)
	bases := append(randomLists(list, 6, listCount(few(1, 2), 100)), strings.Fields(gitianBase), []string{"base-files"})
	stepsAgainstApt(t, pool, main, Plan{Essential: true}, bases)
	for i, base := range bases[:min(len(bases), listCount(1, 10))] {
		before := Plan{Essential: true, Steps: []Step{{Why: "base", Wishes: base}}}
		if _, err := Resolve(pool, before); err == nil {
			stepsAgainstApt(t, pool, main, before, randomLists(list, int64(60+i), 3))
		}
	}
}

// stepsAgainstApt asks for one more step after a plan that has an answer, of apt
// on top of that answer.
func stepsAgainstApt(t *testing.T, pool *Pool, main *testIndex, before Plan, lists [][]string) {
	t.Helper()
	first, sol, err := ourAnswer(pool, before)
	if err != nil {
		t.Fatal(err)
	}
	var chosen []Package
	var auto strings.Builder
	for _, c := range sol.Install {
		chosen = append(chosen, c.Package)
		if strings.HasPrefix(c.Why, "dependency") {
			fmt.Fprintf(&auto, "Package: %s\nArchitecture: amd64\nAuto-Installed: 1\n\n", c.Name)
		}
	}
	w := newAptWorld(t, statusOf(chosen, main), nil, main)
	w.write(t, "state/extended_states", []byte(auto.String()))
	server := w.serve(t)
	if server != nil {
		defer server.close(t)
	}
	for _, wishes := range lists {
		apt, refused, out, err := w.asked(server, wishes)
		if err != nil {
			t.Fatal(err)
		}
		plan := before
		plan.Steps = append(slices.Clone(before.Steps), Step{Why: "asked for", Wishes: wishes})
		ours, _, err := ourAnswer(pool, plan)
		if (err != nil) != refused {
			t.Errorf("%v: apt refuses: %t, we say %v\n%s", wishes, refused, err, lastLines(out, 4))
			continue
		}
		if err != nil {
			continue
		}
		want := slices.Clone(first) // of both runs together
		for _, s := range apt {
			if name, ok := strings.CutPrefix(s, "-"); ok {
				want = slices.DeleteFunc(want, func(f string) bool { return strings.HasPrefix(f, "+"+name+" ") })
			} else {
				want = append(want, s)
			}
		}
		slices.Sort(want)
		if diff := difference(want, ours); len(diff) > 0 {
			t.Errorf("%v\n    %s", wishes, strings.Join(diff, "\n    "))
		}
	}
	t.Logf("%d lists on top of %d packages", len(lists), len(first))
}

// TestSuitesAgainstApt has updates and backports beside the release.
func TestSuitesAgainstApt(t *testing.T) {
	main := mainIndex(t)
	updates := bumped(main, "stable-updates", "", "+u1", 0.1, 2)
	backports := bumped(main, "stable-backports", "NotAutomatic: yes\nButAutomaticUpgrades: yes\n", "+v2", 0.2, 3)
	experimental := bumped(main, "experimental", "NotAutomatic: yes\n", "+w3", 0.2, 4)
	w := newAptWorld(t, nil, nil, main, updates, backports, experimental)
	n := listCount(few(1, 6), 200)
	w.compareAll(t, randomLists(w.packages, 21, n))
	w.compareAll(t, randomLists(w.packages, 23, n), "-t", "stable-backports")
	w.compareAll(t, randomLists(w.packages, 24, n), "-t", "experimental")

	r := rand.New(rand.NewSource(8))
	var lists [][]string
	for range 4 * n {
		var wishes []string
		for range 1 + r.Intn(3) { // more together are refused nearly always
			p := &w.packages[r.Intn(len(w.packages))]
			if r.Intn(2) == 0 {
				wishes = append(wishes, p.Name+"/"+w.infos[p.Archive].Suite)
			} else {
				wishes = append(wishes, p.Name+"="+p.Version)
			}
		}
		lists = append(lists, wishes)
	}
	lists = append(lists, []string{"gcc/no-such-suite"}, []string{"gcc=0"})
	w.compareAll(t, lists)
}

func TestUpgradeAgainstApt(t *testing.T) {
	main := mainIndex(t)
	list, err := ReadPackages("main", bytes.NewReader(main.text), 0)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := NewPool("amd64", nil, []ArchiveInfo{{Suite: "stable"}}, list)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range int64(listCount(1, 12)) {
		wishes := append(strings.Fields(gitianBase), randomLists(list, 100+seed, 1)[0]...)
		_, sol, err := ourAnswer(pool, Plan{Essential: true, Steps: []Step{{Wishes: wishes}}})
		if err != nil {
			t.Logf("seed %d: %v", seed, err)
			continue
		}
		var chosen []Package
		for _, c := range sol.Install {
			chosen = append(chosen, c.Package)
		}
		updates := bumped(main, "stable-updates", "", "+u1", 0.3, seed)
		w := newAptWorld(t, statusOf(chosen, main), nil, main, updates)
		apt, refused, out := w.aptAnswer("dist-upgrade")
		ours, _, err := ourAnswer(w.pool, Plan{Installed: w.status, Upgrade: true})
		if (err != nil) != refused {
			t.Errorf("seed %d: apt refuses: %t, we say %v\n%s", seed, refused, err, lastLines(out, 4))
		} else if diff := difference(apt, ours); len(diff) > 0 {
			t.Errorf("seed %d\n    %s", seed, strings.Join(diff, "\n    "))
		}
		t.Logf("seed %d: %d changes", seed, len(ours))
		w.compareAll(t, randomLists(list, 200+seed, 2)) // installs on a base that is behind
	}
}

func TestForeignArchitectureAgainstApt(t *testing.T) {
	main := mainIndex(t)
	w := newAptWorld(t, nil, []string{"i386"}, main, asI386(main))
	lists := [][]string{{"gcc", "libc6-dev:i386"}, {"python3:i386", "python3"}}
	r := rand.New(rand.NewSource(31))
	for _, list := range randomLists(w.packages, 32, listCount(few(3, 10), 200)) {
		list = list[:1+r.Intn(min(len(list), 6))]
		for i := range list {
			if r.Intn(3) == 0 {
				list[i] += ":i386"
			}
		}
		lists = append(lists, list)
	}
	w.compareAll(t, lists)
}
