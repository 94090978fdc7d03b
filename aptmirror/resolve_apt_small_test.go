package aptmirror

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// indexText writes packages as an index, or with status as dpkg's status file.
func indexText(list []Package, status bool) []byte {
	var b bytes.Buffer
	for i := range list {
		p := &list[i]
		fmt.Fprintf(&b, "Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: T <t@example.org>\nDescription: t\nInstalled-Size: 1\n", p.Name, p.Version, p.Architecture)
		for _, f := range [][2]string{{"Multi-Arch", p.MultiArch}, {"Priority", p.Priority}, {"Depends", p.Depends}, {"Conflicts", p.Conflicts},
			{"Breaks", p.Breaks}, {"Provides", p.Provides}, {"Recommends", p.Recommends}} {
			if f[1] != "" {
				fmt.Fprintf(&b, "%s: %s\n", f[0], f[1])
			}
		}
		if p.Essential {
			b.WriteString("Essential: yes\n")
		}
		if status {
			b.WriteString("Status: install ok installed\n\n")
		} else {
			fmt.Fprintf(&b, "Filename: pool/%s_%s_%s_%d.deb\nSize: 1\nSHA256: %064x\n\n", p.Name, strings.ReplaceAll(p.Version, ":", "%"), p.Architecture, i, 1)
		}
	}
	return b.Bytes()
}

// smallPackages makes an archive of much strife: few names, many versions,
// alternatives, virtual packages and conflicts.
func smallPackages(r *rand.Rand, foreign bool) []Package {
	names := "abcdefghijklmn"
	name := func() string { return "p" + string(names[r.Intn(len(names))]) }
	virtual := func() string { return "v" + string(names[r.Intn(4)]) }
	member := func() string {
		switch n := r.Intn(10); {
		case n < 5:
			return name()
		case n < 7:
			return virtual()
		case n == 7 && foreign:
			return name() + ":any"
		}
		return fmt.Sprintf("%s (%s %d)", name(), []string{"<<", "<=", "=", ">=", ">>"}[r.Intn(5)], 1+r.Intn(3))
	}
	relation := func(chance float64, or bool) string {
		var groups []string
		for r.Float64() < chance && len(groups) < 4 {
			s := member()
			for or && r.Intn(3) == 0 {
				s += " | " + member()
			}
			if or && r.Intn(6) == 0 { // so long that what is known of it is kept
				s += strings.Repeat(" | pz", maxShort) + " | " + member()
			}
			groups = append(groups, s)
		}
		return strings.Join(groups, ", ")
	}
	var list []Package
	seen := make(map[string]bool)
	for range 30 {
		p := Package{Name: name(), Version: fmt.Sprint(1 + r.Intn(3)), Architecture: "amd64", Phased: -1,
			Priority: []string{"required", "important", "standard", "optional", "extra"}[r.Intn(5)]}
		if foreign {
			p.Architecture = []string{"amd64", "amd64", "i386", "all"}[r.Intn(4)]
			p.MultiArch = []string{"", "same", "foreign", "allowed"}[r.Intn(4)]
			if p.Architecture == "all" && p.MultiArch == "same" {
				p.MultiArch = ""
			}
		}
		if key := p.Name + p.Version + p.Architecture; seen[key] {
			continue
		} else {
			seen[key] = true
		}
		p.Depends, p.Conflicts, p.Breaks = relation(0.6, true), relation(0.2, false), relation(0.2, false)
		if r.Intn(3) == 0 {
			p.Provides = virtual()
			if r.Intn(2) == 0 {
				p.Provides += fmt.Sprintf(" (= %d)", 1+r.Intn(3))
			}
		}
		p.Recommends = relation(0.1, true)
		p.Essential = r.Intn(25) == 0
		list = append(list, p)
	}
	return list
}

// byArch splits packages into the indexes of their architectures; "all" is in each.
func byArch(list []Package, arches ...string) []*testIndex {
	var indexes []*testIndex
	for _, a := range arches {
		part := slices.DeleteFunc(slices.Clone(list), func(p Package) bool { return p.Architecture != a && p.Architecture != "all" })
		indexes = append(indexes, &testIndex{suite: "stable", codename: "book", arch: a, text: indexText(part, false)})
	}
	return indexes
}

