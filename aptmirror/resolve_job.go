package aptmirror

import "slices"

// installJob is the work list of one installation.
type installJob struct {
	slot, version   int32
	depth           int
	user, protected bool
	needs           [][]link // positive groups that do not hold yet
	enemies         []link   // negative relations that do not hold yet
	upgrade, late   []int32  // slots to upgrade first, to remove last
}

// fatal: a failure ends the job at once, unless someone asked for the package.
func (j *installJob) fatal() bool { return !j.protected && !j.user }

// collect lists what the version needs. For what was asked for, also what holds
// already is listed, so that it is protected as well.
func (s *solver) collect(j *installJob) {
	for group := range groups(s.relations(j.version)) {
		if !j.protected && s.anyOK(group, viewInstall) {
			continue
		}
		if group[0].negative() {
			j.enemies = append(j.enemies, group[0])
		} else {
			j.needs = append(j.needs, group)
		}
	}
}

// collectReverse lists what must be upgraded because it needs the version that
// is replaced.
func (s *solver) collectReverse(j *installJob) {
	st := s.at(j.slot)
	if st.current < 0 {
		return
	}
	before, after := s.pool.text(st.current), s.pool.text(j.version)
	for _, t := range slices.Backward(s.installed) {
		other := s.at(t)
		if other.mode == modeInstall || slices.Contains(j.upgrade, t) {
			continue
		}
		for i := range s.relations(other.current) {
			l := &s.relations(other.current)[i]
			if l.target == j.slot && !l.negative() && l.accepts(before) && !l.accepts(after) {
				j.upgrade = append(j.upgrade, t)
				break
			}
		}
	}
}

// upgradeSiblings upgrades the installed packages of the same source to the same
// version, as far as they have it as their candidate.
func (s *solver) upgradeSiblings(j *installJob) {
	if len(s.installed) == 0 {
		return
	}
	name, version := s.pool.sourceOf(j.version)
	var list []int32
	for _, t := range s.sameSource(name) {
		st := s.at(t)
		if t == j.slot || st.candidate < 0 || st.candidate == st.current ||
			st.mode == modeInstall && st.install == st.candidate {
			continue
		}
		if n, v := s.pool.sourceOf(st.candidate); n == name && v == version {
			list = append(list, t)
		}
	}
	for _, t := range list {
		s.install(t, false, j.depth+1, false)
	}
	for _, t := range list {
		s.install(t, true, j.depth+1, false)
	}
}

func (s *solver) sameSource(name string) []int32 {
	if s.bySource == nil {
		s.bySource = make(map[string][]int32)
		for _, t := range s.installed {
			n, _ := s.pool.sourceOf(s.at(t).current)
			s.bySource[n] = append(s.bySource[n], t)
		}
	}
	return s.bySource[name]
}
