package aptmirror

import (
	"fmt"
	"slices"
	"strings"
)

// Unresolvable is the error of a plan that has no answer: a tree of reasons.
type Unresolvable struct {
	Reasons []Reason
	// Lacking is what would be needed and no archive has, by name, or not in a
	// version that would do, as far as the reasons speak of it: names and bounds,
	// sorted. Another archive may have it.
	Lacking []Dependency
}

// Reason is one sentence, and what it rests on.
type Reason struct {
	Text    string
	Because []Reason
	again   bool // it only refers to a reason told before
}

const maxReasonLines = 20

// Error gives the tree, one reason a line, indented, of at most 20 lines.
func (u *Unresolvable) Error() string {
	lines := []string{"resolving packages: there is no answer"}
	for _, r := range u.Reasons {
		lines = r.append(lines, 1)
	}
	if n := len(lines); n > maxReasonLines {
		lines = append(lines[:maxReasonLines-1], fmt.Sprintf("  … and %d more reasons", n-maxReasonLines+1))
	}
	return strings.Join(lines, "\n")
}

func (r Reason) append(lines []string, depth int) []string {
	lines = append(lines, strings.Repeat("  ", depth)+r.Text)
	for _, b := range r.Because {
		lines = b.append(lines, depth+1)
	}
	return lines
}

// unresolvable is the error of a run.
func (s *solver) unresolvable(reasons []Reason) error {
	slices.SortFunc(s.lacking, func(a, b Dependency) int { return strings.Compare(a.String(), b.String()) })
	return &Unresolvable{Reasons: reasons, Lacking: slices.Compact(s.lacking)}
}

// noCandidate is the reason for a name that cannot be chosen: a virtual package
// of several providers, or one that is only talked of.
func (s *solver) noCandidate(t int32) Reason {
	p := s.pool
	var providers []string
	for i := p.slots[t].provides; i >= 0; i = p.provides[i].next {
		r := &p.provides[i]
		owner := p.versions[r.owner].slot
		if s.at(owner).candidate == r.owner {
			providers = append(providers, p.label(owner)+" "+p.text(r.owner))
		}
	}
	slices.Sort(providers)
	providers = slices.Compact(providers)
	if len(providers) > 0 {
		r := Reason{Text: p.label(t) + " is a virtual package; ask for one that provides it"}
		for _, name := range providers[:min(len(providers), 10)] {
			r.Because = append(r.Because, Reason{Text: name})
		}
		return r
	}
	if p.slots[t].versions >= 0 {
		return Reason{Text: p.label(t) + " has no version that may be installed", Because: []Reason{{Text: s.versionsSeen(t)}}}
	}
	return s.absent(p.label(t), Dependency{})
}

func (s *solver) noVersion(t int32, bound string, byRelease bool) Reason {
	what := "version"
	if byRelease {
		what = "suite"
	} else {
		s.lack(s.pool.label(t), Dependency{Op: "=", Version: bound})
	}
	return Reason{Text: fmt.Sprintf("%s has nothing of %s %q", s.pool.label(t), what, bound), Because: []Reason{{Text: s.versionsSeen(t)}}}
}
