package aptmirror

import (
	"cmp"
	"fmt"
	"slices"
)

// Plan is what Resolve has to bring about: runs of apt-get one after another,
// each on top of what the one before left.
type Plan struct {
	// Installed is the dpkg status of the base system; empty for a bootstrap.
	Installed []Package
	// Essential begins with all packages that are Essential: yes for the native
	// architecture, and what they need.
	Essential bool
	// Upgrade brings what is installed to the archives' candidates, as
	// apt-get dist-upgrade does, before the steps.
	Upgrade bool
	Steps   []Step
}

// Step is one apt-get --no-install-recommends -y install.
type Step struct {
	Why     string   // what to say of its wishes: "base"; "asked for" if it is ""
	Wishes  []string // "pkg", "pkg:arch", "pkg=version", "pkg/suite"
	Release string   // -t
}

// Choice is a package that the plan installs, and why.
type Choice struct {
	Package
	Why string // a step's Why, "essential", "upgrade" or "dependency of NAME"
}

// Solution is the answer to a Plan. Equal pools and plans give equal solutions.
type Solution struct {
	Install []Choice  // by name, then architecture
	Removed []Package // of Plan.Installed, by name, then architecture
	Notes   []string  // what a person should know, such as wishes taken as patterns

	pool     *Pool
	links    *solver         // for its relations; nothing changes any more
	final    map[int32]int32 // version by slot
	reasons  map[int32]reason
	original map[int32]int32
}

// Resolve gives apt's own answer to plan: the same packages and versions as
// apt 2.6 would choose by the same indexes. Every solution has passed Check. If
// there is none, the error is an *Unresolvable.
func Resolve(pool *Pool, plan Plan) (*Solution, error) {
	p, err := pool.withStatus(plan.Installed)
	if err != nil {
		return nil, err
	}
	r := &resolution{pool: p, current: make(map[int32]int32), auto: make(map[int32]bool)}
	for t := range p.slots {
		if v := p.slots[t].current; v >= 0 && len(plan.Installed) > 0 {
			r.current[int32(t)] = v
			r.installed = append(r.installed, int32(t))
		}
	}
	if plan.Essential {
		if err := r.step(Step{Why: "essential", Wishes: p.Essentials()}); err != nil {
			return nil, err
		}
	}
	if plan.Upgrade {
		if err := r.upgradeAll(); err != nil {
			return nil, err
		}
	}
	for _, step := range plan.Steps {
		if err := r.step(step); err != nil {
			return nil, err
		}
	}
	return r.solution()
}

// Essentials lists the Essential: yes packages of the native architecture. (apt
// counts itself as one, whatever the archive says.)
func (p *Pool) Essentials() []string {
	var names []string
	for t := range p.slots {
		if s := &p.slots[t]; s.essential && s.arch == 0 && s.versions >= 0 && p.data(s.versions).essential {
			names = append(names, p.name(int32(t)))
		}
	}
	return names
}

// resolution is the state between the runs of a plan.
type resolution struct {
	pool      *Pool
	current   map[int32]int32 // version by slot
	installed []int32         // its keys, ascending
	auto      map[int32]bool
	roots     []root
	notes     []string
	last      *solver
}

// root is a slot that somebody asked for.
type root struct {
	slot int32
	why  string
}

