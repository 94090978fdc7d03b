package aptmirror

// solver is one run of apt-get over a pool: what apt calls a dependency cache.
//
// apt keeps, for every relation of every version, whether it holds now, after
// the run, and by the candidates; after each change of a package it recomputes
// the relations on that package and on what it provides, and only those. Some
// of its decisions rest on what has not been recomputed. This solver keeps no
// such table, for most of the archive is never looked at. Instead each slot
// remembers its past: a relation is computed when it is asked for, from the
// past as it was when apt would last have recomputed it (slotState.refreshed).
type solver struct {
	pool   *Pool
	policy policy
	index  []int32 // by slot: number of its state + 1, 0 if untouched
	states []*slotState
	slab   []slotState
	clock  int32
	edits  int                    // of states, which is all that a relation's holding rests on
	long   map[longGroup]longSeen // what is known of long groups of alternatives
	links  map[int32][]link       // by version: critical relations
	soft   map[int32][]link       // by version: Recommends and Suggests

	installed []int32            // slots with a current version, ascending
	bySource  map[string][]int32 // the same, by source package; built when asked for
	auto      map[int32]bool     // slots that earlier runs chose by themselves
	lacking   []Dependency       // what reasons said that no archive has
}

type mode uint8

const (
	modeKeep mode = iota
	modeInstall
	modeDelete
)

// slotState is what a run thinks of one slot.
type slotState struct {
	slot      int32
	current   int32 // installed before the run, -1
	install   int32 // installed after it, -1
	candidate int32 // -1
	refreshed int32 // clock when the relations on this slot were last recomputed
	past      []moment
	mode      mode
	status    int8 // 2: not installed; 1, 0, -1: candidate newer, same, older
	protected bool // asked for
	auto      bool
	marked    bool // the run still needs it
	fix       fixFlags
}

// moment is what others see of a slot from a time on.
type moment struct {
	clock              int32
	install, candidate int32
}

// newSolver starts a run on top of what is installed.
func newSolver(p *Pool, y policy, current map[int32]int32, installed []int32, auto map[int32]bool) *solver {
	s := &solver{pool: p, policy: y, index: make([]int32, len(p.slots)),
		states: make([]*slotState, 0, 1024), long: make(map[longGroup]longSeen), links: make(map[int32][]link), soft: make(map[int32][]link), auto: auto}
	s.installed = installed
	for _, t := range installed {
		s.touch(t, current[t])
	}
	return s
}

// at returns the state of a slot.
func (s *solver) at(t int32) *slotState {
	if i := s.index[t]; i > 0 {
		return s.states[i-1]
	}
	return s.touch(t, -1)
}

func (s *solver) touch(t, current int32) *slotState {
	if len(s.slab) == cap(s.slab) {
		s.slab = make([]slotState, 0, 256)
	}
	s.slab = append(s.slab, slotState{slot: t, current: current, install: current, auto: s.auto[t]})
	st := &s.slab[len(s.slab)-1]
	st.candidate = s.policy.candidate(t, current)
	st.status = s.compare(st.candidate, current)
	s.states = append(s.states, st)
	s.index[t] = int32(len(s.states))
	return st
}

// compare places a candidate in relation to the current version.
func (s *solver) compare(candidate, current int32) int8 {
	switch {
	case candidate < 0 || current < 0:
		return 2
	case candidate == current:
		return 0
	}
	for v := candidate; v >= 0; v = s.pool.versions[v].next {
		if v == current {
			return 1
		}
	}
	return -1
}

// set changes what a slot will have, and what it could have. Others see it from
// the next refresh of their relations on.
func (s *solver) set(t, install, candidate int32) {
	s.edits++
	st := s.at(t)
	if len(st.past) == 0 {
		st.past = append(st.past, moment{-1, st.install, st.candidate})
	}
	st.install, st.candidate = install, candidate
	m := moment{s.clock + 1, install, candidate}
	if last := &st.past[len(st.past)-1]; last.clock == m.clock {
		*last = m
	} else {
		st.past = append(st.past, m)
	}
}

