package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// why looks for the cause of another camp's outputs. Builders of the two camps
// that took the same inputs are compared where there are any.
func (c *comparison) why(ours, theirs []*Statement) *Why {
	a, b := sameInputs(ours, theirs)
	if len(a) == 0 {
		return otherInputs(ours, theirs)
	}
	if w := c.otherPackages(a, b); w != nil {
		return w
	}
	if w := otherEnvironment(a, b); w != nil {
		return w
	}
	text := "from the same inputs and packages came other outputs: the build itself is not deterministic; satchel run --twice shows what differs in the outputs"
	if !packagesKnown(a) || !packagesKnown(b) {
		text = "the inputs are the same and the packages are not listed: build it again and compare with all packages, or run --twice"
	} else if !samePackages(a, b) {
		text = "packages differ, but none that all of these builders have and none of the others: the build itself is the likelier cause; satchel run --twice shows what differs in the outputs"
	}
	return &Why{Cause: TheBuild, Text: text}
}

// sameInputs returns those of two camps whose inputs somebody of the other camp
// took, too.
func sameInputs(ours, theirs []*Statement) (a, b []*Statement) {
	keys := func(all []*Statement) map[string]bool {
		m := map[string]bool{}
		for _, s := range all {
			if s.inputsKnown() {
				m[inputKey(s.Result.In)] = true
			}
		}
		return m
	}
	pick := func(all []*Statement, want map[string]bool) []*Statement {
		var out []*Statement
		for _, s := range all {
			if s.inputsKnown() && want[inputKey(s.Result.In)] {
				out = append(out, s)
			}
		}
		return out
	}
	return pick(ours, keys(theirs)), pick(theirs, keys(ours))
}

func otherInputs(ours, theirs []*Statement) *Why {
	known := func(all []*Statement) *Statement {
		i := slices.IndexFunc(all, (*Statement).inputsKnown)
		if i < 0 {
			return nil
		}
		return all[i]
	}
	a, b := known(ours), known(theirs)
	if a == nil || b == nil {
		return &Why{Cause: UnknownCause, Text: "a list of sums does not say what was built from what: compare results or asserts"}
	}
	w := &Why{Cause: OtherInputs, Inputs: inputDifferences(a.Result.In, b.Result.In)}
	var kinds []string
	for _, d := range w.Inputs {
		if !slices.Contains(kinds, d.Kind) {
			kinds = append(kinds, d.Kind)
		}
	}
	w.Text = fmt.Sprintf("not comparable: built from another %s", strings.Join(kinds, ", another "))
	return w
}

// otherEnvironment compares the digests of environments that provenance tells.
func otherEnvironment(ours, theirs []*Statement) *Why {
	sums := func(all []*Statement) map[string]map[string]bool {
		m := map[string]map[string]bool{}
		for _, s := range all {
			for target, d := range s.Environments {
				if m[target] == nil {
					m[target] = map[string]bool{}
				}
				m[target][d.Hex()] = true
			}
		}
		return m
	}
	a, b := sums(ours), sums(theirs)
	var targets []string
	for _, target := range slices.Sorted(maps.Keys(b)) {
		common := false
		for d := range b[target] {
			common = common || a[target][d]
		}
		if len(a[target]) > 0 && !common {
			targets = append(targets, target)
		}
	}
	if targets == nil {
		return nil
	}
	return &Why{Cause: OtherEnvironment, Environments: targets,
		Text: "the packages are the same and the environments are not: compare the lists in logs/*-environment.txt of the two results"}
}