// step does one apt-get install.
func (r *resolution) step(step Step) error {
	y, ok := newPolicy(r.pool, step.Release)
	if !ok {
		return &Unresolvable{Reasons: []Reason{{Text: fmt.Sprintf(
			"release %q (-t) is the suite, codename or version of none of the archives: %s", step.Release, r.pool.archiveNames())}}}
	}
	s := newSolver(r.pool, y, r.current, r.installed, r.auto)
	w := wishes{solver: s}
	for _, wish := range step.Wishes {
		w.add(wish)
	}
	if len(w.errors) > 0 {
		return s.unresolvable(w.errors)
	}
	if step.Why == "" {
		step.Why = "asked for"
	}
	r.notes = append(r.notes, w.notes...)
	for _, v := range w.versions {
		t := r.pool.versions[v].slot
		r.roots = append(r.roots, root{t, step.Why})
		s.setCandidate(v)
		st := s.at(t)
		st.fix, st.protected = fixProtected, true
		s.install(t, false, 0, true)
		if st.mode != modeInstall {
			st.auto = false
		}
	}
	w.switchReleases()
	slots := make([]int32, len(w.versions))
	for i, v := range w.versions {
		slots[i] = r.pool.versions[v].slot
	}
	for _, t := range slots {
		s.install(t, true, 0, true)
	}
	if !s.fix(true) {
		return s.explainBroken(slots)
	}
	return r.finish(s)
}

// finish takes over what a run has decided.
func (r *resolution) finish(s *solver) error {
	s.sweep()
	if s.brokenCount() > 0 {
		return s.explainBroken(nil)
	}
	if err := s.refuse(); err != nil {
		return err
	}
	for _, st := range s.states {
		if v := st.remains(); v >= 0 {
			r.current[st.slot] = v
			r.auto[st.slot] = st.auto
		} else {
			delete(r.current, st.slot)
			delete(r.auto, st.slot)
		}
	}
	r.installed = r.installed[:0]
	for t := range r.current {
		r.installed = append(r.installed, t)
	}
	slices.Sort(r.installed)
	r.last = s
	return nil
}

// refuse stops what apt-get -y would not do either: remove something essential,
// downgrade, change what is on hold.
func (s *solver) refuse() error {
	var reasons []Reason
	for _, t := range s.byName() {
		st, slot := s.at(t), &s.pool.slots[t]
		switch {
		case st.mode == modeDelete && (slot.essential || slot.important):
			reasons = append(reasons, Reason{Text: s.pool.label(t) + " is essential and would have to be removed"})
		case st.mode == modeInstall && st.status < 0:
			reasons = append(reasons, Reason{Text: fmt.Sprintf("%s would be downgraded from %s to %s", s.pool.label(t),
				s.pool.text(st.current), s.pool.text(st.install))})
		case slot.hold && st.install != st.current:
			reasons = append(reasons, Reason{Text: s.pool.label(t) + " is on hold and would have to change"})
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return &Unresolvable{Reasons: reasons}
}

// solution compares what there is now with what there was.
func (r *resolution) solution() (*Solution, error) {
	p := r.pool
	sol := &Solution{pool: p, links: r.last, final: r.current, Notes: r.notes, original: make(map[int32]int32)}
	if sol.links == nil {
		y, _ := newPolicy(p, "")
		sol.links = newSolver(p, y, r.current, r.installed, r.auto)
	}
	for t := range p.slots {
		if v := p.slots[t].current; v >= 0 {
			sol.original[int32(t)] = v
		}
	}
	sol.findReasons(r.roots, r.installed)
	for _, t := range r.installed {
		if v := r.current[t]; sol.originalOf(t) != v {
			sol.Install = append(sol.Install, Choice{Package: p.offered(v), Why: sol.whyOf(t)})
		}
	}
	for t, v := range sol.original {
		if _, ok := r.current[t]; !ok {
			sol.Removed = append(sol.Removed, p.unpack(v, p.versions[v].stanza))
		}
	}
	slices.SortFunc(sol.Install, func(a, b Choice) int { return byNameArch(&a.Package, &b.Package) })
	slices.SortFunc(sol.Removed, func(a, b Package) int { return byNameArch(&a, &b) })
	if err := Check(sol); err != nil {
		return nil, fmt.Errorf("checking the resolver's own answer: %w", err)
	}
	return sol, nil
}

func (sol *Solution) originalOf(t int32) int32 {
	if v, ok := sol.original[t]; ok {
		return v
	}
	return -1
}

func byNameArch(a, b *Package) int {
	if c := cmp.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	return cmp.Compare(a.Architecture, b.Architecture)
}