// TestSmallArchivesAgainstApt: on top of a base of an older state of the
// archive, each archive gets installations and an upgrade.
func TestSmallArchivesAgainstApt(t *testing.T) {
	needApt(t)
	base := int64(1)
	if s := os.Getenv("SATCHEL_SEED"); s != "" {
		fmt.Sscan(s, &base)
	}
	asked, refused := 0, 0
	for seed := base; seed < base+int64(listCount(30, 1500)); seed++ {
		r := rand.New(rand.NewSource(seed))
		foreign := []string(nil)
		arches := []string{"amd64"}
		if seed%3 == 0 {
			foreign, arches = []string{"i386"}, []string{"amd64", "i386"}
		}
		list := smallPackages(r, foreign != nil)
		older, err := NewPool("amd64", foreign, []ArchiveInfo{{Suite: "stable"}}, slices.DeleteFunc(slices.Clone(list), func(p Package) bool { return p.Version == "3" }))
		if err != nil {
			t.Fatal(err)
		}
		var installed []Package
		for range 3 {
			if sol, err := Resolve(older, Plan{Steps: []Step{{Wishes: []string{list[r.Intn(len(list))].Name, list[r.Intn(len(list))].Name}}}}); err == nil {
				for _, c := range sol.Install {
					installed = append(installed, c.Package)
				}
				break
			}
		}
		w := newAptWorld(t, indexText(installed, true), foreign, byArch(list, arches...)...)
		for i := range 5 {
			plan := Plan{Installed: w.status, Upgrade: true}
			args := []string{"dist-upgrade"}
			if i > 0 {
				var wishes []string
				for range 1 + r.Intn(3) {
					wish := list[r.Intn(len(list))].Name
					if foreign != nil && r.Intn(4) == 0 {
						wish += ":i386"
					}
					wishes = append(wishes, wish)
				}
				args = append([]string{"install"}, wishes...)
				plan = Plan{Installed: w.status, Steps: []Step{{Wishes: wishes}}}
			}
			apt, no, out := w.aptAnswer(args...)
			ours, _, err := ourAnswer(w.pool, plan)
			asked++
			if no {
				refused++
			}
			if (err != nil) != no {
				t.Errorf("seed %d: %v: apt refuses: %t, we say %v\n%s", seed, args, no, err, lastLines(out, 5))
			} else if diff := difference(apt, ours); err == nil && len(diff) > 0 {
				t.Errorf("seed %d: %v\n    %s", seed, args, strings.Join(diff, "\n    "))
			}
		}
	}
	t.Logf("%d questions, %d refused by apt", asked, refused)
}

// TestPoolOrderAgainstApt: all slots, in the order in which apt walks them, and
// the sums of apt's cache.
func TestPoolOrderAgainstApt(t *testing.T) {
	worlds := []*aptWorld{}
	for seed := range int64(5) {
		list := smallPackages(rand.New(rand.NewSource(seed)), true)
		worlds = append(worlds, newAptWorld(t, nil, []string{"i386"}, byArch(list, "amd64", "i386")...))
	}
	if os.Getenv("SATCHEL_FULL") == "1" {
		worlds = append(worlds, newAptWorld(t, nil, nil, mainIndex(t)))
	} else {
		needApt(t)
	}
	for _, w := range worlds {
		cmd := exec.Command("apt-cache", "dump")
		cmd.Env = append(os.Environ(), "APT_CONFIG="+w.dir+"/apt.conf", "LC_ALL=C")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for line := range strings.Lines(string(out)) {
			if name, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "Package: "); ok {
				want = append(want, name)
			}
		}
		var got []string
		for _, s := range w.pool.slotOrder() {
			name := w.pool.name(s)
			if a := w.pool.slots[s].arch; a > 0 {
				name += ":" + w.pool.arches[a]
			}
			got = append(got, name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d slots differ from apt's %d: %v", len(got), len(want), difference(want, got))
		}
	}
}
