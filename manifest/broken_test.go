package manifest

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestBrokenForms: the ways in which real descriptors turned out to be broken,
// in small. Each is refused with the line that a person has to mend.
func TestBrokenForms(t *testing.T) {
	sound := strings.Split(minimal, "\n")
	at := func(line int, text string) string {
		all := append(append(append([]string{}, sound[:line-1]...), text), sound[line-1:]...)
		return strings.Join(all, "\n")
	}
	if _, err := ParseDescriptor("sound", []byte(minimal)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		line int
	}{
		"tab as indentation":  {at(2, "extra:\n\t- x"), 3},
		"quote never closed":  {at(1, "extra:\n- \"libfoo-dev\n- \"bar\""), 3},
		"curly closing quote": {at(1, "extra: \"foo\u201d\nother: \"x\""), 2},
		"two keys on a line":  {at(1, "extra: [\"a\"3]"), 1},
		"mark that is text":   {"1---\n" + minimal, 1},
		"colon in a value":    {at(1, "extra: a: b"), 1},
		"key given twice":     {at(1, "name: other\nname: third"), 2},
	} {
		_, err := ParseDescriptor("broken", []byte(c.text))
		var p *Problems
		if !errors.As(err, &p) || len(p.List) == 0 {
			t.Errorf("%s: got %v, want problems", name, err)
			continue
		}
		if !slices.ContainsFunc(p.List, func(q Problem) bool { return q.Line == c.line }) {
			t.Errorf("%s: no problem in line %d: %v", name, c.line, err)
		}
	}
}
