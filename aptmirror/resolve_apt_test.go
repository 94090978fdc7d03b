package aptmirror

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// aptWorld is an archive, a base system and a private apt that knows only them.
type aptWorld struct {
	dir      string
	indexes  []*testIndex
	infos    []ArchiveInfo
	pool     *Pool
	packages []Package
	status   []Package
}

// testIndex is one Packages file, with its text for status files.
type testIndex struct {
	suite, codename, arch string
	extra                 string // Release fields
	pin                   int    // apt's preferences for the suite, if not 0
	text                  []byte
}

var mainText = sync.OnceValues(func() ([]byte, error) {
	names, _ := filepath.Glob("/var/lib/apt/lists/*_dists_*_main_binary-amd64_Packages*")
	names = slices.DeleteFunc(names, func(n string) bool {
		return strings.Contains(n, "-security_") || strings.Contains(n, "-updates_") || strings.Contains(n, "-backports_")
	})
	if len(names) == 0 {
		return nil, fmt.Errorf("this machine has no Packages list of a main component")
	}
	return exec.Command("/usr/lib/apt/apt-helper", "cat-file", names[0]).Output()
})

// needApt returns the machine's Packages index, or skips.
func needApt(t testing.TB) []byte {
	t.Helper()
	text, err := mainText()
	if err == nil {
		_, err = exec.LookPath("apt-get")
	}
	if err != nil {
		if os.Getenv("SATCHEL_CI") == "1" {
			t.Fatalf("apt is needed: %v", err)
		}
		t.Skipf("no apt to compare with: %v", err)
	}
	return text
}

