package aptmirror

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// miniPackages reads a short form: stanzas of the fields that a test needs.
func miniPackages(t testing.TB, text string) []Package {
	t.Helper()
	var list []Package
	for stanza := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		p := Package{Version: "1", Architecture: "amd64", Phased: -1}
		for line := range strings.Lines(stanza) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			switch name {
			case "P":
				p.Name, p.Version, _ = strings.Cut(value, " ")
				if p.Version == "" {
					p.Version = "1"
				}
			case "A":
				p.Architecture = value
			case "M":
				p.MultiArch = value
			case "D":
				p.Depends = value
			case "C":
				p.Conflicts = value
			case "B":
				p.Breaks = value
			case "V":
				p.Provides = value
			case "S":
				p.Status = value
			case "E":
				p.Essential = true
			case "Suite":
				fmt.Sscan(value, &p.Archive)
			default:
				t.Fatalf("field %q", line)
			}
		}
		list = append(list, p)
	}
	return list
}

var miniSuites = []ArchiveInfo{{Suite: "stable", Codename: "book"}, {Suite: "backports", NotAutomatic: true, ButAutomaticUpgrades: true}}

func TestResolveSmall(t *testing.T) {
	const status = "S: install ok installed"
	tests := []struct {
		name, archive, installed, wishes, release, want string
		upgrade, essential                              bool
	}{
		{name: "first alternative", archive: "P: a\nD: b | c\n\nP: b\n\nP: c", wishes: "a", want: "+a 1 +b 1"},
		{name: "alternative that is there", archive: "P: a\nD: b | c\n\nP: b\n\nP: c", installed: "P: c\n" + status, wishes: "a", want: "+a 1"},
		{name: "second alternative", archive: "P: a\nD: b (>= 2) | c\n\nP: b\n\nP: c", wishes: "a", want: "+a 1 +c 1"},
		{name: "provider", archive: "P: a\nD: v\n\nP: b\nV: v", wishes: "a", want: "+a 1 +b 1"},
		{name: "versioned provider", archive: "P: a\nD: v (>= 2)\n\nP: b\nV: v\n\nP: c\nV: v (= 2)", wishes: "a", want: "+a 1 +c 1"},
		{name: "virtual wish", archive: "P: b\nV: v", wishes: "v", want: "+b 1"},
		{name: "several providers", archive: "P: b\nV: v\n\nP: c\nV: v", wishes: "v", want: "error"},
		{name: "conflict", archive: "P: a\nC: b\n\nP: b", wishes: "a b", want: "error"},
		{name: "conflict removes", archive: "P: a\nC: b\n\nP: b", installed: "P: b\n" + status, wishes: "a", want: "+a 1 -b"},
		{name: "essential stays", archive: "P: a\nC: b\n\nP: b\nE: yes", installed: "P: b\nE: yes\n" + status, wishes: "a", want: "error"},
		{name: "broken is upgraded", archive: "P: a\nB: b (<< 2)\n\nP: b 2", installed: "P: b\n" + status, wishes: "a", want: "+a 1 +b 2"},
		{name: "essential set", archive: "P: a\nE: yes\nD: b\n\nP: b\n\nP: c", essential: true, want: "+a 1 +b 1"},
		{name: "upgrade", archive: "P: a 2\nD: n\n\nP: n", installed: "P: a\n" + status, upgrade: true, want: "+a 2 +n 1"},
		{name: "hold", archive: "P: a 2", installed: "P: a\nS: hold ok installed", upgrade: true, want: ""},
		{name: "no automatic backport", archive: "P: a\n\nP: a 2\nSuite: 1", wishes: "a", want: "+a 1"},
		{name: "-t", archive: "P: a\n\nP: a 2\nSuite: 1", wishes: "a", release: "backports", want: "+a 2"},
		{name: "-t nowhere", archive: "P: a", wishes: "a", release: "sid", want: "error"},
		{name: "as a reason advises", archive: "P: a\nD: b (>= 2)\n\nP: b 1.5\n\nP: b 2.1\nSuite: 1", wishes: "a b=2.1", want: "+a 1 +b 2.1"},
		{name: "suite", archive: "P: a\nD: b (= 1)\n\nP: b\n\nP: a 2\nD: b (= 2)\nSuite: 1\n\nP: b 2\nSuite: 1", wishes: "a/backports", want: "+a 2 +b 2"},
		{name: "version", archive: "P: a 2\n\nP: a 1", wishes: "a=1", want: "+a 1"},
		{name: "foreign helper", archive: "P: a\nA: i386\nD: b\n\nP: b\nM: foreign", wishes: "a:i386", want: "+a:i386 1 +b 1"},
		{name: "other architecture does not do", archive: "P: a\nA: i386\nD: b\n\nP: b", wishes: "a:i386", want: "error"},
		{name: "any", archive: "P: a\nA: i386\nD: b:any\n\nP: b\nM: allowed", wishes: "a:i386", want: "+a:i386 1 +b 1"},
		{name: "same in step", archive: "P: l\nM: same\n\nP: l\nA: i386\nM: same", wishes: "l l:i386", want: "+l 1 +l:i386 1"},
		{name: "same out of step", archive: "P: l\nM: same\n\nP: l 2\nA: i386\nM: same", wishes: "l l:i386", want: "error"},
		{name: "two architectures of one tool", archive: "P: l\n\nP: l\nA: i386", wishes: "l l:i386", want: "error"},
		{name: "cycle", archive: "P: a\nD: b\n\nP: b\nD: a", wishes: "a", want: "+a 1 +b 1"},
		{name: "needless again", archive: "P: a\nD: x | y\n\nP: x\nD: no\n\nP: y", wishes: "a", want: "+a 1 +y 1"},
		{name: "unknown", archive: "P: a", wishes: "b", want: "error"},
		{name: "removal", archive: "P: a", wishes: "a-", want: "error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pool, err := NewPool("amd64", []string{"i386"}, miniSuites, miniPackages(t, tt.archive))
			if err != nil {
				t.Fatal(err)
			}
			plan := Plan{Upgrade: tt.upgrade, Essential: tt.essential}
			if tt.installed != "" {
				plan.Installed = miniPackages(t, tt.installed)
			}
			if tt.wishes != "" {
				plan.Steps = []Step{{Why: "asked for", Wishes: strings.Fields(tt.wishes), Release: tt.release}}
			}
			sol, err := Resolve(pool, plan)
			if got := miniAnswer(sol, err); got != tt.want {
				t.Errorf("got %q (%v), want %q", got, err, tt.want)
			}
			var no *Unresolvable
			if err != nil && !errors.As(err, &no) {
				t.Errorf("error is %T: %v", err, err)
			}
		})
	}
}

