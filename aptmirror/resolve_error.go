package aptmirror

import (
	"fmt"
	"slices"
	"strings"
)

// Unresolvable is the error of a plan that has no answer: a tree of reasons.
type Unresolvable struct {
	Reasons []Reason
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

// unknown is the reason for a name that no archive has.
func (s *solver) unknown(name string) Reason {
	r := Reason{Text: fmt.Sprintf("no package %q in %s", name, s.pool.archiveNames())}
	if near := s.pool.near(name); len(near) > 0 {
		r.Because = append(r.Because, Reason{Text: "near it: " + strings.Join(near, ", ")})
	}
	return r
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
	r := s.unknown(p.label(t))
	for o := p.groups[p.slots[t].group].first; o >= 0; o = p.slots[o].next {
		if p.slots[o].versions >= 0 {
			r.Because = []Reason{{Text: s.versionsSeen(o)}}
			return r
		}
	}
	r.Because = append(r.Because, Reason{Text: "other packages refer to it; it may be of another suite, component or architecture"})
	return r
}

func (s *solver) noVersion(t int32, bound string, byRelease bool) Reason {
	what := "version"
	if byRelease {
		what = "suite"
	}
	return Reason{Text: fmt.Sprintf("%s has nothing of %s %q", s.pool.label(t), what, bound), Because: []Reason{{Text: s.versionsSeen(t)}}}
}

func (s *solver) versionsSeen(t int32) string {
	p := s.pool
	var seen []string
	for v := p.slots[t].versions; v >= 0 && len(seen) < 6; v = p.versions[v].next {
		where := "installed"
		if a := p.archiveOf(v); a >= 0 {
			where = p.archives[a].name()
		}
		seen = append(seen, p.text(v)+" ("+where+")")
	}
	if len(seen) == 0 {
		return "no version of " + p.label(t) + " is in " + p.archiveNames()
	}
	text := "versions of " + p.label(t) + " seen: " + strings.Join(seen, ", ")
	if v := s.at(t).best(); len(seen) > 1 && v >= 0 {
		text += "; apt takes " + p.text(v)
	}
	return text
}

func (a ArchiveInfo) name() string {
	if a.Suite != "" {
		return a.Suite
	}
	return a.Codename
}

func (p *Pool) archiveNames() string {
	var names []string
	for _, a := range p.archives {
		if n := a.name(); n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return "the archives"
	}
	return strings.Join(names, ", ")
}
