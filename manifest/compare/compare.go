package compare

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"satchel/manifest"
)

// Compare compares statements about one build. It changes none of them.
// Statements that could not be read, or whose signature is bad, are listed and
// not compared. order is the order of package versions, dpkg's; it returns less
// than zero if a is the older.
func Compare(release, name string, all []Statement, order func(a, b string) int) *Report {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Statement) int {
		return cmp.Or(strings.Compare(a.Signer, b.Signer), strings.Compare(a.File, b.File))
	})
	c := comparison{order: order, report: &Report{Release: release, Name: name, Camps: []Camp{}, Outputs: []Output{}, Inputs: []Inputs{}}}
	c.collect(all)
	c.gather()
	c.inputs()
	c.outputs()
	for i := range c.camps {
		if i > 0 {
			c.report.Camps[i].Why = c.why(c.camps[0], c.camps[i])
		}
	}
	c.builders(all)
	c.answer()
	return c.report
}

// comparison is one comparison under way.
type comparison struct {
	order     func(a, b string) int
	report    *Report
	compared  []*Statement
	optionals map[string]bool // outputs that may be missing
	camps     [][]*Statement
	inputSets [][]*Statement
}

// collect chooses what is compared.
func (c *comparison) collect(all []Statement) {
	c.optionals = map[string]bool{}
	for i := range all {
		if s := &all[i]; s.Result != nil && s.Signature.Status != Bad {
			c.compared = append(c.compared, s)
			for _, o := range s.Result.Optionals {
				c.optionals[o] = true
			}
		}
	}
	// An optional output may be missing, but who has it must have the same.
	sums := map[string]string{}
	for _, s := range c.compared {
		for _, o := range s.Result.Out {
			if old, ok := sums[o.Path]; ok && old != o.SHA256.Hex() {
				delete(c.optionals, o.Path)
			}
			sums[o.Path] = o.SHA256.Hex()
		}
	}
}

// gather groups what is compared into camps of equal outputs.
func (c *comparison) gather() {
	c.camps = groups(c.compared, func(s *Statement) string {
		return sumsKey(s.Result.Out, func(path string) bool { return c.optionals[path] })
	})
	slices.SortStableFunc(c.camps, func(a, b []*Statement) int {
		return cmp.Or(cmp.Compare(vouching(b), vouching(a)), cmp.Compare(len(b), len(a)), strings.Compare(a[0].Signer, b[0].Signer))
	})
	for i, camp := range c.camps {
		c.report.Camps = append(c.report.Camps, Camp{Letter: letter(i), Signers: signers(camp), Vouching: vouching(camp), Differs: []string{}})
	}
	if len(c.camps) > 0 {
		c.report.Vouching = c.report.Camps[0].Vouching
	}
}

// inputs groups what is compared by what was taken; those of the first camp
// come first.
func (c *comparison) inputs() {
	c.inputSets = groups(slices.Concat(c.camps...), func(s *Statement) string { return inputKey(s.Result.In) })
	slices.SortStableFunc(c.inputSets, func(a, b []*Statement) int { return cmp.Compare(len(b), len(a)) })
	for i, set := range c.inputSets {
		in := Inputs{Signers: signers(set), Known: set[0].inputsKnown(), Differs: []InputDifference{}}
		slices.Sort(in.Signers)
		if i > 0 && in.Known && c.inputSets[0][0].inputsKnown() {
			in.Differs = inputDifferences(c.inputSets[0][0].Result.In, set[0].Result.In)
		}
		c.report.Inputs = append(c.report.Inputs, in)
	}
}

// outputs fills in the union of all outputs and which of them differ.
func (c *comparison) outputs() {
	table := map[string][]string{}
	for i, camp := range c.camps {
		for _, s := range camp { // several, because optional outputs may be missing in one
			for _, o := range s.Result.Out {
				row := table[o.Path]
				if row == nil {
					row = make([]string, len(c.camps))
					table[o.Path] = row
				}
				row[i] = o.SHA256.Hex()
			}
		}
	}
	for path, row := range table {
		c.report.Outputs = append(c.report.Outputs, Output{Path: path, Sums: row})
	}
	slices.SortFunc(c.report.Outputs, func(a, b Output) int { return strings.Compare(a.Path, b.Path) })
	for _, o := range c.report.Outputs {
		for i := range c.camps {
			if o.Sums[i] != o.Sums[0] && !c.optionals[o.Path] {
				c.report.Camps[i].Differs = append(c.report.Camps[i].Differs, o.Path)
			}
		}
	}
}

// builders lists every statement and where it stands.
func (c *comparison) builders(all []Statement) {
	camp, inputs := map[string]string{}, map[string]int{}
	for i := range c.camps {
		for _, s := range c.camps[i] {
			camp[s.File] = letter(i)
		}
	}
	for i, set := range c.inputSets {
		for _, s := range set {
			inputs[s.File] = i + 1
		}
	}
	c.report.Builders = []Builder{}
	lower := map[string]string{}
	for _, s := range all {
		b := Builder{Signer: s.Signer, File: s.File, Camp: camp[s.File], Inputs: inputs[s.File], Problem: s.Problem, Signature: s.Signature}
		if s.Result != nil {
			for _, base := range s.Result.Base {
				b.Packages += len(base.Sums)
			}
		}
		if other, ok := lower[strings.ToLower(s.Signer)]; ok && other != s.Signer && b.Problem == "" {
			b.Problem = fmt.Sprintf("its name differs from %q by upper and lower case alone", other)
		}
		lower[strings.ToLower(s.Signer)] = s.Signer
		c.report.Builders = append(c.report.Builders, b)
	}
}

// groups puts statements with one key together, in the order of first sight.
func groups(all []*Statement, key func(*Statement) string) [][]*Statement {
	at := map[string]int{}
	var out [][]*Statement
	for _, s := range all {
		k := key(s)
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], s)
	}
	return out
}

// sumsKey is equal for equal sets of sums, but for those that leave names.
func sumsKey(sums []manifest.FileSum, leave func(path string) bool) string {
	var lines []string
	for _, s := range sums {
		if !leave(s.Path) {
			lines = append(lines, s.SHA256.Hex()+"  "+s.Path)
		}
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n")
}

// vouching counts the good signatures of a camp: a person counts once.
func vouching(camp []*Statement) int {
	people := map[string]bool{}
	for _, s := range camp {
		if s.Signature.Status.Counts() {
			people[s.Signature.person()] = true
		}
	}
	return len(people)
}

func signers(all []*Statement) []string {
	var names []string
	for _, s := range all {
		names = append(names, s.Signer)
	}
	return names
}

// letter is A to Z, then AA, AB, …
func letter(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return letter(i/26-1) + letter(i%26)
}