func miniAnswer(sol *Solution, err error) string {
	if err != nil {
		return "error"
	}
	var words []string
	for _, c := range sol.Install {
		name := c.Name
		if c.Architecture == "i386" {
			name += ":i386"
		}
		words = append(words, "+"+name, c.Version)
	}
	for _, p := range sol.Removed {
		words = append(words, "-"+p.Name)
	}
	return strings.Join(words, " ")
}

func TestWhy(t *testing.T) {
	pool, err := NewPool("amd64", nil, miniSuites, miniPackages(t, "P: a\nD: b (>= 1) | c\n\nP: b\nD: v\n\nP: d\nV: v\n\nP: e\nE: yes"))
	if err != nil {
		t.Fatal(err)
	}
	sol, err := Resolve(pool, Plan{Essential: true, Steps: []Step{{Why: "asked for", Wishes: []string{"a"}}}})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(Why(sol, "d"), "\n")
	want := "a: asked for\na depends on b (>= 1) | c; b is taken\nb depends on v, which d provides"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for i, why := range []string{"asked for", "dependency of a", "dependency of b", "essential"} {
		if sol.Install[i].Why != why {
			t.Errorf("%s: got %q, want %q", sol.Install[i].Name, sol.Install[i].Why, why)
		}
	}
	if Why(sol, "c") != nil {
		t.Error("a reason for what is not there")
	}
}

