package aptmirror

import (
	"fmt"
	"math/rand"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// strifeSuites are the suites of a small archive: what each may say of itself.
var strifeSuites = [...]testIndex{
	{suite: "stable", codename: "book", arch: "amd64"},
	{suite: "stable-updates", codename: "book-updates", arch: "amd64"},
	{suite: "stable-backports", codename: "book-backports", arch: "amd64", extra: "NotAutomatic: yes\nButAutomaticUpgrades: yes\n"},
	{suite: "experimental", codename: "rc-buggy", arch: "amd64", extra: "NotAutomatic: yes\n"},
}

// strife is a world of several suites with random pins, on a base of older
// versions, some of them on hold, some newer than any archive has.
func strife(t *testing.T, r *rand.Rand) (w *aptWorld, list []Package) {
	list = smallPackages(r, false)
	var indexes []*testIndex
	for _, x := range strifeSuites {
		part := slices.DeleteFunc(slices.Clone(list), func(Package) bool { return r.Intn(5) < 2 })
		x.text = indexText(part, false)
		if r.Intn(3) == 0 {
			x.pin = []int{-1, 1, 99, 100, 101, 499, 500, 501, 989, 990, 991, 1000, 1001}[r.Intn(13)]
		}
		indexes = append(indexes, &x)
	}
	var installed []Package
	if older, err := NewPool("amd64", nil, []ArchiveInfo{{Suite: "stable"}}, list); err != nil {
		t.Fatal(err)
	} else if sol, err := Resolve(older, Plan{Steps: []Step{{Wishes: []string{list[r.Intn(len(list))].Name}}}}); err == nil {
		for _, c := range sol.Install {
			installed = append(installed, c.Package)
		}
	}
	status := string(indexText(installed, true))
	status = regexp.MustCompile("Status: install").ReplaceAllStringFunc(status, func(s string) string {
		if r.Intn(6) == 0 {
			return "Status: hold"
		}
		return s
	})
	return newAptWorld(t, []byte(status), nil, indexes...), list
}

// TestPinsAgainstApt: releases of a run (-t), releases and versions of single
// packages, pins that even downgrade, and holds, for installations and upgrades.
func TestPinsAgainstApt(t *testing.T) {
	needApt(t)
	base := int64(1)
	if s := os.Getenv("SATCHEL_SEED"); s != "" {
		fmt.Sscan(s, &base)
	}
	asked, refused := 0, 0
	for seed := base; seed < base+int64(listCount(30, 1500)); seed++ {
		r := rand.New(rand.NewSource(seed))
		w, list := strife(t, r)
		for i := range 6 {
			args, plan := strifeQuestion(r, list, i == 0)
			plan.Installed = w.status
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

// strifeQuestion is one run, for apt-get and as a plan.
func strifeQuestion(r *rand.Rand, list []Package, upgrade bool) (args []string, plan Plan) {
	if upgrade {
		return []string{"dist-upgrade"}, Plan{Upgrade: true}
	}
	suite := func() string {
		x := strifeSuites[r.Intn(len(strifeSuites))]
		if r.Intn(4) == 0 {
			return x.codename
		}
		return x.suite
	}
	var step Step
	for range 1 + r.Intn(2) {
		p := list[r.Intn(len(list))]
		wish := p.Name
		switch r.Intn(4) {
		case 0:
			wish += "/" + suite()
		case 1:
			wish += "=" + p.Version
		}
		step.Wishes = append(step.Wishes, wish)
	}
	if r.Intn(3) == 0 {
		step.Release = suite()
		args = append(args, "-t", step.Release)
	}
	return append(append(args, "install"), step.Wishes...), Plan{Steps: []Step{step}}
}

// TestPhasingAgainstApt: an update that has reached a part of all machines is
// taken, as every apt does that may not let its machine decide (no machine-id, a
// chroot, or SOURCE_DATE_EPOCH set, as in a build that is to be reproduced).
func TestPhasingAgainstApt(t *testing.T) {
	needApt(t)
	old := Package{Name: "pa", Version: "1", Architecture: "amd64", Phased: -1}
	update := old
	update.Version = "2"
	phased := strings.Replace(string(indexText([]Package{update}, false)), "Filename:", "Phased-Update-Percentage: 0\nFilename:", 1)
	w := newAptWorld(t, indexText([]Package{old}, true), nil,
		&testIndex{suite: "stable", codename: "book", arch: "amd64", text: indexText([]Package{old}, false)},
		&testIndex{suite: "stable-updates", codename: "book-updates", arch: "amd64", text: []byte(phased)})
	t.Setenv("SOURCE_DATE_EPOCH", "0")
	want := []string{"+pa 2 amd64"}
	for _, c := range []struct {
		args []string
		plan Plan
	}{
		{[]string{"dist-upgrade"}, Plan{Installed: w.status, Upgrade: true}},
		{[]string{"install", "pa"}, Plan{Installed: w.status, Steps: []Step{{Wishes: []string{"pa"}}}}},
	} {
		apt, refused, out := w.aptAnswer(c.args...)
		ours, _, err := ourAnswer(w.pool, c.plan)
		if refused || err != nil || !slices.Equal(apt, want) || !slices.Equal(ours, want) {
			t.Errorf("%v: apt %v, we %v, %v, want %v of both\n%s", c.args, apt, ours, err, want, out)
		}
	}
	kept, _, out := w.aptAnswer("-o", "APT::Get::Never-Include-Phased-Updates=1", "dist-upgrade")
	if len(kept) > 0 { // else this apt knows no phasing, and nothing has been shown
		t.Errorf("apt upgrades in spite of the phasing: %v\n%s", kept, out)
	}
}
