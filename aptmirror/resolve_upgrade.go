package aptmirror

// upgradeAll does an apt-get dist-upgrade.
func (r *resolution) upgradeAll() error {
	y, _ := newPolicy(r.pool, "")
	s := newSolver(r.pool, y, r.current, r.installed, r.auto)
	var order []int32
	all := r.pool.slotOrder()
	for _, t := range all {
		if s.index[t] > 0 {
			order = append(order, t)
		}
	}
	for _, deep := range [...]bool{false, true} {
		for _, t := range order {
			s.install(t, deep, 0, false)
		}
	}
	s.installEssentials(all)
	for _, t := range order {
		s.install(t, false, 0, false)
	}
	for _, t := range order {
		if r.pool.slots[t].hold {
			st := s.at(t)
			st.fix, st.protected = fixProtected, true
			s.keep(t, 0, false)
		}
	}
	if !s.fix(false) {
		return s.explainBroken(nil)
	}
	return r.finish(s)
}

// installEssentials installs the essential packages that are missing, in the
// order of all slots.
func (s *solver) installEssentials(all []int32) {
	p := s.pool
	for _, head := range all {
		g := p.slots[head].group
		if p.groups[g].first != head {
			continue
		}
		wanted, there := false, false
		for t := p.groups[g].first; t >= 0; t = p.slots[t].next {
			if p.slots[t].essential {
				wanted = true
				there = there || s.index[t] > 0 && s.at(t).mode == modeInstall
			}
		}
		if wanted && !there {
			s.install(p.preferred(g, true), true, 0, false)
		}
	}
}
