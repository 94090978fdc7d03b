package aptmirror

// doUpgrade tries to install the candidate of a slot, and whatever single
// packages its relations lack.
func (f *fixer) doUpgrade(t int32) bool {
	st := f.at(t)
	if st.fix&(fixSpent|fixProtected) != 0 || st.candidate < 0 || st.status < 1 {
		return false
	}
	st.fix |= fixSpent
	kept := st.mode == modeKeep
	if !f.install(t, false, 0, false) || st.install < 0 {
		return false
	}
	for group := range groups(f.relations(st.install)) {
		if f.upgradeFor(group) {
			continue
		}
		if kept {
			f.keep(t, 0, false)
		} else {
			f.remove(t, 0, false)
		}
		return false
	}
	return true
}

func (f *fixer) upgradeFor(group []link) bool {
	good := true
	for i := range group {
		if f.anyOK(group, viewInstall) {
			break
		}
		t := f.smartTarget(&group[i])
		switch {
		case f.at(t).protected:
			good = false
		case f.ok(&group[i], viewCandidate):
			if good = f.doUpgrade(t); good {
				return true
			}
		case group[i].negative():
			return good
		default:
			good = false
		}
	}
	return good
}

// allTargets lists every version in the pool that matches a relation.
func (f *fixer) allTargets(l *link) []int32 {
	var list []int32
	p := f.pool
	for v := p.slots[l.target].versions; v >= 0; v = p.versions[v].next {
		if !f.ignorable(l, l.target) && l.accepts(p.text(v)) {
			list = append(list, v)
		}
	}
	for i := p.slots[l.target].provides; i >= 0; i = p.provides[i].next {
		r := &p.provides[i]
		if !f.ignorableProvider(l, p.versions[r.owner].slot) && l.acceptsProvided(p.str(r.version)) {
			list = append(list, r.owner)
		}
	}
	return list
}

// smartTarget follows a virtual name to the first who provides it, the owner of
// the relation aside.
func (s *solver) smartTarget(l *link) int32 {
	p := s.pool
	t := &p.slots[l.target]
	if t.provides < 0 || t.versions >= 0 {
		return l.target
	}
	own := p.versions[l.owner].slot
	for i := t.provides; i >= 0; i = p.provides[i].next {
		if owner := p.versions[p.provides[i].owner].slot; owner != own {
			return owner
		}
	}
	return l.target
}