// TestReasons: the tree names causes, near names and versions.
func TestReasons(t *testing.T) {
	tests := []struct{ archive, wishes, want string }{
		{"P: autoconf\n\nP: autobahn", "autocnof", "  no package \"autocnof\" in book, backports\n    near it: autoconf"},
		{"P: a\nD: b (>= 2)\n\nP: b 1.5", "a", "  a 1 depends on b (>= 2)\n    versions of b seen: 1.5 (book)"},
		{"P: a\nD: b (>= 2)\n\nP: b 1.5\n\nP: b 2.1\nSuite: 1", "a", "  a 1 depends on b (>= 2)\n    versions of b seen: 2.1 (backports), 1.5 (book); apt takes 1.5\n" +
			"      b 2.1 of backports would do, but apt takes it only if it is asked for: add b=2.1"},
		{"P: a\nD: x\n\nP: x\nC: b\n\nP: b", "a b", "  a 1 depends on x\n    x 1 conflicts with b\n      b 1 is wanted too"},
		{"P: g\n\nP: gg", "g:i386", "  no package \"g:i386\" in book, backports\n    versions of g seen: 1 (book)"},
		{"P: a\nD: g\n\nP: g\nA: i386\n\nP: gg", "a", "  a 1 depends on g\n    no package \"g\" in book, backports\n      versions of g:i386 seen: 1 (book)"},
		{"P: a\nD: libfoo1\n\nP: libfoo2", "a", "  a 1 depends on libfoo1\n    no package \"libfoo1\" in book, backports\n      near it: libfoo2"},
		{"P: a\nD: v (>= 2)\n\nP: p\nV: v\n\nP: q\nV: v (= 1)", "a", "  a 1 depends on v (>= 2)\n    v is provided, but not in a version that would do: by p 1 without a version, q 1 as 1"},
		{"P: p\nV: v\n\nP: q\nV: v", "v", "  v is a virtual package; ask for one that provides it\n    p 1\n    q 1"},
		{"P: a 3", "a=2", "  a has nothing of version \"2\"\n    versions of a seen: 3 (book)"},
		{"P: a 3", "a/backports", "  a has nothing of suite \"backports\"\n    versions of a seen: 3 (book)"},
	}
	for _, tt := range tests {
		pool, err := NewPool("amd64", []string{"i386"}, miniSuites, miniPackages(t, tt.archive))
		if err != nil {
			t.Fatal(err)
		}
		_, err = Resolve(pool, Plan{Steps: []Step{{Wishes: strings.Fields(tt.wishes)}}})
		got := fmt.Sprint(err)
		if !strings.HasPrefix(got, "resolving packages: there is no answer\n"+tt.want) {
			t.Errorf("got\n%s\nwant\n%s", got, tt.want)
		}
		if strings.Count(got, "\n") >= maxReasonLines {
			t.Errorf("%d lines", strings.Count(got, "\n")+1)
		}
	}
}

// TestCheckSetRefuses breaks sets that fit in every way that Check looks at.
func TestCheckSetRefuses(t *testing.T) {
	tests := []struct {
		set string
		ok  bool
	}{
		{"P: a\nD: b\n\nP: b", true},
		{"P: a\nD: b", false},
		{"P: a\nD: b (>= 2)\n\nP: b 1", false},
		{"P: a\nD: v (= 2)\n\nP: b\nV: v", false},
		{"P: a\nD: v (= 2)\n\nP: b\nV: v (= 2)", true},
		{"P: a\nC: b\n\nP: b", false},
		{"P: a\nB: b (<< 1)\n\nP: b", true},
		{"P: a\nC: v\nV: v", true},
		{"P: a\nC: v\n\nP: b\nV: v", false},
		{"P: a\nD: b\n\nP: b\nA: i386", false},
		{"P: a\nD: b\n\nP: b\nA: i386\nM: foreign", true},
		{"P: a\nD: b:any\n\nP: b\nM: allowed", true},
		{"P: a\nD: b:any\n\nP: b", false},
		{"P: l\nM: same\n\nP: l\nA: i386\nM: same", true},
		{"P: l\nM: same\n\nP: l 2\nA: i386\nM: same", false},
		{"P: l\n\nP: l\nA: i386", false},
	}
	for _, tt := range tests {
		var set []*Package
		list := miniPackages(t, tt.set)
		for i := range list {
			set = append(set, &list[i])
		}
		if err := checkSet("amd64", set); (err == nil) != tt.ok {
			t.Errorf("%q: %v", tt.set, err)
		}
	}
}

// TestResolveIsDeterministic asks two pools of the same packages the same.
func TestResolveIsDeterministic(t *testing.T) {
	var text strings.Builder
	for i := range 300 {
		fmt.Fprintf(&text, "P: p%d\nD: v%d | p%d, p%d\nV: v%d\n\n", i, (i*7)%50, (i*13)%300, (i*31+1)%300, i%50)
	}
	list := miniPackages(t, text.String())
	var first *Solution
	for range 5 {
		pool, err := NewPool("amd64", nil, miniSuites, list)
		if err != nil {
			t.Fatal(err)
		}
		sol, err := Resolve(pool, Plan{Steps: []Step{{Wishes: []string{"p1", "p250"}}}})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = sol
		} else if !reflect.DeepEqual(first.Install, sol.Install) {
			t.Fatal("two answers to one question")
		}
	}
}

// TestDeepChain: 10,000 packages that need each other in a circle. Marking
// follows 3,000, as apt does; the fix-up takes the rest step by step.
func TestDeepChain(t *testing.T) {
	for _, n := range []int{2000, 10000} {
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, "P: p%d\nD: p%d\n\n", i, (i+1)%n)
		}
		pool, err := NewPool("amd64", nil, miniSuites, miniPackages(t, text.String()))
		if err != nil {
			t.Fatal(err)
		}
		sol, err := Resolve(pool, Plan{Steps: []Step{{Wishes: []string{"p0"}}}})
		if err != nil {
			t.Errorf("%d in a row: %v", n, err)
		} else if len(sol.Install) != n {
			t.Errorf("%d in a row: %d are installed", n, len(sol.Install))
		}
	}
}

