package aptmirror

import "slices"

// solutions lists the versions that would match a group of alternatives, best
// first: what is installed before what is new, both in the order of the
// alternatives, and within one of them by byPreference.
func (s *solver) solutions(group []link, w view) []int32 {
	var old, new []int32
	for i := range group {
		list := s.matching(&group[i], w)
		sortLikeApt(list, func(a, b int32) bool { return s.byPreference(&group[i], a, b) })
		for _, v := range list {
			if s.at(s.pool.versions[v].slot).current >= 0 {
				old = append(old, v)
			} else {
				new = append(new, v)
			}
		}
	}
	return s.allowed(slices.Compact(append(old, new...)), group)
}

// allowed drops what was asked not to be there.
func (s *solver) allowed(list []int32, group []link) []int32 {
	if group[len(group)-1].negative() {
		return list
	}
	return slices.DeleteFunc(list, func(v int32) bool {
		st := s.at(s.pool.versions[v].slot)
		return st.protected && (st.mode == modeDelete || st.mode == modeKeep && st.current < 0)
	})
}

// matching lists the candidates, or the current versions, that match one link.
func (s *solver) matching(l *link, w view) []int32 {
	if w == viewCandidate && !s.holds(l, viewCandidate) {
		return nil
	}
	get := func(t int32) int32 {
		if w == viewNow {
			return s.at(t).current
		}
		return s.at(t).candidate
	}
	var list []int32
	if v := get(l.target); v >= 0 && !s.ignorable(l, l.target) && l.accepts(s.pool.text(v)) {
		list = append(list, v)
	}
	for i := s.pool.slots[l.target].provides; i >= 0; i = s.pool.provides[i].next {
		r := &s.pool.provides[i]
		owner := s.pool.versions[r.owner].slot
		if !s.ignorableProvider(l, owner) && get(owner) == r.owner && l.acceptsProvided(s.pool.str(r.version)) {
			list = append(list, r.owner)
		}
	}
	return list
}

// onlySolution returns the slot of the only version, installed or candidate,
// that matches a group; ok is false if there are several, or none.
func (s *solver) onlySolution(group []link) (int32, bool) {
	var list []int32
	for i := range group {
		list = append(list, s.matching(&group[i], viewCandidate)...)
		list = append(list, s.matching(&group[i], viewNow)...)
	}
	slices.Sort(list)
	list = s.allowed(slices.Compact(list), group)
	if len(list) != 1 {
		return -1, false
	}
	return s.pool.versions[list[0]].slot, true
}

// installNeeds installs for each group of needs the best solution that works.
func (s *solver) installNeeds(j *installJob) bool {
	failed := false
	for _, group := range j.needs {
		if s.anyOK(group, viewInstall) {
			if j.protected && !s.protectOnly(j, group) {
				failed = true
			}
			continue
		}
		if !s.installOne(j, group) {
			failed = true
			if j.fatal() {
				break
			}
		}
	}
	return !failed
}

// protectOnly hands protection on to the only package that fulfils a group.
func (s *solver) protectOnly(j *installJob, group []link) bool {
	t, ok := s.onlySolution(group)
	if !ok || s.at(t).protected {
		return true
	}
	s.at(t).protected = true
	return s.install(t, true, j.depth+1, false)
}

func (s *solver) installOne(j *installJob, group []link) bool {
	list := s.solutions(group, viewCandidate)
	for _, v := range list {
		t := s.pool.versions[v].slot
		if s.at(t).candidate != v {
			continue
		}
		if j.protected && len(list) == 1 {
			if !s.install(t, false, j.depth+1, false) {
				continue
			}
			s.at(t).protected = true
		}
		if s.install(t, true, j.depth+1, false) {
			return true
		}
	}
	return false
}

// clearWay deals with what the version conflicts with: a bad candidate is kept
// out; a bad installed version goes to the upgrades or to the removals.
func (s *solver) clearWay(j *installJob) bool {
	var bad []int32
	failed := false
	for i := range j.enemies {
		group := j.enemies[i : i+1]
		if !s.clearCandidates(j, group, &bad) {
			failed = true
			if j.fatal() {
				break
			}
		}
		if !s.clearInstalled(j, group, bad) {
			failed = true
			if j.fatal() {
				break
			}
		}
	}
	return !failed
}

func (s *solver) clearCandidates(j *installJob, group []link, bad *[]int32) bool {
	failed := false
	for _, v := range s.solutions(group, viewCandidate) {
		t := s.pool.versions[v].slot
		st := s.at(t)
		if st.candidate != v {
			continue
		}
		good := true
		switch {
		case st.current == v:
			good = s.removeUnlessUpgradable(j, t)
		case st.mode == modeInstall && !s.keep(t, j.depth, false):
			good = false
		case j.protected:
			s.dropCandidate(t)
			if st.current < 0 {
				st.protected = true
			}
		default:
			*bad = append(*bad, t)
		}
		if !good {
			failed = true
			if j.fatal() {
				break
			}
		}
	}
	return !failed
}

func (s *solver) clearInstalled(j *installJob, group []link, bad []int32) bool {
	failed := false
	for _, v := range s.solutions(group, viewNow) {
		t := s.pool.versions[v].slot
		st := s.at(t)
		switch {
		case st.candidate != v && st.candidate >= 0 && !slices.Contains(bad, t):
			j.upgrade = append(j.upgrade, t)
		case st.candidate == st.current: // clearCandidates has dealt with it
		case !s.removeUnlessUpgradable(j, t):
			failed = true
		}
		if failed && j.fatal() {
			break
		}
	}
	return !failed
}

// removeUnlessUpgradable removes what stands in the way and has no better
// version: at once for what was asked for, otherwise at the end of the job.
func (s *solver) removeUnlessUpgradable(j *installJob, t int32) bool {
	st := s.at(t)
	if !j.protected {
		if st.mode == modeDelete {
			return true
		}
		if !s.mayChange(t, modeDelete, j.depth, false) || !s.mayRemove(st, false) {
			return false
		}
		j.late = append(j.late, t)
		return true
	}
	if st.mode != modeDelete && !s.remove(t, j.depth+1, false) {
		return false
	}
	s.dropCandidate(t)
	st.protected = true
	return true
}

// upgradeOrRemove upgrades what the job has found, or removes what cannot be.
func (s *solver) upgradeOrRemove(j *installJob) bool {
	failed := false
	for _, t := range j.upgrade {
		if s.at(t).mode == modeInstall || s.install(t, true, j.depth+1, false) {
			continue
		}
		if !s.remove(t, j.depth+1, false) {
			failed = true
			if j.fatal() {
				break
			}
		} else if j.protected {
			s.at(t).protected = true
		}
	}
	return !failed
}

// removeLate does the removals that had to wait.
func (s *solver) removeLate(j *installJob) bool {
	failed := false
	for _, t := range j.late {
		if !s.remove(t, j.depth, false) {
			failed = true
			if j.fatal() {
				break
			}
		}
	}
	return !failed
}
