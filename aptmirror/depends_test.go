package aptmirror

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseDepends(t *testing.T) {
	tests := []struct {
		in   string
		want [][]Dependency
	}{
		{"", nil},
		{" \n ", nil},
		{"a", [][]Dependency{{{Name: "a"}}}},
		{"a, b|c ,", [][]Dependency{{{Name: "a"}}, {{Name: "b"}, {Name: "c"}}}},
		{"a:any (>= 1:2~x-3), b:i386(<<2)", [][]Dependency{{{"a", "any", ">=", "1:2~x-3"}}, {{"b", "i386", "<<", "2"}}}},
		{"a (< 1), b (> 2), c (3)", [][]Dependency{{{"a", "", "<=", "1"}}, {{"b", "", ">=", "2"}}, {{"c", "", "=", "3"}}}},
		{"a,\n\tb", [][]Dependency{{{Name: "a"}}, {{Name: "b"}}}},
	}
	for _, tt := range tests {
		if got, err := ParseDepends(tt.in); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q: got %v %v, want %v", tt.in, got, err, tt.want)
		}
	}
	for _, in := range []string{",", "a,,b", "a |", "| a", "a b", "a (", "a ()", "a (>=)", "a (>> 1", "a (=> 1)", "a [amd64]",
		"a <cross>", "a:", ":any", "a (= 1 2)", "a)", "ä", "a\x00", "a (>= 1) b", strings.Repeat("a,", maxRelationMembers+1),
		strings.Repeat("a", maxRelationBytes+1)} {
		if got, err := ParseDepends(in); err == nil {
			t.Errorf("%.40q was taken: %v", in, got)
		}
	}
}

// FuzzParseDepends: what was read, written and read again is the same.
func FuzzParseDepends(f *testing.F) {
	f.Add("libc6 (>= 2.14), python3:any | python3-minimal:native (<< 4), g++")
	f.Add("a (1) | b,")
	f.Fuzz(func(t *testing.T, s string) {
		groups, err := ParseDepends(s)
		if err != nil {
			return
		}
		var parts []string
		for _, g := range groups {
			var alternatives []string
			for _, d := range g {
				alternatives = append(alternatives, d.String())
			}
			parts = append(parts, strings.Join(alternatives, " | "))
		}
		text := strings.Join(parts, ", ")
		again, err := ParseDepends(text)
		if err != nil || !reflect.DeepEqual(again, groups) {
			t.Fatalf("%q became %q: %v", s, text, err)
		}
	})
}
