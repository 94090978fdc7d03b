package differ

import (
	"fmt"
	"slices"
	"strings"
)

// member is a piece of a container that has a name.
type member struct {
	name   string
	fields []field
	open   func() (part, error)
}

// field is what a header says of a member.
type field struct {
	kind  Kind
	label string // "modification time"
	value string
}

// manner is how the pieces of a container are called.
type manner struct {
	one   string // "member", "section"
	order string // what helps where their order differs
	// last tells which contents follow from others, and are told after them; nil: none.
	last func(name string) bool
}

// members compares two lists of pieces: which there are, in which order, what is
// said of them, what they hold.
func (w *work) members(how manner, depth int, a, b []member) ([]Difference, error) {
	a, b = numbered(a), numbered(b)
	inA, inB := index(a), index(b)
	var out []Difference
	out = w.presence(out, how, a, inB, true)
	out = w.presence(out, how, b, inA, false)
	both, other := common(a, inB), common(b, inA)
	for i := range both {
		if both[i].name != other[i].name {
			out = append(out, Difference{Where: fmt.Sprintf("%s %d", how.one, i+1), Kind: Order, Text: "the same " + how.one + "s in another order",
				First: clip(both[i].name), Second: clip(other[i].name), Hint: how.order})
			break
		}
	}
	out = append(out, w.fields(how, both, b, inB)...)
	inside, err := w.contents(how, depth, both, b, inB)
	return append(out, inside...), err
}

// numbered makes names unique: the second of a name gets its number.
func numbered(all []member) []member {
	seen := map[string]int{}
	out := slices.Clone(all)
	for i, m := range out {
		if seen[m.name]++; seen[m.name] > 1 {
			out[i].name = fmt.Sprintf("%s (number %d of that name)", m.name, seen[m.name])
		}
	}
	return out
}

func index(all []member) map[string]int {
	at := make(map[string]int, len(all))
	for i, m := range all {
		at[m.name] = i
	}
	return at
}

// common are those that the other has, too.
func common(all []member, other map[string]int) []member {
	var out []member
	for _, m := range all {
		if _, ok := other[m.name]; ok {
			out = append(out, m)
		}
	}
	return out
}

// presence tells of pieces that only one has.
func (w *work) presence(out []Difference, how manner, all []member, other map[string]int, first bool) []Difference {
	told := -1
	for _, m := range all {
		if _, ok := other[m.name]; ok {
			continue
		}
		if told >= 0 {
			out[told].More++
			continue
		}
		d := Difference{Where: how.one + " " + clip(m.name), Kind: Presence, Text: "only in the second", Second: clip(m.name)}
		if first {
			d.Text, d.First, d.Second = "only in the first", clip(m.name), ""
		}
		d.Hint = w.hint(d.First, d.Second)
		told = len(out)
		out = append(out, d)
	}
	return out
}

// fields tells what headers say differently: each label once, with the first
// piece and how many others.
func (w *work) fields(how manner, both, b []member, inB map[string]int) []Difference {
	var out []Difference
	told := map[string]int{}
	for _, m := range both {
		theirs := b[inB[m.name]].fields
		for i, f := range m.fields {
			if i >= len(theirs) || theirs[i].value == f.value {
				continue
			}
			if at, ok := told[f.label]; ok {
				out[at].More++
				continue
			}
			told[f.label] = len(out)
			out = append(out, Difference{Where: how.one + " " + clip(m.name), Kind: f.kind, Text: f.label, First: clip(f.value), Second: clip(theirs[i].value),
				Hint: w.fieldHint(f, theirs[i])})
		}
	}
	return out
}

// contents looks into the first pieces that differ, and counts the others.
func (w *work) contents(how manner, depth int, both, b []member, inB map[string]int) ([]Difference, error) {
	if how.last != nil {
		slices.SortStableFunc(both, func(x, y member) int { return boolOrder(how.last(x.name), how.last(y.name)) })
	}
	var out []Difference
	for _, m := range both {
		other := b[inB[m.name]]
		if m.open == nil || other.open == nil {
			continue
		}
		d, err := w.content(how.one+" "+clip(m.name), depth, m, other, len(out) < w.Pieces)
		if d != nil && d.Where == "" {
			out[len(out)-1].More++
		} else if d != nil {
			out = append(out, *d)
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// content compares one piece; without explain a difference has no words.
func (w *work) content(where string, depth int, a, b member, explain bool) (*Difference, error) {
	defer w.release(len(w.spools))
	pa, ea := a.open()
	pb, eb := b.open()
	if err := both(ea, eb); err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	if explain {
		return w.file(where, depth, pa, pb)
	}
	at, err := w.firstDifference(pa, pb)
	if err != nil || at < 0 {
		return nil, err
	}
	return &Difference{}, nil
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// maxShown bounds a value that is shown, in bytes.
const maxShown = 200

// clip makes what a file holds fit to be shown: one line, not too long.
func clip(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= maxShown {
		return s
	}
	cut := maxShown
	for cut > 0 && s[cut]&0xc0 == 0x80 {
		cut--
	}
	return s[:cut] + "…"
}
