package aptmirror

import (
	"fmt"
	"slices"
)

// explainBroken says why a run has failed, beginning with what was asked for:
// only what truly stands in the way, not everything that was given up for it.
func (s *solver) explainBroken(asked []int32) error {
	e := explainer{solver: s, state: make(map[int32]verdict)}
	names := s.byName()
	for _, t := range names {
		slot, st := &s.pool.slots[t], s.at(t)
		kept := st.install >= 0 && (slot.essential || slot.important || slot.hold)
		if st.best() >= 0 && (kept || slices.Contains(asked, t)) {
			e.wanted = append(e.wanted, st)
			e.excludes = append(e.excludes, negatives(s.relations(st.best())))
		}
	}
	var reasons []Reason
	for _, list := range [...][]int32{asked, names} {
		for _, t := range list {
			if !slices.Contains(asked, t) && !s.broken(t) {
				continue
			}
			if because := e.blocked(t, 0); len(because) > 0 {
				head := Reason{Text: s.pool.label(t) + " cannot be installed", Because: because}
				if len(because) == 1 {
					head = because[0]
				}
				reasons = append(reasons, head)
			}
		}
		if len(reasons) > 0 {
			break
		}
	}
	if len(reasons) == 0 {
		reasons = s.brokenLinks()
	}
	return s.unresolvable(reasons)
}

// brokenLinks lists what does not hold, where no single cause is to be found.
func (s *solver) brokenLinks() []Reason {
	reasons := []Reason{{Text: "each package by itself can be installed, but apt finds no way to have all of them"}}
	for _, t := range s.byName() {
		v := s.at(t).install
		if v < 0 {
			continue
		}
		for group := range groups(s.relations(v)) {
			if !s.anyOK(group, viewInstall) {
				reasons = append(reasons, Reason{Text: fmt.Sprintf("%s %s %s %s", s.pool.label(t), s.pool.text(v),
					group[0].kind, groupText(s.pool, group))})
			}
		}
	}
	return reasons
}

// explainer looks for the causes of a failure.
type explainer struct {
	*solver
	state map[int32]verdict
	told  int // reasons that have been put into words
	// wanted stays whatever happens: what was asked for, and what of the base a
	// run does not remove.
	wanted   []*slotState
	excludes [][]link // what each of wanted excludes
}

// negatives lists what Conflicts and Breaks there are.
func negatives(all []link) []link {
	var list []link
	for i := range all {
		if all[i].negative() {
			list = append(list, all[i])
		}
	}
	return list
}

// verdict is what is known of a slot.
type verdict uint8

const (
	verdictOpen verdict = iota // being looked at, or nothing speaks against it
	verdictBlocked
)

const maxExplainDepth = 200

// blocked tells why a slot cannot be installed; nil if nothing speaks against
// it. What is being looked at already counts as installable. The reasons of a
// slot are told once; after that there is one that refers to them.
func (e *explainer) blocked(t int32, depth int) []Reason {
	if v, ok := e.state[t]; ok || depth > maxExplainDepth {
		if v == verdictBlocked {
			return []Reason{{Text: e.pool.label(t) + " cannot be installed, see above", again: true}}
		}
		return nil
	}
	e.state[t] = verdictOpen
	reasons := firstHand(e.look(t, depth))
	if len(reasons) > 0 {
		e.state[t] = verdictBlocked
	}
	return reasons
}

// firstHand drops what only refers to reasons told before, if there is anything
// else, and what is told twice.
func firstHand(reasons []Reason) []Reason {
	onlyAgain := func(r Reason) bool { return r.again }
	if !slices.ContainsFunc(reasons, func(r Reason) bool { return !r.again }) {
		return reasons[:min(len(reasons), 1)]
	}
	return slices.DeleteFunc(reasons, onlyAgain)
}

