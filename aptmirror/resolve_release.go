package aptmirror

import "slices"

// switchReleases lets the dependencies of what was chosen by a release come from
// there too, where the ordinary candidates do not do.
func (w *wishes) switchReleases() {
	for _, r := range w.releases {
		w.setCandidate(r.version)
	}
	var changed []int32
	for _, r := range w.releases {
		changed = append(changed, r.version)
		w.switchRelease(r.version, r.release, &changed, 0)
	}
}

func (w *wishes) switchRelease(v int32, release string, changed *[]int32, depth int) bool {
	w.setCandidate(v)
	start := len(*changed)
	for group := range groups(w.relations(v)) {
		if group[0].negative() || w.fineNow(group) || depth > maxDepth {
			continue
		}
		if !w.fineFrom(group, release, changed, depth) {
			*changed = (*changed)[:start]
			return false
		}
	}
	return true
}

// fineNow tells whether an alternative is there, or can be installed as it is.
func (w *wishes) fineNow(group []link) bool {
	p := w.pool
	installable := func(v int32) bool { return v >= 0 && !w.lacks(v, viewInstall) }
	for i := range group {
		l := &group[i]
		slot := &p.slots[l.target]
		if slot.provides < 0 && slot.versions < 0 {
			continue
		}
		st := w.at(l.target)
		if st.current >= 0 && l.accepts(p.text(st.current)) {
			return true
		}
		if l.op != opNone || slot.provides < 0 {
			if st.candidate >= 0 && l.accepts(p.text(st.candidate)) && installable(st.candidate) {
				return true
			}
			continue
		}
		for j := slot.provides; j >= 0; j = p.provides[j].next {
			owner := p.provides[j].owner
			if w.at(p.versions[owner].slot).candidate == owner && installable(owner) {
				return true
			}
		}
	}
	return false
}

// fineFrom switches the candidate of an alternative to the release's version.
func (w *wishes) fineFrom(group []link, release string, changed *[]int32, depth int) bool {
	p := w.pool
	for i := range group {
		l := &group[i]
		if l.op == opNone {
			continue
		}
		v := p.slots[l.target].versions
		for release != "newest" && v >= 0 && !p.inRelease(v, release) {
			v = p.versions[v].next
		}
		if v < 0 || !l.accepts(p.text(v)) {
			continue
		}
		before := w.at(l.target).candidate
		if before == v && slices.ContainsFunc(*changed, func(c int32) bool { return p.versions[c].slot == l.target }) {
			return true
		}
		*changed = append(*changed, v)
		if w.switchRelease(v, release, changed, depth+1) {
			return true
		}
		if i == len(group)-1 {
			return false
		}
		if before >= 0 {
			w.setCandidate(before)
		}
		*changed = (*changed)[:max(0, len(*changed)-1)]
	}
	return false
}
