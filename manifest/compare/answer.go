package compare

import (
	"fmt"
	"slices"
	"strings"
)

// answer comes to the one word, and a sentence.
func (c *comparison) answer() {
	r := c.report
	switch {
	case len(c.compared) < 2:
		r.Answer = Alone
	case len(c.camps) == 1:
		r.Answer = Agree
	case slices.ContainsFunc(r.Camps[1:], func(k Camp) bool { return k.Why.Cause != OtherInputs && k.Why.Cause != UnknownCause }):
		r.Answer = Differ
	case slices.ContainsFunc(r.Camps[1:], func(k Camp) bool { return k.Why.Cause == UnknownCause }):
		r.Answer = Differ // sums that are not the same, and nothing that excuses it
	default:
		r.Answer = Incomparable
	}
	r.Text = c.text()
}

func (c *comparison) text() string {
	r := c.report
	var s string
	switch r.Answer {
	case Alone:
		s = "there is nothing to compare"
		if len(c.compared) == 1 {
			s = fmt.Sprintf("%s alone has built it: there is nothing to compare with", c.compared[0].Signer)
		}
	case Agree:
		s = fmt.Sprintf("all %d agree", len(c.compared))
	case Differ:
		s = fmt.Sprintf("%d of %d agree; %s", len(c.camps[0]), len(c.compared), c.others("other outputs"))
		if len(c.camps[0]) == 1 {
			s = fmt.Sprintf("no two of %d agree", len(c.compared))
		}
	case Incomparable:
		s = fmt.Sprintf("%d of %d agree; %s", len(c.camps[0]), len(c.compared), c.others("built something else"))
		if len(c.camps[0]) == 1 {
			s = "not comparable: each was built from other sources or another descriptor"
		}
	}
	if n := len(c.inputSets); n > 1 && r.Answer == Agree && r.Inputs[0].Known && r.Inputs[1].Known {
		s += fmt.Sprintf(", though %s took other inputs", names(r.Inputs[1:]))
	}
	if left := len(r.Builders) - len(c.compared); left > 0 {
		s += fmt.Sprintf("; %d not compared", left)
	}
	return s
}

// others names who is in the other camps.
func (c *comparison) others(has string) string {
	var all []string
	for _, k := range c.report.Camps[1:] {
		all = append(all, short(k.Signers))
	}
	verb := "has"
	if has == "built something else" {
		return strings.Join(all, "; ") + " " + has
	}
	if len(all) > 1 || len(c.report.Camps[1].Signers) > 1 {
		verb = "have"
	}
	return strings.Join(all, "; ") + " " + verb + " " + has
}

func names(sets []Inputs) string {
	var all []string
	for _, set := range sets {
		all = append(all, set.Signers...)
	}
	return short(all)
}

// short lists a few names and counts the rest.
func short(all []string) string {
	const most = 5
	if len(all) <= most {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), len(all)-most)
}
