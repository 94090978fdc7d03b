package manifest

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// walker reads nodes and notes what is wrong with them. It follows aliases,
// and counts the nodes that it visits, so that a bomb made of aliases ends.
type walker struct {
	findings
	ignored []string // keys that nobody asked for, with the path before them
	visited int
}

// mapNode is a mapping whose keys are taken one by one; what is left is unknown.
type mapNode struct {
	line int
	keys []string // in the document's order
	vals map[string]*yaml.Node
	at   map[string]int // line of each key
	seen map[string]bool
}

// follow returns what n stands for, or nil when the document asks for more
// nodes than any honest one has. It counts what n holds at once, so that who
// walks it need not.
func (w *walker) follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
		w.visited++
	}
	w.visited += 1 + len(n.Content)
	if w.visited > maxNodes {
		if w.visited < 2*maxNodes { // say it once
			w.visited = 2 * maxNodes
			w.add(n.Line, "its aliases stand for more than %d items", maxNodes)
		}
		return nil
	}
	return n
}

// tagged refuses tags that would make a reader other than ours build something
// else from the node.
func (w *walker) tagged(n *yaml.Node, what string) {
	if n.Style&yaml.TaggedStyle == 0 {
		return
	}
	switch n.Tag {
	case "!", "!str", "!!str", "!!seq", "!!map", "!!bool", "!!int", "!!float", "!!timestamp", "!!omap", "!omap", "tag:yaml.org,2002:omap":
	default:
		w.add(n.Line, "%s: the tag %q means nothing here; remove it", what, shorten(n.Tag))
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// mapping reads n as a mapping of names.
func (w *walker) mapping(n *yaml.Node, what string) (*mapNode, bool) {
	if n = w.follow(n); n == nil {
		return nil, false
	}
	if n.Kind != yaml.MappingNode {
		w.add(n.Line, "%s must be a mapping (key: value), not %s", what, kindName(n))
		return nil, false
	}
	w.tagged(n, what)
	m := &mapNode{line: n.Line, vals: map[string]*yaml.Node{}, at: map[string]int{}, seen: map[string]bool{}}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := w.follow(n.Content[i])
		if k == nil {
			return nil, false
		}
		switch {
		case k.Kind != yaml.ScalarNode:
			w.add(k.Line, "%s: a key must be a word, not %s", what, kindName(k))
			continue
		case k.Tag == "!!merge":
			w.add(k.Line, "%s: merging with << is not supported; write the keys out", what)
			continue
		}
		if old, ok := m.at[k.Value]; ok {
			w.add(n.Content[i].Line, "key %q stands here and in line %d; keep one", shorten(k.Value), old)
			continue
		}
		m.keys = append(m.keys, k.Value)
		m.vals[k.Value], m.at[k.Value] = n.Content[i+1], n.Content[i].Line
	}
	return m, true
}

// take returns the value of key, nil if it is absent or null.
func (m *mapNode) take(key string) *yaml.Node {
	m.seen[key] = true
	n := m.vals[key]
	if n == nil || isNull(n) {
		return nil
	}
	return n
}

// has reports whether the key is there, be it null.
func (m *mapNode) has(key string) bool { return m.vals[key] != nil }

// lineOf returns the line of a key, that of the mapping if it is absent.
func (m *mapNode) lineOf(key string) int {
	if l, ok := m.at[key]; ok {
		return l
	}
	return m.line
}

// near returns the key that was probably meant to be key, or "".
func (m *mapNode) near(key string) string {
	for _, k := range m.keys {
		if !m.seen[k] && k != key && distance(k, key) <= 2 {
			return k
		}
	}
	return ""
}

// must is take for a key that has to be there.
func (w *walker) must(m *mapNode, key string) *yaml.Node {
	n := m.take(key)
	switch {
	case n != nil:
	case m.has(key):
		w.add(m.at[key], "%s is empty", key)
	default:
		w.missing(m, key)
	}
	return n
}

func (w *walker) missing(m *mapNode, key string) {
	if k := m.near(key); k != "" {
		w.add(m.at[k], "%s is missing; is %q meant to be it?", key, shorten(k))
		return
	}
	w.add(m.line, "%s is missing", key)
}

// list returns the items of a list. A null is an empty list.
func (w *walker) list(m *mapNode, key string, required bool) []*yaml.Node {
	if !m.has(key) {
		m.seen[key] = true
		if required {
			w.missing(m, key)
		}
		return nil
	}
	n := m.take(key)
	if n == nil {
		return nil
	}
	if n = w.follow(n); n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		w.add(n.Line, "%s must be a list (lines that begin with \"- \"), not %s", key, kindName(n))
		return nil
	}
	w.tagged(n, key)
	return n.Content
}

// some notes a list that is there and empty though it must not be.
func (w *walker) some(m *mapNode, key string, items []*yaml.Node) {
	if v := m.vals[key]; len(items) == 0 && v != nil && (isNull(v) || v.Kind == yaml.SequenceNode) {
		w.add(m.at[key], "%s is empty; nothing would be built", key)
	}
}

// text returns a scalar as it is written, numbers and dates included.
func (w *walker) text(n *yaml.Node, what string) string {
	if n = w.follow(n); n == nil {
		return ""
	}
	if n.Kind != yaml.ScalarNode {
		w.add(n.Line, "%s: must be text, not %s", what, kindName(n))
		return ""
	}
	w.tagged(n, what)
	return n.Value
}

// printable is text that people can read.
func (w *walker) printable(n *yaml.Node, what string) string {
	s := w.text(n, what)
	if s == "" || !clean(s) {
		w.add(n.Line, "%s: %q is no readable text", what, shorten(s))
	}
	return s
}

// flag reads a boolean of YAML 1.1, as Ruby does: yes, no, on and off count. In
// Ruby any quoted text is true, "false" included; that one is refused.
func (w *walker) flag(m *mapNode, key string) bool {
	n := m.take(key)
	if n == nil {
		return false
	}
	s := strings.ToLower(w.text(n, key))
	if a := w.follow(n); a != nil {
		n = a
	}
	switch quoted := n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0; {
	case s == "true" || s == "yes" || s == "on":
		return true
	case !quoted && (s == "false" || s == "no" || s == "off"):
		return false
	}
	w.add(m.at[key], "%s: write true or false, without quotes", key)
	return false
}

// check notes the error of f for s, unless s is a leftover of an earlier error.
func (w *walker) check(n *yaml.Node, what string, f func(string) error, s string) {
	if a := w.follow(n); a == nil || a.Kind != yaml.ScalarNode {
		return
	}
	if err := f(s); err != nil {
		w.add(n.Line, "%s: %v", what, err)
	}
}

// once notes a value that was seen before.
func (w *walker) once(n *yaml.Node, what string, seen map[string]bool, s string) {
	if s != "" && seen[s] {
		w.add(n.Line, "%s: %q is listed twice", what, shorten(s))
	}
	seen[s] = true
}

// unknown keeps the keys that nobody took.
func (w *walker) unknown(m *mapNode, path string) {
	for _, k := range m.keys {
		if !m.seen[k] {
			w.ignored = append(w.ignored, path+display(k))
		}
	}
}

func kindName(n *yaml.Node) string {
	switch {
	case isNull(n):
		return "nothing"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	}
	return "a text"
}

// distance is how many letters have to be put in, left out or changed to make b
// of a; long words are far from everything.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return len(a) + len(b)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
