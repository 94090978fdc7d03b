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
	return "versions of " + p.label(t) + " seen: " + strings.Join(seen, ", ")
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

// explainBroken says what is broken after all, beginning with what was asked for.
func (s *solver) explainBroken(asked []int32) error {
	e := explainer{solver: s, done: make(map[int32]bool)}
	u := &Unresolvable{}
	for _, list := range [...][]int32{asked, s.byName()} {
		for _, t := range list {
			if e.done[t] {
				continue
			}
			if s.at(t).install < 0 && slices.Contains(asked, t) || s.broken(t) {
				u.Reasons = append(u.Reasons, e.explain(t, 0)...)
			}
		}
	}
	if len(u.Reasons) == 0 {
		u.Reasons = []Reason{{Text: "apt's way of resolving leads nowhere"}}
	}
	return u
}

type explainer struct {
	*solver
	done map[int32]bool
}

const maxExplainDepth = 6

// explain tells why a slot cannot be installed: what of its relations fails.
func (e *explainer) explain(t int32, depth int) []Reason {
	if e.done[t] || depth > maxExplainDepth {
		return nil
	}
	e.done[t] = true
	p, st := e.pool, e.at(t)
	v := st.install
	if v < 0 {
		v, _ = st.candidateEver()
	}
	if v < 0 {
		return []Reason{e.noCandidate(t)}
	}
	var reasons []Reason
	for group := range groups(e.relations(v)) {
		if e.anyOK(group, viewInstall) {
			continue
		}
		r := Reason{Text: fmt.Sprintf("%s %s %s %s", p.label(t), p.text(v), group[0].kind, groupText(p, group))}
		if group[0].negative() {
			r.Because = e.enemies(&group[0])
		} else {
			r.Because = e.missing(group, depth)
		}
		reasons = append(reasons, r)
	}
	return reasons
}

// candidateEver returns the last version that the slot could have got.
func (st *slotState) candidateEver() (int32, bool) {
	if st.candidate >= 0 {
		return st.candidate, true
	}
	for _, m := range slices.Backward(st.past) {
		if m.candidate >= 0 {
			return m.candidate, true
		}
	}
	return -1, false
}

// missing says of each alternative why it is not there.
func (e *explainer) missing(group []link, depth int) []Reason {
	p := e.pool
	var reasons []Reason
	for i := range group {
		l := &group[i]
		var could []int32
		if v, ok := e.at(l.target).candidateEver(); ok && l.accepts(p.text(v)) {
			could = append(could, l.target)
		}
		for j := p.slots[l.target].provides; j >= 0; j = p.provides[j].next {
			if r := &p.provides[j]; l.acceptsProvided(r.version) {
				could = append(could, p.versions[r.owner].slot)
			}
		}
		if len(could) == 0 {
			reasons = append(reasons, Reason{Text: e.versionsSeen(l.target)})
		}
		for _, t := range could[:min(len(could), 3)] {
			reasons = append(reasons, e.explain(t, depth+1)...)
		}
	}
	return reasons
}

// enemies lists who is there that a negative relation excludes.
func (e *explainer) enemies(l *link) []Reason {
	var reasons []Reason
	p := e.pool
	for _, st := range slices.Clone(e.states) {
		if st.install < 0 || e.ignorable(l, st.slot) && st.slot == l.target {
			continue
		}
		if st.slot == l.target && l.accepts(p.text(st.install)) {
			reasons = append(reasons, Reason{Text: fmt.Sprintf("%s %s is wanted too", p.label(st.slot), p.text(st.install))})
			continue
		}
		for i := p.versions[st.install].provides; i >= 0; i = p.provides[i].after {
			r := &p.provides[i]
			if r.slot == l.target && !e.ignorableProvider(l, st.slot) && l.acceptsProvided(r.version) {
				reasons = append(reasons, Reason{Text: fmt.Sprintf("%s %s, which provides it, is wanted too", p.label(st.slot), p.text(st.install))})
				break
			}
		}
	}
	return reasons
}
