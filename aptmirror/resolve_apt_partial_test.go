package aptmirror

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// stanzaTexts holds the text of every stanza of some indexes.
type stanzaTexts map[string][]byte

func newStanzaTexts(indexes ...*testIndex) stanzaTexts {
	all := stanzaTexts{}
	for _, x := range indexes {
		for stanza := range bytes.SplitSeq(x.text, []byte("\n\n")) {
			if len(stanza) > 0 {
				all[stanzaKey(stanzaField(stanza, "Package"), stanzaField(stanza, "Version"), stanzaField(stanza, "Architecture"))] = stanza
			}
		}
	}
	return all
}

func stanzaKey(name, version, arch string) string { return name + " " + version + " " + arch }

// partial is an index for each architecture with the packages of an answer alone;
// those for all are in each, as in Debian's.
func (all stanzaTexts) partial(t *testing.T, like *testIndex, chosen []Choice, arches ...string) []*testIndex {
	t.Helper()
	var list []*testIndex
	for _, arch := range arches {
		x := &testIndex{suite: like.suite, codename: like.codename, arch: arch}
		for _, c := range chosen {
			if c.Architecture != arch && c.Architecture != "all" {
				continue
			}
			stanza := all[stanzaKey(c.Name, c.Version, c.Architecture)]
			if stanza == nil {
				t.Fatalf("no index has %s %s %s", c.Name, c.Version, c.Architecture)
			}
			x.text = append(append(x.text, bytes.TrimSpace(stanza)...), "\n\n"...)
		}
		list = append(list, x)
	}
	return list
}

// checkPartial has apt install an answer from a mirror that holds nothing else:
// package by package, and by the wishes. It must be the answer, whole.
func checkPartial(t *testing.T, indexes []*testIndex, foreign, wishes []string, sol *Solution, set []string) {
	t.Helper()
	w := newAptWorld(t, nil, foreign, indexes...)
	s := w.serve(t)
	if s != nil {
		defer s.close(t)
	}
	var all []string
	for _, c := range sol.Install {
		word := c.Name + "=" + c.Version
		if c.Architecture != "amd64" && c.Architecture != "all" {
			word = c.Name + ":" + c.Architecture + "=" + c.Version
		}
		all = append(all, word)
	}
	for _, words := range [...][]string{all, wishes} {
		got, refused, out, err := w.asked(s, words)
		if err != nil {
			t.Fatal(err)
		}
		if refused {
			if out == "" {
				_, _, out, _ = w.asked(nil, words)
			}
			t.Errorf("%v: apt does not install it from the partial mirror: %s", wishes, lastLines(out, 4))
		} else if diff := difference(got, set); len(diff) > 0 {
			t.Errorf("%v\n    from the partial mirror: %s", wishes, strings.Join(diff, "\n    "))
		}
	}
}

// TestPartialMirrorAgainstApt: what Resolve answers can be installed from a
// mirror that holds just that, and is what apt then makes of the wishes.
func TestPartialMirrorAgainstApt(t *testing.T) {
	main := mainIndex(t)
	pool, list := mainPool(t, main)
	texts := newStanzaTexts(main)
	lists := append(randomLists(list, 51, listCount(few(2, 8), 300)),
		append(essentialNames(list), strings.Fields(gitianBase)...))
	answered := 0
	for _, wishes := range lists {
		set, sol, err := ourAnswer(pool, Plan{Steps: []Step{{Wishes: wishes}}})
		if err != nil {
			continue
		}
		answered++
		checkPartial(t, texts.partial(t, main, sol.Install, "amd64"), nil, wishes, sol, set)
	}
	t.Logf("%d answers installed from what they hold", answered)
}

// TestPartialForeignMirrorAgainstApt is the same for two architectures.
func TestPartialForeignMirrorAgainstApt(t *testing.T) {
	main := mainIndex(t)
	other := asI386(main)
	w := newAptWorld(t, nil, []string{"i386"}, main, other)
	texts := newStanzaTexts(main, other)
	forAll := make(map[string]bool)
	for i := range w.packages {
		forAll[w.packages[i].Name] = w.packages[i].Architecture == "all"
	}
	answered := 0
	for _, wishes := range randomLists(w.packages, 52, listCount(few(1, 4), 100)) {
		wishes = slices.Clone(wishes[:min(len(wishes), 4)])
		for i := range wishes {
			// (apt knows a package for all as one of i386 only if another names it so.)
			if i%2 == 0 && !forAll[wishes[i]] {
				wishes[i] += ":i386"
			}
		}
		set, sol, err := ourAnswer(w.pool, Plan{Steps: []Step{{Wishes: wishes}}})
		if err != nil {
			continue
		}
		answered++
		checkPartial(t, texts.partial(t, main, sol.Install, "amd64", "i386"), []string{"i386"}, wishes, sol, set)
	}
	t.Logf("%d answers installed from what they hold", answered)
}

func mainPool(t testing.TB, main *testIndex) (*Pool, []Package) {
	t.Helper()
	list, err := ReadPackages("main", bytes.NewReader(main.text), 0)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := NewPool("amd64", nil, []ArchiveInfo{{Suite: main.suite, Codename: main.codename}}, list)
	if err != nil {
		t.Fatal(err)
	}
	return pool, list
}
