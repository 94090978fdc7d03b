package aptmirror

// maxRounds bounds the fix-up's passes over all packages.
const maxRounds = 20

type fixFlags uint8

const (
	fixProtected fixFlags = 1 << iota
	fixMarked             // was marked for installation when the fix-up began
	fixSpent              // an upgrade has been tried
)

// fixer mends what marking has left broken. It gives each package a score, by
// what depends on it, and walks from the highest score down: of a broken pair
// the one with the lower score gives way. Now and then that removes a package or
// takes another alternative. This is apt's problem resolver.
type fixer struct {
	*solver
	scores  []int
	upgrade bool // may upgrade packages to mend others
	round   int
	change  bool
	kill    []victim
}

// victim is a package that stands in the way, and the relation that says so.
type victim struct {
	slot  int32
	group []link
}

// fix runs the fix-up; it tells whether nothing is broken any more.
func (s *solver) fix(upgrade bool) bool {
	if s.brokenCount() == 0 && !s.halfMarked() {
		return true
	}
	f := &fixer{solver: s, upgrade: upgrade}
	order := s.pool.slotOrder()
	f.prepare(order)
	f.scores = s.makeScores(order)
	sortLikeApt(order, func(a, b int32) bool { return f.scores[a] > f.scores[b] })
	f.change = true
	for f.round = 0; f.round < maxRounds && f.change; f.round++ {
		f.change = false
		for _, t := range order {
			if s.index[t] > 0 {
				f.reinstate(t)
				f.investigate(t)
			}
		}
	}
	for _, st := range s.states {
		if st.status == 2 && st.mode == modeInstall && st.fix&fixMarked == 0 {
			st.auto = true
		}
	}
	return s.brokenCount() == 0
}

// halfMarked tells whether an upgrade is marked that lost its candidate since.
func (s *solver) halfMarked() bool {
	for _, st := range s.states {
		if st.mode == modeInstall && st.current >= 0 && st.install >= 0 && st.candidate != st.install && !st.protected {
			return true
		}
	}
	return false
}

// prepare marks broken packages for an upgrade, and notes who is marked.
func (f *fixer) prepare(order []int32) {
	for again := true; again; {
		again = false
		for _, t := range order {
			if f.index[t] == 0 {
				continue
			}
			st := f.at(t)
			if st.mode == modeInstall {
				st.fix |= fixMarked
				continue
			}
			if f.upgrade && f.broken(t) {
				f.install(t, false, 0, false)
				again = again || st.mode == modeInstall
			}
			st.fix &^= fixMarked
		}
	}
}

// reinstate tries to upgrade after all what was marked and then given up.
func (f *fixer) reinstate(t int32) {
	st := f.at(t)
	if st.candidate == st.install || st.current < 0 || st.install < 0 || st.fix&fixMarked == 0 || st.protected {
		return
	}
	before := f.brokenCount()
	st.fix = fixSpent
	f.install(t, false, 0, false)
	if f.broken(t) || before < f.brokenCount() {
		f.keep(t, 0, false)
	}
}

// investigate looks for the relation that breaks a package, and mends it.
func (f *fixer) investigate(t int32) {
	st := f.at(t)
	if st.install < 0 || !f.broken(t) {
		return
	}
	f.kill = f.kill[:0]
	for group := range groups(f.relations(st.install)) {
		if f.mendGroup(st, group) {
			break
		}
	}
	if st.install >= 0 {
		f.applyKills(st)
	}
}

// orChoice is what becomes of a package when no alternative of a group helps.
type orChoice uint8

const (
	orRemove orChoice = iota
	orKeep
)

