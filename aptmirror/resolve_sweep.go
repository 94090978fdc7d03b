package aptmirror

import (
	"cmp"
	"slices"
)

// sweep takes back new packages that the run has chosen on the way and does not
// need after all. As for apt, what a package recommends or suggests counts as
// needed if it is there.
func (s *solver) sweep() {
	s.markNeeded()
	var dropped []int32
	for _, t := range s.byName() {
		st := s.at(t)
		if !st.marked && st.mode == modeInstall && st.current < 0 {
			dropped = append(dropped, t)
			s.remove(t, 0, false)
		}
	}
	slices.Sort(dropped)
	for len(dropped) > 0 && s.brokenCount() > 0 {
		i := s.missed(dropped)
		if i < 0 {
			return
		}
		s.install(dropped[i], false, 0, false)
		dropped = slices.Delete(dropped, i, i+1)
	}
}

// byName returns the slots that the run has looked at, by name.
func (s *solver) byName() []int32 {
	list := make([]int32, len(s.states))
	for i, st := range s.states {
		list[i] = st.slot
	}
	slices.SortFunc(list, func(a, b int32) int {
		if c := cmp.Compare(s.pool.name(a), s.pool.name(b)); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
	return list
}

// missed returns the index of the first dropped slot that somebody names in a
// dependency, -1 if there is none.
func (s *solver) missed(dropped []int32) int {
	wanted := make(map[int32]bool)
	for _, st := range slices.Clone(s.states) {
		v := st.candidate
		switch {
		case st.current >= 0 && st.mode == modeKeep:
			v = st.current
		case st.mode != modeInstall || st.status <= 0:
			continue
		}
		if v < 0 {
			continue
		}
		for i := range s.relations(v) {
			if l := &s.relations(v)[i]; !l.negative() {
				wanted[l.target] = true
			}
		}
	}
	for i, t := range dropped {
		if wanted[t] {
			return i
		}
		v := s.at(t).candidate
		if v < 0 {
			continue
		}
		for r := s.pool.versions[v].provides; r >= 0; r = s.pool.provides[r].after {
			if wanted[s.pool.provides[r].slot] {
				return i
			}
		}
	}
	return -1
}

// markNeeded marks whatever can be reached from what was asked for, what was
// there before, and what is essential.
func (s *solver) markNeeded() {
	var queue []int32
	add := func(st *slotState) {
		if !st.marked && st.remains() >= 0 {
			st.marked = true
			queue = append(queue, st.slot)
		}
	}
	for _, st := range s.states {
		slot := &s.pool.slots[st.slot]
		required := st.current >= 0 && s.pool.versions[st.current].priority == 1
		if !st.auto || slot.essential || slot.important || slot.hold || st.protected || required {
			add(st)
		}
	}
	for len(queue) > 0 {
		v := s.at(queue[len(queue)-1]).remains()
		queue = queue[:len(queue)-1]
		for _, list := range [...][]link{s.relations(v), s.wishes(v)} {
			for i := range list {
				if !list[i].negative() {
					s.follow(&list[i], add)
				}
			}
		}
	}
}

// remains returns the version that a slot has after the run, -1 if none.
func (st *slotState) remains() int32 {
	switch {
	case st.mode == modeInstall:
		return st.install
	case st.mode == modeDelete:
		return -1
	}
	return st.current
}

// follow marks who matches a relation; of several binary packages of one source
// only those of its highest version.
func (s *solver) follow(l *link, add func(*slotState)) {
	var found []*slotState
	if i := s.index[l.target]; i > 0 {
		st := s.states[i-1]
		if v := st.remains(); v >= 0 && l.accepts(s.pool.text(v)) {
			found = append(found, st)
		}
	}
	for i := s.pool.slots[l.target].provides; i >= 0; i = s.pool.provides[i].next {
		r := &s.pool.provides[i]
		owner := s.pool.versions[r.owner].slot
		if j := s.index[owner]; j > 0 && s.states[j-1].remains() == r.owner && l.acceptsProvided(s.pool.str(r.version)) {
			found = append(found, s.states[j-1])
		}
	}
	for _, st := range found {
		name, version := s.pool.sourceOf(st.remains())
		if !slices.ContainsFunc(found, func(o *slotState) bool {
			n, v := s.pool.sourceOf(o.remains())
			return n == name && CompareVersions(v, version) > 0
		}) {
			add(st)
		}
	}
}
