package aptmirror

// maxDepth is how far apt follows a chain of dependencies before it gives up.
const maxDepth = 3000

// mayChange tells whether a slot may get another mode. Whoever asked for a
// package by name (user) may do anything; a run by itself changes nothing that
// was asked for or is on hold, and removes nothing essential.
func (s *solver) mayChange(t int32, to mode, depth int, user bool) bool {
	slot := &s.pool.slots[t]
	if depth > maxDepth || slot.versions < 0 {
		return false
	}
	st := s.at(t)
	if user || st.mode == to {
		return true
	}
	if st.protected || to != modeKeep && slot.hold {
		return false
	}
	return to != modeDelete || !slot.essential && !slot.important
}

// keep takes back what the run wanted to do with a slot.
func (s *solver) keep(t int32, depth int, user bool) bool {
	if !s.mayChange(t, modeKeep, depth, user) {
		return false
	}
	st := s.at(t)
	if st.mode == modeKeep {
		return true
	}
	st.mode = modeKeep
	s.set(t, st.current, st.candidate)
	s.refresh(t)
	return true
}

// remove takes a slot out, or does not install it after all.
func (s *solver) remove(t int32, depth int, user bool) bool {
	if !s.mayChange(t, modeDelete, depth, user) {
		return false
	}
	st := s.at(t)
	if st.mode == modeDelete || st.install < 0 {
		return true
	}
	if !s.mayRemove(st, user) {
		return false
	}
	st.mode = modeDelete
	if st.current < 0 {
		st.mode = modeKeep
	}
	s.set(t, -1, st.candidate)
	s.refresh(t)
	return true
}

// mayRemove: what was asked for and is new stays.
func (s *solver) mayRemove(st *slotState, user bool) bool {
	return user || st.current >= 0 || st.install < 0 || st.status != 2 || st.auto
}

// setCandidate makes v the version that its slot would get.
func (s *solver) setCandidate(v int32) {
	t := s.pool.versions[v].slot
	st := s.at(t)
	if st.candidate == v {
		return
	}
	install := st.install
	if st.candidate == install && st.mode == modeInstall {
		install = v
	}
	s.set(t, install, v)
	st.status = s.compare(v, st.current)
	s.refresh(t)
}

// dropCandidate leaves a slot with what it will have; its status stays as it was.
func (s *solver) dropCandidate(t int32) {
	st := s.at(t)
	s.set(t, st.install, st.install)
}

// target marks a slot for its candidate.
func (s *solver) target(t int32, user bool) {
	st := s.at(t)
	if st.protected && st.install == st.candidate {
		return
	}
	st.mode = modeInstall
	switch {
	case !user && st.status == 2:
		st.auto = true
	case user && (st.status == 2 || st.current >= 0):
		st.auto = false
	}
	if st.candidate == st.current {
		st.mode = modeKeep
	}
	s.set(t, st.candidate, st.candidate)
	s.refresh(t)
}

// undo gives up an installation that failed on the way.
func (s *solver) undo(t int32) {
	st := s.at(t)
	if st.mode == modeKeep && st.install == st.candidate && st.candidate == st.current {
		return
	}
	st.mode = modeKeep
	s.set(t, st.current, st.candidate)
	s.refresh(t)
	s.dropCandidate(t)
}

// inSync tells whether installing the candidate keeps a Multi-Arch: same package
// in step with its installed siblings.
func (s *solver) inSync(t int32, user bool) bool {
	st := s.at(t)
	if user || st.mode == modeInstall && st.install == st.candidate {
		return true
	}
	p := s.pool
	if st.candidate < 0 || st.candidate == st.current || p.versions[st.candidate].multi&multiSame == 0 {
		return true
	}
	for o := p.groups[p.slots[t].group].first; o >= 0; o = p.slots[o].next {
		other := s.at(o)
		if o == t || other.current < 0 || other.candidate < 0 || p.text(other.candidate) == p.text(st.candidate) {
			continue
		}
		if p.versions[other.candidate].multi&multiSame != 0 && p.downloadable(other.candidate) {
			return false
		}
	}
	return true
}

// satisfiable tells whether somebody exists for each dependency of the
// candidate. If not, the candidate is discarded, so that nobody tries it again.
func (s *solver) satisfiable(t int32) bool {
	st := s.at(t)
	if st.candidate < 0 || st.candidate == st.current {
		return true
	}
	for group := range groups(s.relations(st.candidate)) {
		if group[0].negative() || s.anyOK(group, viewInstall) || s.anyOK(group, viewCandidate) {
			continue
		}
		if !st.protected {
			if st.current >= 0 {
				s.setCandidate(st.current)
			} else {
				s.set(t, st.install, -1)
			}
			if st.mode != modeDelete {
				st.mode = modeKeep
				st.status = s.compare(st.candidate, st.current)
			}
		}
		return false
	}
	return true
}

// install marks a slot for its candidate and, with deep, does what that needs.
func (s *solver) install(t int32, deep bool, depth int, user bool) bool {
	st := s.at(t)
	kept := st.protected && st.mode == modeKeep && st.candidate >= 0 && st.candidate == st.current
	if !kept && !s.mayChange(t, modeInstall, depth, user) {
		return false
	}
	if st.candidate < 0 {
		return false
	}
	if !st.protected && !s.broken(t) {
		if st.candidate == st.current {
			return st.install >= 0 || s.keep(t, depth+1, user)
		}
		if st.mode == modeInstall {
			return true
		}
	}
	if !s.inSync(t, user) || deep && !s.satisfiable(t) {
		return false
	}
	if user {
		s.target(t, user)
	}
	if !deep {
		if !user {
			s.target(t, user)
		}
		return true
	}
	return s.installDeep(t, depth, user)
}

// installDeep is the second half of install: first what stands in the way, then
// the package itself, then what it needs.
func (s *solver) installDeep(t int32, depth int, user bool) bool {
	st := s.at(t)
	job := installJob{slot: t, version: st.candidate, depth: depth, user: user, protected: st.protected}
	early := !st.protected && !user
	failed := false
	s.collect(&job)
	if !s.clearWay(&job) {
		if early {
			return false
		}
		failed = true
	}
	s.collectReverse(&job)
	if !user {
		s.target(t, user)
	}
	if !st.protected {
		st.protected = true
		defer func() { st.protected = false }()
	}
	s.upgradeSiblings(&job)
	for _, step := range [...]func(*installJob) bool{s.upgradeOrRemove, s.installNeeds, s.removeLate} {
		if step(&job) {
			continue
		}
		if early {
			s.undo(t)
			return false
		}
		failed = true
	}
	return !failed
}
