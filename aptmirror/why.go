package aptmirror

import (
	"fmt"
	"slices"
	"strings"
)

// reason tells how a slot came into a solution.
type reason struct {
	parent int32  // slot, -1 for a root
	text   string // of a root
	group  []link // of the parent, that this slot fulfils
}

// findReasons walks breadth first from what was asked for, then from what was
// there before, along fulfilled dependencies; the first way that finds a slot
// is its reason. So reasons are as short as they can be.
func (sol *Solution) findReasons(roots []root, installed []int32) {
	sol.reasons = make(map[int32]reason, len(sol.final))
	var queue []int32
	add := func(t int32, r reason) {
		if _, ok := sol.reasons[t]; !ok && sol.versionOf(t) >= 0 {
			sol.reasons[t] = r
			queue = append(queue, t)
		}
	}
	for _, r := range roots {
		add(r.slot, reason{parent: -1, text: r.why})
	}
	for _, t := range installed {
		if v := sol.originalOf(t); v >= 0 {
			text := "installed"
			if v != sol.versionOf(t) {
				text = "upgrade"
			}
			add(t, reason{parent: -1, text: text})
		}
	}
	for i := 0; i < len(queue); i++ {
		t := queue[i]
		for group := range groups(sol.links.relations(sol.versionOf(t))) {
			for j := range group {
				for _, o := range sol.matching(&group[j]) {
					add(o, reason{parent: t, group: group})
				}
			}
		}
	}
}

// matching lists the slots of the solution that match a positive link.
func (sol *Solution) matching(l *link) []int32 {
	if l.negative() {
		return nil
	}
	p := sol.pool
	var list []int32
	if v := sol.versionOf(l.target); v >= 0 && l.accepts(p.text(v)) {
		list = append(list, l.target)
	}
	for i := p.slots[l.target].provides; i >= 0; i = p.provides[i].next {
		r := &p.provides[i]
		if t := p.versions[r.owner].slot; sol.versionOf(t) == r.owner && l.acceptsProvided(p.str(r.version)) {
			list = append(list, t)
		}
	}
	slices.Sort(list)
	return list
}

func (sol *Solution) versionOf(t int32) int32 {
	if v, ok := sol.final[t]; ok {
		return v
	}
	return -1
}

// whyOf is the short answer: Choice.Why.
func (sol *Solution) whyOf(t int32) string {
	r, ok := sol.reasons[t]
	switch {
	case sol.originalOf(t) >= 0 && (!ok || r.parent >= 0 || r.text == "installed"):
		return "upgrade"
	case !ok:
		return "dependency"
	case r.parent < 0:
		return r.text
	}
	return "dependency of " + sol.pool.label(r.parent)
}

// Why explains how a package came into the solution: one line for each step,
// from what was asked for down to it. name may carry an architecture
// ("libc6:i386"); the native one is meant otherwise. It is nil if the solution
// does not have the package.
func Why(sol *Solution, name string) []string {
	p := sol.pool
	base, arch := name, int16(0)
	if b, q, ok := cutLast(name); ok {
		base, arch = b, -2
		for i, a := range p.arches {
			if a == q {
				arch = int16(i)
			}
		}
	}
	t := p.find(base, arch)
	if t < 0 || sol.versionOf(t) < 0 {
		return nil
	}
	var lines []string
	for {
		r, ok := sol.reasons[t]
		if !ok {
			lines = append(lines, p.label(t)+": chosen while mending a conflict")
			break
		}
		if r.parent < 0 {
			lines = append(lines, p.label(t)+": "+r.text)
			break
		}
		lines = append(lines, sol.describe(t, r))
		t = r.parent
	}
	slices.Reverse(lines)
	return lines
}

// describe says which dependency of its parent a slot fulfils.
func (sol *Solution) describe(t int32, r reason) string {
	p := sol.pool
	line := fmt.Sprintf("%s %s %s", p.label(r.parent), r.group[0].kind, groupText(p, r.group))
	for i := range r.group {
		named := r.group[i].target == t || p.label(r.group[i].target) == p.label(t) // "name:i386" has a slot of its own
		if named && r.group[i].accepts(p.text(sol.versionOf(t))) {
			if len(r.group) > 1 {
				line += "; " + p.label(t) + " is taken"
			}
			return line
		}
	}
	return line + ", which " + p.label(t) + " provides"
}

// maxAlternatives is how many of a group's alternatives are shown.
const maxAlternatives = 8

// groupText writes a group of alternatives as a control file does.
func groupText(p *Pool, group []link) string {
	shown := group[:min(len(group), maxAlternatives)]
	parts := make([]string, len(shown))
	for i := range shown {
		l := &group[i]
		parts[i] = p.label(l.target)
		if l.op != opNone {
			parts[i] += fmt.Sprintf(" (%s %s)", l.op, l.version)
		}
	}
	if n := len(group) - len(shown); n > 0 {
		parts = append(parts, fmt.Sprintf("… (%d more)", n))
	}
	return strings.Join(parts, " | ")
}
