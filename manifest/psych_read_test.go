package manifest

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// sameNode reports whether two trees of nodes are the same to all who read them here.
func sameNode(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.Tag == b.Tag && a.Value == b.Value && a.Style == b.Style && a.Line == b.Line &&
		a.Anchor == b.Anchor && a.Alias == nil && b.Alias == nil && slices.EqualFunc(a.Content, b.Content, sameNode)
}

// sure compares psychNode with the parser, and reports whether it was sure at all.
func sure(t *testing.T, data []byte) bool {
	t.Helper()
	if _, why := checkText(data); why != "" {
		return false
	}
	got := psychNode(data)
	if got == nil {
		return false
	}
	want, rest, err := decodeNode(bytes.NewReader(data), true)
	switch {
	case err != nil || rest || want == nil:
		t.Fatalf("it reads what the parser does not: %v, %v\n%s", err, rest, data)
	case !sameNode(got, want):
		one, _ := yaml.Marshal(got)
		two, _ := yaml.Marshal(want)
		t.Fatalf("got\n%s\nwant\n%s\nof\n%s", one, two, data)
	}
	return true
}

// TestPsychNode: what it reads of real asserts, of what Ruby writes and of what people
// have written, whole or not, are the nodes that the parser makes.
func TestPsychNode(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	written := 0
	for range 300 {
		res := randomResult(r)
		if data, err := res.Marshal(); err == nil {
			for range 20 {
				sure(t, []byte(damaged(r, string(data))))
			}
			if sure(t, data) {
				written++
			}
		}
		sure(t, []byte(styled(r, res)))
	}
	if written < 20 {
		t.Errorf("it was sure of %d of 300 that Ruby writes", written)
	}
	const sum = "1111111111111111111111111111111111111111111111111111111111111111  a"
	for _, tt := range []struct {
		text string
		want bool
	}{
		{"--- !omap\n- a: |\n    x\n", true},
		{"--- !!omap  \n- a: |-\n     x\n      y\n- b:\n", true},
		{"--- !omap\n- a: ''\n- b: \"\"\n- c: \n- d: 1.0\n- e: 2001-01-01\n- 1: y\n", true},
		{"--- !omap\n- a: ! '" + sum + "\n\n    " + sum + "\n\n    '\n", true},
		{"--- !omap\n- a: '" + sum + "\n\n'\n- b: 'x'  \n- c: ' x '\n", true},
		{"--- !omap\n- a: !omap\n  - b: |\n      x\n  - c: x\n- d: !!omap\n    - e: ''\n", true},
		{"--- !omap\n- a: |\n    x\n   y\n", false},
		{"--- !omap\n- a: |\n    x\n\n\n- b: |-\n    y\n\n- c: !omap\n  - d: |\n      z\n\n", true},
		{"--- !omap\n- a: |\n    x\n\n    y\n", false},
		{"--- !omap\n- a: |\n    x\n  \n- b:\n", false},
		{"--- !omap\n- a: |\n  x\n", false},
		{"--- !omap\n- a: |\n- b: |\n", false},
		{"--- !omap\n- a: |+\n    x\n", false},
		{"--- !omap\n- a: 'x\n    y'\n", false},
		{"--- !omap\n- a: 'x''y'\n", false},
		{"--- !omap\n- a: 'x' y\n", false},
		{"--- !omap\n- a: 'x\n\ny'\n", false},
		{"--- !omap\n- a: 'x \n\n  y'\n", false},
		{"--- !omap\n- a: 'x\n\n\n  y'\n", false},
		{"--- !omap\n- a: 'x\n", false},
		{"--- !omap\n- a: x\n  y\n", false},
		{"--- !omap\n- a: x\n  - b: y\n", false},
		{"--- !omap\n- a:\n  - b\n", false},
		{"--- !omap\n- a: &x y\n", false},
		{"--- !omap\n- a: x\n  b: y\n", false},
		{"--- !omap\n- a: x # y\n", false},
		{"--- !omap\n- a: !omap\n - b: x\n", false},
		{"--- !omap\n- a: !omap\n- b: x\n", false},
		{"--- !omap\n- a: x\n...\n", false},
		{"--- !omap\n- a: x\n--- !omap\n- a: x\n", false},
		{"--- !omap\n- " + strings.Repeat("a", 2000) + ": x\n", false},
		{"--- !omap\n- a: |\n    \u00e9\n", false},
		{"--- !omap\n- a: |\n    x\r\n", false},
		{"--- !omap\n- a: |\n    x\ty\n", false},
		{"--- !omap\n- a: |\n    x", false},
		{"--- !omap\n", false},
		{"--- !map\na: x\n", false},
	} {
		if got := sure(t, []byte(tt.text)); got != tt.want {
			t.Errorf("%q: sure: %v", tt.text, got)
		}
	}
}

// TestPsychNodeOfLines puts lines together at random that are each nearly what it knows.
func TestPsychNodeOfLines(t *testing.T) {
	lines := []string{"- a: |", "- b: |-", "- c: !omap", "- d: !!omap ", "- e: 'x", "- f: ! 'x", "- g: 1.0", "- h:", "- i: \"\"", "- j: 'x'", "- k: |+", "- l: >", "- m: | # x", "- n: x # y", "- o:x", "- p : x",
		"- - q", "- r: 'x' y", "- s: null", "- t: ~", "- y: yes", "- <<: x", "  - a: |", "  - b: x", "    - c: x", "    - d: |-", " - e: x", "    x", "    y: z", "      x  y", "  x", "x", "", "", "", "  ", "    ", "'", "  '", "    y'", "    y''", "    # x", "# x",
		"...", "---", "    ---", "    - x", "?", "- {}", "- u: []", "- v: !str x", "- w: &x y", "- z: *x", "    'x'", "    %x"}
	r := rand.New(rand.NewPCG(11, 12))
	known := 0
	for range 60000 {
		text := "--- !omap\n"
		for range 1 + r.IntN(8) {
			text += lines[r.IntN(len(lines))] + "\n"
		}
		if sure(t, []byte(text)) {
			known++
		}
	}
	if known < 500 {
		t.Errorf("it was sure of %d", known)
	}
}

// TestPsychNodeOfCorpus: it reads each of the real asserts, else they are slow.
func TestPsychNodeOfCorpus(t *testing.T) {
	for name, data := range corpus(t, "asserts", filepath.Join("*", "*", "*.assert")) {
		if !sure(t, data) {
			t.Errorf("%s is left to the parser", name)
		}
	}
}

func FuzzPsychNode(f *testing.F) {
	seed(f, "asserts", "*/*/*.assert")
	r := rand.New(rand.NewPCG(9, 10))
	for range 40 {
		res := randomResult(r)
		if data, err := res.Marshal(); err == nil {
			f.Add(data)
			f.Add([]byte(styled(r, res)))
		}
	}
	f.Add([]byte("--- !omap\n- a: ! 'x\n\n    y\n\n'\n- b: !!omap\n    - c-d: |-\n        x\n- e: 1.0\n- f: \n"))
	f.Fuzz(func(t *testing.T, data []byte) { sure(t, data) })
}
