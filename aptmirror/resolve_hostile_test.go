package aptmirror

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// hostileArchives are made to cost a resolver time or stack, with what they ask
// for. The number of packages is what an archive of a few megabytes can have.
func hostileArchives() map[string]func() (archive, wishes string) {
	each := func(n int, line func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(line(i) + "\n\n")
		}
		return b.String()
	}
	names := func(n int, format, between string) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(format, i))
		}
		return strings.Join(all, between)
	}
	return map[string]func() (string, string){
		"a chain of 10,000 that breaks at its end": func() (string, string) {
			return each(10000, func(i int) string { return fmt.Sprintf("P: p%d\nD: p%d", i, i+1) }), "p0"
		},
		"10,000 alternatives, none of them there": func() (string, string) { return manyAlternatives(10000, false) },
		"10,000 alternatives, the last of them there": func() (string, string) {
			return "P: a\nD: " + names(10000, "p%d", " | ") + " | b\n\nP: b", "a"
		},
		"10,000 alternatives, all there and none installable": func() (string, string) { return manyAlternatives(10000, true) },
		"a ladder of 2,000 pairs, broken at its end": func() (string, string) { // 2^2,000 ways
			return each(2000, func(i int) string {
				return fmt.Sprintf("P: a%d\nD: a%d | b%d\n\nP: b%d\nD: a%d | b%d", i, i+1, i+1, i, i+1, i+1)
			}), "a0"
		},
		"a ladder of 300 pairs, the last two at odds": func() (string, string) {
			return each(300, func(i int) string {
				return fmt.Sprintf("P: a%d\nD: a%d | b%d\n\nP: b%d\nD: a%d | b%d", i, i+1, i+1, i, i+1, i+1)
			}) + "P: a300\nC: z\n\nP: b300\nC: z\n\nP: z", "a0 z"
		},
		"1,000 that provide one name and exclude each other": func() (string, string) {
			return "P: a\nD: v\n\n" + each(1000, func(i int) string { return fmt.Sprintf("P: p%d\nV: v\nC: v", i) }), "a p0"
		},
		"500 asked for that exclude each other": func() (string, string) {
			return each(500, func(i int) string { return fmt.Sprintf("P: p%d\nV: v\nC: v", i) }), names(500, "p%d", " ")
		},
		"a virtual name in a circle of 3,000": func() (string, string) {
			return each(3000, func(i int) string { return fmt.Sprintf("P: p%d\nV: v%d\nD: v%d, v%d", i, i, (i+1)%3000, (i*7)%3000) }), "p0"
		},
		"10,000 versions of one package": func() (string, string) {
			return "P: a\nD: b (<< 1)\n\n" + each(10000, func(i int) string { return fmt.Sprintf("P: b %d\nD: b (= %d)", i+1, i) }), "a"
		},
	}
}

// manyAlternatives: a depends on any of n, which are not there, or want what is not.
func manyAlternatives(n int, there bool) (archive, wishes string) {
	var group, rest strings.Builder
	group.WriteString("P: a\nD: p0")
	for i := range n {
		if i > 0 {
			fmt.Fprintf(&group, " | p%d", i)
		}
		if there {
			fmt.Fprintf(&rest, "\n\nP: p%d\nD: none", i)
		}
	}
	return group.String() + rest.String(), "a"
}

// TestManyAlternatives: what 60,000 alternatives cost grows as their number does.
// If each were weighed by looking at all, it would take minutes.
func TestManyAlternatives(t *testing.T) {
	for _, there := range []bool{false, true} {
		archive, wishes := manyAlternatives(60000, there)
		pool, err := NewPool("amd64", nil, miniSuites, miniPackages(t, archive))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = Resolve(pool, Plan{Steps: []Step{{Wishes: []string{wishes}}}})
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("it took %s", took)
		}
		var no *Unresolvable
		if !errors.As(err, &no) {
			t.Errorf("there is an answer, or another error: %v", err)
		}
	}
}

// TestHostileArchives: each has an answer, or a reason of a screen at most,
// within seconds.
func TestHostileArchives(t *testing.T) {
	for name, make := range hostileArchives() {
		archive, wishes := make()
		list := miniPackages(t, archive)
		start := time.Now()
		pool, err := NewPool("amd64", nil, miniSuites, list)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sol, err := Resolve(pool, Plan{Steps: []Step{{Wishes: strings.Fields(wishes)}}})
		took := time.Since(start)
		var no *Unresolvable
		if err != nil && !errors.As(err, &no) {
			t.Errorf("%s: %v", name, err)
		}
		if text := fmt.Sprint(err); err != nil && (strings.Count(text, "\n") > maxReasonLines || len(text) > 10_000) {
			t.Errorf("%s: a reason of %d bytes", name, len(text))
		}
		if took > 30*time.Second {
			t.Errorf("%s: it took %s", name, took)
		}
		n := 0
		if err == nil {
			n = len(sol.Install)
		}
		t.Logf("%s: %d packages in %s", name, n, took.Round(time.Millisecond))
	}
}

// TestHostileArchivesAgainstApt: apt comes to the same end.
func TestHostileArchivesAgainstApt(t *testing.T) {
	if os.Getenv("SATCHEL_FULL") != "1" {
		t.Skip("apt takes a minute for these: SATCHEL_FULL")
	}
	needApt(t)
	for name, make := range hostileArchives() {
		archive, wishes := make()
		x := &testIndex{suite: "stable", codename: "book", arch: "amd64", text: indexText(miniPackages(t, archive), false)}
		w := newAptWorld(t, nil, nil, x)
		s := w.serve(t)
		start := time.Now()
		diff, refused := w.compare(s, strings.Fields(wishes))
		if len(diff) > 0 {
			t.Errorf("%s\n    %s", name, strings.Join(diff, "\n    "))
		}
		t.Logf("%s: apt refuses: %t, in %s both", name, refused, time.Since(start).Round(time.Millisecond))
		if s != nil {
			s.close(t)
		}
	}
}