// mendGroup deals with one group of alternatives; done ends the investigation.
func (f *fixer) mendGroup(st *slotState, group []link) (done bool) {
	inOr, choice, kills := len(group) > 1, orRemove, len(f.kill)
	for i := range group {
		if f.anyOK(group, viewInstall) {
			inOr = false
			continue
		}
		targets := f.allTargets(&group[i])
		if len(targets) == 0 && !st.protected && !group[i].negative() && !f.lacks(st.current, viewNow) {
			if inOr {
				continue
			}
			f.change = true
			f.keep(st.slot, 0, false)
			return true
		}
		mended := f.mendLink(st, group, i, targets, inOr, &choice)
		if len(targets) == 0 && !group[i].negative() && !st.protected {
			f.giveUp(st, inOr, &choice)
			mended = true
		}
		if !inOr && mended {
			return true
		}
	}
	if inOr && kills == len(f.kill) {
		if choice == orKeep {
			f.keep(st.slot, 0, false)
			f.change = true
		} else if !st.protected {
			f.remove(st.slot, 0, false)
			f.change = true
		}
	}
	return false
}

// giveUp: nothing in the archive matches.
func (f *fixer) giveUp(st *slotState, inOr bool, choice *orChoice) {
	marked := st.mode == modeInstall
	f.keep(st.slot, 0, true)
	if !f.broken(st.slot) {
		*choice = orKeep
		if inOr && marked {
			f.install(st.slot, false, 0, false)
		}
	} else if !inOr {
		f.remove(st.slot, 0, false)
	}
	f.change = true
}

// mendLink weighs a broken package against each version that its relation is
// about; mended tells that the package itself gave way.
func (f *fixer) mendLink(st *slotState, group []link, i int, targets []int32, inOr bool, choice *orChoice) (mended bool) {
	l := &group[i]
	for _, v := range targets {
		other := f.at(f.pool.versions[v].slot)
		if other.install != v && l.negative() {
			continue
		}
		if f.scores[st.slot] <= f.scores[other.slot] || !l.negative() && !f.ok(l, viewNow) {
			if st.protected {
				if f.doUpgrade(other.slot) {
					f.scores[other.slot] = min(f.scores[other.slot], f.scores[st.slot])
					break
				}
				continue
			}
			f.giveWay(st, other, l, inOr, choice)
			f.change = true
			return true
		}
		if l.kind == linkBreaks && f.anyOK(group, viewCandidate) {
			f.install(other.slot, false, 0, false)
			continue
		}
		if other.protected && other.mode != modeDelete {
			continue
		}
		f.kill = append(f.kill, victim{other.slot, group})
		if !l.negative() {
			break
		}
	}
	return false
}

// giveWay changes the broken package st rather than other.
func (f *fixer) giveWay(st, other *slotState, l *link, inOr bool, choice *orChoice) {
	marked := st.mode == modeInstall
	f.keep(st.slot, 0, false)
	if !f.broken(st.slot) {
		*choice = orKeep
		if inOr && marked {
			f.install(st.slot, false, 0, false)
		}
		return
	}
	if f.upgrade && f.doUpgrade(st.slot) {
		return
	}
	if !inOr {
		f.remove(st.slot, 0, false)
		if f.round > 1 {
			f.scores[st.slot] = max(f.scores[st.slot], f.scores[other.slot])
		}
		return
	}
	target := f.at(l.target)
	if target.current < 0 && target.mode != modeDelete && target.candidate >= 0 {
		before := f.brokenCount()
		f.install(target.slot, true, 1, false)
		if f.broken(target.slot) || f.brokenCount() > before {
			f.remove(target.slot, 1, false)
		}
	}
}

// applyKills keeps back, or removes, what stands in the way of st.
func (f *fixer) applyKills(st *slotState) {
	for _, k := range f.kill {
		found := false
		if f.anyOK(k.group, viewNow) {
			found = f.keep(k.slot, 0, false)
		} else if k.group[len(k.group)-1].negative() {
			found = f.remove(k.slot, 0, false)
		}
		if (!found || f.round > 1) && f.scores[st.slot] > f.scores[k.slot] {
			f.scores[k.slot] = f.scores[st.slot]
			f.change = true
		}
		f.change = f.change || found
	}
}