func TestNewPoolRefuses(t *testing.T) {
	for _, text := range []string{"P: a\nA: arm64", "P: a\nD: b (", "P: a\nM: perhaps", "P: a\nSuite: 7", "P: a\nV: b c"} {
		if _, err := NewPool("amd64", nil, miniSuites, miniPackages(t, text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	if _, err := NewPool("all", nil, miniSuites, nil); err == nil {
		t.Error("native architecture all was taken")
	}
	pool, _ := NewPool("amd64", nil, miniSuites, nil)
	for _, status := range []string{"P: a\nS: install ok half-installed", "P: a\nS: what", "P: a\nS: install reinstreq installed"} {
		if _, err := Resolve(pool, Plan{Installed: miniPackages(t, status)}); err == nil {
			t.Errorf("%q was taken", status)
		}
	}
}

// FuzzResolve makes small archives of the input. Whatever Resolve answers has
// passed Check; asked again on top of its own answer, it changes nothing.
func FuzzResolve(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"))
	f.Add([]byte("satchel carries a whole deterministic build across an air gap"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list := fuzzPackages(data)
		pool, err := NewPool("amd64", []string{"i386"}, miniSuites, list)
		if err != nil {
			t.Fatal(err)
		}
		plan := Plan{Steps: []Step{{Wishes: []string{"a", "b"}}}}
		sol, err := Resolve(pool, plan)
		var no *Unresolvable
		if errors.As(err, &no) {
			if no.Error() == "" {
				t.Fatal("no reason")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range sol.Install {
			c.Status = "install ok installed"
			plan.Installed = append(plan.Installed, c.Package)
			if c.Why == "" || Why(sol, c.Name+":"+strings.Replace(c.Architecture, "all", "amd64", 1)) == nil {
				t.Fatalf("%s is there for no reason", c.Name)
			}
		}
		again, err := Resolve(pool, plan)
		if err != nil || len(again.Install)+len(again.Removed) > 0 {
			t.Fatalf("asked again: %v %s", err, miniAnswer(again, err))
		}
	})
}

// fuzzPackages spends six bytes a package.
func fuzzPackages(data []byte) []Package {
	name := func(b byte) string { return string(rune('a' + b%10)) }
	relation := func(b, c byte) string {
		switch b % 5 {
		case 0:
			return ""
		case 1:
			return name(c) + " | " + name(c/10)
		case 2:
			return name(c) + " (>= " + fmt.Sprint(c/10%3) + ")"
		case 3:
			return name(c) + ":any"
		}
		return name(c)
	}
	var list []Package
	for i := 0; i+6 <= len(data) && len(list) < 40; i += 6 {
		d := data[i : i+6]
		p := Package{Name: name(d[0]), Version: fmt.Sprint(1 + d[1]%3), Architecture: []string{"amd64", "i386", "all"}[d[1]/3%3],
			MultiArch: []string{"", "foreign", "allowed"}[d[1]/9%3], Depends: relation(d[2], d[3]), Phased: -1, Archive: int(d[1] / 27 % 2)}
		if p.Architecture != "all" && d[1]%7 == 0 {
			p.MultiArch = "same"
		}
		switch d[4] % 4 {
		case 0:
			p.Provides = name(d[5])
		case 1:
			p.Conflicts = name(d[5])
		case 2:
			p.Breaks = relation(2, d[5])
		}
		list = append(list, p)
	}
	return list
}

// TestChosen: packages that were chosen long ago are explained as if they had
// been resolved just now, foreign ones and those that only a virtual name asks
// for too.
func TestChosen(t *testing.T) {
	packages := miniPackages(t, "P: a\nD: b (>= 1) | c, l:i386\n\nP: b\nD: v\n\nP: d\nV: v\n\nP: l\nA: i386\n\nP: x")
	sol, err := Chosen("amd64", packages, []string{"asked for", "", "", "", ""})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"a":      "a: asked for",
		"d":      "a: asked for\na depends on b (>= 1) | c; b is taken\nb depends on v, which d provides",
		"l:i386": "a: asked for\na depends on l:i386",
		"x":      "x: chosen while mending a conflict",
		"c":      "",
		"l":      "",
	} {
		if got := strings.Join(Why(sol, name), "\n"); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
	if got := sol.Near("bb"); len(got) == 0 {
		t.Error("nothing is near bb")
	}
	if _, err := Chosen("amd64", miniPackages(t, "P: a\nD: (("), []string{""}); err == nil {
		t.Error("a broken dependency passes")
	}
}