func (e *explainer) look(t int32, depth int) []Reason {
	v := e.at(t).best()
	if v < 0 {
		return []Reason{e.tell(func() Reason { return e.noCandidate(t) })}
	}
	var reasons []Reason
	for group := range groups(e.relations(v)) {
		var because []Reason
		if group[0].negative() {
			because = e.enemies(&group[0])
		} else {
			because = e.missing(group, depth)
		}
		if len(because) > 0 {
			because = firstHand(because)
			reasons = append(reasons, Reason{Text: fmt.Sprintf("%s %s %s %s", e.pool.label(t), e.pool.text(v),
				group[0].kind, groupText(e.pool, group)), Because: because, again: because[0].again})
		}
	}
	return append(reasons, e.excludedBy(t, v)...)
}

// tell puts a reason into words, unless there are more already than anybody is
// shown: near names cost a look at all names.
func (e *explainer) tell(say func() Reason) Reason {
	if e.told++; e.told > maxReasonLines {
		return Reason{Text: "…"}
	}
	return say()
}

// best returns the version that the slot has or could have got.
func (st *slotState) best() int32 {
	if st.candidate >= 0 {
		return st.candidate
	}
	for _, m := range slices.Backward(st.past) {
		if m.candidate >= 0 {
			return m.candidate
		}
	}
	return st.install
}

// missing says of each alternative why it cannot be there; nil if one can.
func (e *explainer) missing(group []link, depth int) []Reason {
	p := e.pool
	var reasons []Reason
	for i := range group {
		l := &group[i]
		could := false
		try := func(t int32) bool {
			could = true
			because := e.blocked(t, depth+1)
			reasons = append(reasons, because...)
			return len(because) > 0
		}
		if v := e.at(l.target).best(); v >= 0 && l.accepts(p.text(v)) && !try(l.target) {
			return nil
		}
		for j := p.slots[l.target].provides; j >= 0; j = p.provides[j].next {
			r := &p.provides[j]
			owner := p.versions[r.owner].slot
			if l.acceptsProvided(p.str(r.version)) && e.at(owner).best() == r.owner && !try(owner) {
				return nil
			}
		}
		if !could {
			reasons = append(reasons, e.tell(func() Reason { return e.cannotDo(l) }))
		}
	}
	return reasons
}

// enemies lists what is wanted and what a negative relation excludes.
func (e *explainer) enemies(l *link) []Reason {
	p := e.pool
	var reasons []Reason
	for _, st := range e.wanted {
		t, v := st.slot, st.best()
		if t == l.target && !e.ignorable(l, t) && l.accepts(p.text(v)) {
			reasons = append(reasons, Reason{Text: fmt.Sprintf("%s %s is wanted too", p.label(t), p.text(v))})
			continue
		}
		for i := p.versions[v].provides; i >= 0; i = p.provides[i].after {
			r := &p.provides[i]
			if r.slot == l.target && !e.ignorableProvider(l, t) && l.acceptsProvided(p.str(r.version)) {
				reasons = append(reasons, Reason{Text: fmt.Sprintf("%s %s, which provides it, is wanted too", p.label(t), p.text(v))})
				break
			}
		}
	}
	return reasons
}

// excludedBy lists what is wanted and excludes version v of slot t.
func (e *explainer) excludedBy(t, v int32) []Reason {
	p := e.pool
	var reasons []Reason
	for n, st := range e.wanted {
		if st.slot == t {
			continue
		}
		list := e.excludes[n]
		for i := range list {
			if l := &list[i]; e.hits(l, t, v) {
				reasons = append(reasons, Reason{Text: fmt.Sprintf("%s %s is wanted too, and %s %s", p.label(st.slot), p.text(st.best()),
					l.kind, groupText(p, list[i:i+1]))})
				break
			}
		}
	}
	return reasons
}

// hits tells whether a negative relation is about a version.
func (e *explainer) hits(l *link, t, v int32) bool {
	if l.target == t {
		return !e.ignorable(l, t) && l.accepts(e.pool.text(v))
	}
	for i := e.pool.versions[v].provides; i >= 0; i = e.pool.provides[i].after {
		r := &e.pool.provides[i]
		if r.slot == l.target && !e.ignorableProvider(l, t) && l.acceptsProvided(e.pool.str(r.version)) {
			return true
		}
	}
	return false
}