// refresh recomputes the relations on a slot and on what it provides.
func (s *solver) refresh(t int32) {
	s.clock++
	s.edits++
	st := s.at(t)
	st.refreshed = s.clock
	current, candidate := st.current, st.candidate
	if current >= 0 {
		s.refreshProvided(current)
	}
	if candidate >= 0 && candidate != current {
		s.refreshProvided(candidate)
	}
}

func (s *solver) refreshProvided(v int32) {
	for i := s.pool.versions[v].provides; i >= 0; i = s.pool.provides[i].after {
		s.at(s.pool.provides[i].slot).refreshed = s.clock
	}
}

// seen returns what a relation that was recomputed at a time knows of a slot.
func (s *solver) seen(t, clock int32) (install, candidate int32) {
	st := s.at(t)
	if len(st.past) == 0 {
		return st.install, st.candidate
	}
	i := len(st.past) - 1
	for i > 0 && st.past[i].clock > clock {
		i--
	}
	return st.past[i].install, st.past[i].candidate
}

// view is one of the three worlds in which a relation can hold.
type view uint8

const (
	viewNow view = iota
	viewInstall
	viewCandidate
)

// holds tells whether somebody matches the relation in a view. For Conflicts
// and Breaks that means that the relation is violated.
func (s *solver) holds(l *link, w view) bool {
	t := l.target
	clock := s.at(t).refreshed
	if !s.ignorable(l, t) {
		if v := s.pick(t, w, clock); v >= 0 && l.accepts(s.pool.text(v)) {
			return true
		}
	}
	for i := s.pool.slots[t].provides; i >= 0; i = s.pool.provides[i].next {
		r := &s.pool.provides[i]
		owner := s.pool.versions[r.owner].slot
		if s.ignorableProvider(l, owner) || !l.acceptsProvided(s.pool.str(r.version)) {
			continue
		}
		if s.pick(owner, w, clock) == r.owner {
			return true
		}
	}
	return false
}

func (s *solver) pick(t int32, w view, clock int32) int32 {
	if s.index[t] == 0 && s.pool.slots[t].versions < 0 {
		return -1
	}
	if w == viewNow {
		return s.at(t).current
	}
	install, candidate := s.seen(t, clock)
	if w == viewInstall {
		return install
	}
	return candidate
}

// ok tells whether a single relation is fulfilled in a view.
func (s *solver) ok(l *link, w view) bool { return s.holds(l, w) != l.negative() }

// longGroup is a group of alternatives, by where it is kept, and a view.
type longGroup struct {
	first *link
	view  view
}

// longSeen is whether a group was fulfilled, and how many edits there had been.
type longSeen struct {
	edits int
	ok    bool
}

// maxShort is how many alternatives are quickly looked at again.
const maxShort = 32

// anyOK tells whether one of the alternatives is fulfilled. The fix-up asks so
// for each alternative in turn, and most often nothing has changed in between:
// of a long group, the answer is kept until something does.
func (s *solver) anyOK(group []link, w view) bool {
	if len(group) <= maxShort {
		return s.anyOKNow(group, w)
	}
	key := longGroup{&group[0], w}
	if known, ok := s.long[key]; ok && known.edits == s.edits {
		return known.ok
	}
	seen := longSeen{s.edits, s.anyOKNow(group, w)}
	s.long[key] = seen
	return seen.ok
}

func (s *solver) anyOKNow(group []link, w view) bool {
	for i := range group {
		if s.ok(&group[i], w) {
			return true
		}
	}
	return false
}

// broken tells whether what a slot will have lacks something.
func (s *solver) broken(t int32) bool { return s.lacks(s.at(t).install, viewInstall) }

func (s *solver) lacks(v int32, w view) bool {
	if v < 0 {
		return false
	}
	for group := range groups(s.relations(v)) {
		if !s.anyOK(group, w) {
			return true
		}
	}
	return false
}

// brokenCount counts the slots that will lack something.
func (s *solver) brokenCount() int {
	n := 0
	for i := range s.states {
		if s.states[i].install >= 0 && s.broken(s.states[i].slot) {
			n++
		}
	}
	return n
}