func newAptWorld(t testing.TB, status []byte, foreign []string, indexes ...*testIndex) *aptWorld {
	t.Helper()
	w := &aptWorld{dir: t.TempDir(), indexes: indexes}
	os.Chmod(w.dir, 0o755)
	for _, d := range []string{"state/lists/partial", "etc/apt/preferences.d", "etc/apt/apt.conf.d", "cache/archives/partial", "log"} {
		if err := os.MkdirAll(filepath.Join(w.dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	number := make(map[string]int)
	var sources strings.Builder
	for i, x := range indexes {
		n, ok := number[x.suite]
		if !ok {
			n = len(w.infos)
			number[x.suite] = n
			info := ArchiveInfo{Suite: x.suite, Codename: x.codename}
			info.NotAutomatic = strings.Contains(x.extra, "NotAutomatic: yes")
			info.ButAutomaticUpgrades = strings.Contains(x.extra, "ButAutomaticUpgrades: yes")
			if info.Pin = x.pin; x.pin != 0 {
				w.write(t, "etc/apt/preferences.d/"+x.suite, fmt.Appendf(nil, "Package: *\nPin: release a=%s\nPin-Priority: %d\n", x.suite, x.pin))
			}
			w.infos = append(w.infos, info)
			release := fmt.Sprintf("Origin: Test\nLabel: Test\nSuite: %s\nCodename: %s\n%sDate: Sat, 07 Jun 2025 09:00:00 UTC\nArchitectures: amd64 i386\nComponents: main\n", x.suite, x.codename, x.extra)
			w.write(t, w.listName(x, "Release"), []byte(release))
			arches := append([]string{"amd64"}, foreign...)
			fmt.Fprintf(&sources, "deb [trusted=yes arch=%s] file:%s/archive %s main\n", strings.Join(arches, ","), w.dir, x.suite)
		}
		w.write(t, w.listName(x, "main_binary-"+x.arch+"_Packages"), x.text)
		list, err := ReadPackages(fmt.Sprint("index ", i), bytes.NewReader(x.text), n)
		if err != nil {
			t.Fatal(err)
		}
		w.packages = append(w.packages, list...)
	}
	w.write(t, "etc/apt/sources.list", []byte(sources.String()))
	w.write(t, "status", status)
	var err error
	if w.status, err = ReadStatus("status", bytes.NewReader(status)); err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf("Dir %q;\nDir::State \"state\";\nDir::State::status %q;\nDir::Etc \"etc/apt\";\nDir::Cache \"cache\";\nDir::Log \"log\";\n"+
		"APT::Architecture \"amd64\";\nAPT::Architectures { \"amd64\"; %s };\nAcquire::Languages \"none\";\n",
		w.dir+"/", w.dir+"/status", quoteEach(foreign))
	w.write(t, "apt.conf", []byte(conf))
	if w.pool, err = NewPool("amd64", foreign, w.infos, w.packages); err != nil {
		t.Fatal(err)
	}
	w.apt("check") // builds the package cache once
	return w
}

func quoteEach(list []string) string {
	var b strings.Builder
	for _, s := range list {
		fmt.Fprintf(&b, "%q; ", s)
	}
	return b.String()
}

func (w *aptWorld) listName(x *testIndex, rest string) string {
	return "state/lists/_" + strings.ReplaceAll(strings.TrimPrefix(w.dir, "/"), "/", "_") + "_archive_dists_" + x.suite + "_" + rest
}

func (w *aptWorld) write(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// apt runs apt-get in the private world.
func (w *aptWorld) apt(args ...string) (string, error) {
	cmd := exec.Command("apt-get", args...)
	cmd.Env = w.env()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (w *aptWorld) env() []string {
	return append(os.Environ(), "APT_CONFIG="+w.dir+"/apt.conf", "LC_ALL=C")
}

// aptAnswer is what a run would change: "+name version arch" and "-name".
func (w *aptWorld) aptAnswer(args ...string) (set []string, refused bool, out string) {
	out, err := w.apt(append([]string{"-s", "-y", "-q", "--no-install-recommends"}, args...)...)
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		name, _, _ := strings.Cut(f[1], ":")
		switch f[0] {
		case "Inst":
			i := slices.IndexFunc(f, func(s string) bool { return strings.HasPrefix(s, "(") })
			if i < 0 {
				continue
			}
			arch := ""
			for _, word := range f[i:] {
				if strings.HasPrefix(word, "[") && strings.HasSuffix(word, "])") {
					arch = strings.Trim(word, "[])")
				} else if a := strings.TrimSuffix(strings.TrimPrefix(word, "["), "])"); strings.HasPrefix(word, "[") && len(a) < len(word)-1 {
					arch = a
				}
			}
			set = append(set, "+"+name+" "+strings.TrimPrefix(f[i], "(")+" "+arch)
		case "Remv":
			set = append(set, "-"+name)
		}
	}
	slices.Sort(set)
	return set, err != nil, out
}

// ourAnswer is the same by Resolve.
func ourAnswer(pool *Pool, plan Plan) (set []string, sol *Solution, err error) {
	sol, err = Resolve(pool, plan)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range sol.Install {
		set = append(set, "+"+c.Name+" "+c.Version+" "+c.Architecture)
	}
	for _, p := range sol.Removed {
		set = append(set, "-"+p.Name)
	}
	slices.Sort(set)
	return set, sol, nil
}

// difference lists what only one of two sorted sets has, up to 12 entries.
func difference(apt, ours []string) []string {
	var diff []string
	for _, s := range apt {
		if !slices.Contains(ours, s) {
			diff = append(diff, "apt only: "+s)
		}
	}
	for _, s := range ours {
		if !slices.Contains(apt, s) {
			diff = append(diff, "ours only: "+s)
		}
	}
	return diff[:min(len(diff), 12)]
}

// asked puts a question to a server, or else to apt-get -s; out is what apt-get
// said.
func (w *aptWorld) asked(s *aptServer, wishes []string, options ...string) (set []string, refused bool, out string, err error) {
	if s != nil {
		set, refused, err = s.answer(wishes)
		return set, refused, "", err
	}
	set, refused, out = w.aptAnswer(append(append(slices.Clone(options), "install"), wishes...)...)
	return set, refused, out, nil
}

// compare asks both, and returns what differs.
func (w *aptWorld) compare(s *aptServer, wishes []string, options ...string) (diff []string, refused bool) {
	apt, refused, out, err := w.asked(s, wishes, options...)
	if err != nil {
		return []string{err.Error()}, false
	}
	step := Step{Why: "asked for", Wishes: wishes}
	if len(options) == 2 {
		step.Release = options[1]
	}
	ours, _, err := ourAnswer(w.pool, Plan{Installed: w.status, Steps: []Step{step}})
	switch {
	case refused && err == nil:
		if out == "" {
			_, _, out, _ = w.asked(nil, wishes, options...)
		}
		return []string{"apt refuses: " + lastLines(out, 4)}, true
	case !refused && err != nil:
		return []string{"we refuse: " + err.Error()}, false
	case refused:
		return nil, true
	}
	return difference(apt, ours), false
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], " / ")
}

// compareAll compares many lists, two at a time, and reports every difference.
// options are none, or -t and a release.
func (w *aptWorld) compareAll(t *testing.T, lists [][]string, options ...string) {
	t.Helper()
	var mu sync.Mutex
	var refused, differ int
	jobs := make(chan []string)
	var wg sync.WaitGroup
	for range min(2, len(lists)) {
		s := w.serve(t, options...)
		wg.Go(func() {
			for wishes := range jobs {
				diff, no := w.compare(s, wishes, options...)
				mu.Lock()
				if no {
					refused++
				}
				if len(diff) > 0 {
					differ++
					t.Errorf("%s %s\n    %s", strings.Join(options, " "), strings.Join(wishes, " "), strings.Join(diff, "\n    "))
				}
				mu.Unlock()
			}
			if s != nil {
				s.close(t)
			}
		})
	}
	for _, l := range lists {
		jobs <- l
	}
	close(jobs)
	wg.Wait()
	t.Logf("%d lists, %d refused by apt, %d differences", len(lists), refused, differ)
}

func randomLists(packages []Package, seed int64, n int) [][]string {
	r := rand.New(rand.NewSource(seed))
	var lists [][]string
	for range n {
		var list []string
		for range 1 + r.Intn(40) {
			list = append(list, packages[r.Intn(len(packages))].Name)
		}
		lists = append(lists, list)
	}
	return lists
}

// listCount is how many lists a test compares: few, or n under SATCHEL_FULL=1.
func listCount(few, n int) int {
	if s := os.Getenv("SATCHEL_LISTS"); s != "" {
		fmt.Sscan(s, &few)
		return few
	}
	if os.Getenv("SATCHEL_FULL") == "1" {
		return n
	}
	return few
}

// few is how many lists a short run compares: more if a question costs little.
func few(slow, served int) int {
	if aptServerLibrary() != "" {
		return served
	}
	return slow
}

func mainIndex(t testing.TB) *testIndex {
	return &testIndex{suite: "stable", codename: "bookworm", arch: "amd64", text: needApt(t)}
}

func TestRandomListsAgainstApt(t *testing.T) {
	w := newAptWorld(t, nil, nil, mainIndex(t))
	seed := int64(1)
	if s := os.Getenv("SATCHEL_SEED"); s != "" {
		fmt.Sscan(s, &seed)
	}
	w.compareAll(t, randomLists(w.packages, seed, listCount(few(6, 30), 2000)))
}
