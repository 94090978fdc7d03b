//go:build linux

package guest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"satchel/aptmirror/deb"
)

// pkg makes a package of "name field: value; field: value"; "preinst" alone
// gives it a preinst script, "base" makes it one of the base system, "10 MiB"
// says how large it is, "triggers=…", "md5sums=…" and the like are control files,
// with "\\n" for the ends of lines.
func pkg(t *testing.T, rank int, text string) *staged {
	t.Helper()
	name, rest, _ := strings.Cut(text, " ")
	control := "Package: " + name + "\nVersion: 1\nArchitecture: all\n"
	s := &staged{Deb: Deb{Name: name, Version: "1", Architecture: "all"}, rank: rank}
	for f := range strings.SplitSeq(rest, ";") {
		if f = strings.TrimSpace(f); f == "preinst" {
			s.files = append(s.files, deb.ControlFile{Name: "preinst", Content: []byte("#!/bin/sh\n")})
		} else if f == "base" {
			s.Base = true
		} else if name, text, ok := strings.Cut(f, "="); ok && !strings.ContainsAny(name, ": ") {
			s.files = append(s.files, deb.ControlFile{Name: name, Content: []byte(strings.ReplaceAll(text, `\n`, "\n") + "\n")})
		} else if n, err := strconv.ParseInt(strings.TrimSuffix(f, " MiB"), 10, 64); err == nil {
			s.Size = n << 20
		} else if f != "" {
			control += f + "\n"
		}
	}
	var err error
	if s.control, err = deb.ParseControl([]byte(control)); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWaves(t *testing.T) {
	for _, c := range []struct {
		name     string
		packages []string
		want     string
	}{
		{"no essential", []string{"a", "b Depends: a"}, "a b"},
		{"essential and its dependencies first", []string{
			"a Depends: c", "c", "dpkg Essential: yes; Depends: libc (>= 1) | libx, t:any", "libc", "libx", "tool Provides: t (= 3)", "z"},
			"dpkg libc libx tool | a c z"},
		{"pre-depends of a preinst come before", []string{
			"app preinst; Pre-Depends: helper", "ess Essential: yes", "helper Depends: lib", "lib", "other"},
			"ess | helper lib | app other"},
		{"pre-depends without a preinst do not", []string{
			"app Pre-Depends: helper", "ess Essential: yes", "helper"}, "ess | app helper"},
		{"pre-depends on the first wave", []string{
			"app preinst; Pre-Depends: ess", "ess Essential: yes"}, "ess | app"},
		{"chain", []string{
			"a preinst; Pre-Depends: b", "b preinst; Pre-Depends: c", "c preinst; Pre-Depends: d", "d", "e"}, "d | c | b | a e"},
		{"the base system before what is asked for", []string{
			"app Depends: lib, tool", "cc base; Depends: lib", "ess Essential: yes", "lib", "tool"}, "ess | cc lib | app tool"},
		{"of alternatives the one that is in the base system", []string{
			"cc base; Depends: one | two", "one", "two base", "ess Essential: yes"}, "ess | cc two | one"},
		{"of alternatives all, if none is", []string{
			"cc base; Depends: one | two", "one", "two", "app"}, "cc one two | app"},
		{"pre-depends within the base system, and after it", []string{
			"app preinst; Pre-Depends: helper", "cc base; preinst; Pre-Depends: lib", "lib", "helper", "z base"}, "lib | cc z | helper | app"},
		{"all is base", []string{"a base", "b base; Depends: a"}, "a b"},
		{"circle", []string{
			"a preinst; Pre-Depends: b", "b preinst; Pre-Depends: a"}, "a b"},
		{"circle of two and one more", []string{
			"a preinst; Pre-Depends: b", "b preinst; Pre-Depends: a", "c preinst; Pre-Depends: a"}, "a b | c"},
	} {
		if got := namesOf(waves(pkgs(t, c.packages))); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func pkgs(t *testing.T, texts []string) (all []*staged) {
	t.Helper()
	for i, text := range texts {
		all = append(all, pkg(t, i, text))
	}
	return all
}

// namesOf writes waves as "a b | c".
func namesOf(waves [][]*staged) string {
	var all []string
	for _, w := range waves {
		var names []string
		for _, s := range w {
			names = append(names, s.Name)
		}
		all = append(all, strings.Join(names, " "))
	}
	return strings.Join(all, " | ")
}

// FuzzWaves: every package is in exactly one wave, whatever depends on what; a
// divided last wave keeps its packages and their order, and nothing of its first
// part needs anything of the second.
func FuzzWaves(f *testing.F) {
	f.Add([]byte("\x01\x02\x03\x04\x05\x06\x07\x08"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var all []*staged
		for i := 0; i+2 < len(b) && i < 90; i += 3 {
			text := fmt.Sprintf("p%d Depends: p%d; Pre-Depends: p%d", i/3, b[i]%30, b[i+1]%30)
			if b[i+2]&1 == 1 {
				text += "; preinst"
			}
			if b[i+2]&48 == 48 {
				text += "; base"
			}
			if b[i+2]&14 == 14 {
				text += "; Essential: yes"
			}
			text += fmt.Sprintf("; %d MiB", b[i+2])
			all = append(all, pkg(t, i/3, text))
		}
		whole := waves(all)
		divided := lightFirst(whole)
		if again := namesOf(lightFirst(waves(all))); again != namesOf(divided) {
			t.Errorf("got %s, then %s", namesOf(divided), again)
		}
		seen := make(map[*staged]bool)
		for _, w := range divided {
			if len(w) == 0 {
				t.Error("an empty wave")
			}
			for _, s := range w {
				if seen[s] {
					t.Errorf("%s comes twice", s.Name)
				}
				seen[s] = true
			}
		}
		if len(seen) != len(all) {
			t.Errorf("got %d of %d packages", len(seen), len(all))
		}
		if len(divided) == len(whole) {
			return
		}
		light, heavy := divided[len(divided)-2], divided[len(divided)-1]
		later := make(map[string]bool)
		for _, s := range heavy {
			later[s.Name] = true
		}
		for _, s := range light {
			for _, r := range relations(s.control.Get("Pre-Depends") + "," + s.control.Get("Depends")) {
				if later[r.name] {
					t.Errorf("%s comes before %s: %s", s.Name, r.name, namesOf(divided))
				}
			}
		}
		for _, part := range [][]*staged{light, heavy} {
			if !slices.IsSortedFunc(part, func(a, b *staged) int { return a.rank - b.rank }) {
				t.Errorf("not in the plan's order: %s", namesOf(divided))
			}
		}
	})
}
