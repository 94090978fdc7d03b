package aptmirror

import "slices"

// makeScores weighs all slots for the fix-up, by apt's table: what a package
// is, what relies on it, and whether it was asked for.
func (s *solver) makeScores(order []int32) []int {
	scores := make([]int, len(s.pool.slots))
	for _, st := range s.states {
		if st.install >= 0 {
			scores[st.slot] += s.ownScore(st)
			s.scoreRelations(scores, st.install)
		}
	}
	old := slices.Clone(scores)
	for _, st := range s.states {
		if st.install >= 0 && old[st.slot] > 0 {
			s.inheritScore(scores, st.install, old[st.slot])
		}
	}
	for _, t := range order {
		if transfer := abs(scores[t] - old[t]); transfer != 0 {
			for _, o := range s.providing(t, func(r *provide) bool { return r.flags&provideImplicit == 0 }) {
				scores[o] += transfer
			}
		}
	}
	for t := range s.pool.slots {
		if i := s.index[t]; i > 0 && s.states[i-1].fix&fixProtected != 0 {
			scores[t] += 10000
		}
		if s.pool.slots[t].essential || s.pool.slots[t].important {
			scores[t] += 5000
		}
	}
	return scores
}

func abs(n int) int { return max(n, -n) }

// ownScore counts what a package is by itself.
func (s *solver) ownScore(st *slotState) int {
	n := 0
	if slot := &s.pool.slots[st.slot]; slot.essential || slot.important {
		n += 100
	}
	byPriority := [...]int{0, 3, 2, 1, -1, -2}
	if s.pool.downloadable(st.install) {
		n += byPriority[s.pool.versions[st.install].priority]
	} else {
		n += byPriority[5]
	}
	if st.current >= 0 && st.candidate >= 0 && s.pool.downloadable(st.candidate) {
		n++
	}
	return n
}

// scoreRelations gives a point to what a version relies on, and takes one from
// what it excludes.
func (s *solver) scoreRelations(scores []int, v int32) {
	for _, list := range [...][]link{s.relations(v), s.wishes(v)} {
		for i := range list {
			l := &list[i]
			point := 1
			if l.kind == linkSuggests {
				continue
			} else if l.negative() {
				point = -1
			}
			if !s.ignorable(l, l.target) {
				if l.op != opNone {
					if w := s.at(l.target).install; w < 0 || !l.accepts(s.pool.text(w)) {
						continue
					}
				}
				scores[l.target] += point
			}
			for _, o := range s.providing(l.target, func(r *provide) bool {
				return !s.ignorableProvider(l, s.pool.versions[r.owner].slot) && l.acceptsProvided(s.pool.str(r.version))
			}) {
				scores[o] += point
			}
		}
	}
}

// inheritScore adds the score of a package to what it relies on directly.
func (s *solver) inheritScore(scores []int, v int32, score int) {
	for _, list := range [...][]link{s.relations(v), s.wishes(v)} {
		for i := range list {
			l := &list[i]
			if !l.negative() && l.kind != linkSuggests && s.at(l.target).install >= 0 {
				scores[l.target] += score
			}
		}
	}
}

// providing lists the slots, each once, whose version that will be installed
// provides t.
func (s *solver) providing(t int32, accept func(*provide) bool) []int32 {
	var list []int32
	for i := s.pool.slots[t].provides; i >= 0; i = s.pool.provides[i].next {
		r := &s.pool.provides[i]
		owner := s.pool.versions[r.owner].slot
		if s.index[owner] > 0 && s.at(owner).install == r.owner && accept(r) {
			list = append(list, owner)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
