//go:build linux

package guest

import (
	"slices"
	"strings"
)

// waves divides the packages into those that are unpacked together and
// configured before the next ones are touched.
//
// The first wave is what a new root cannot do without: the Essential packages
// and what they depend on. Their preinst scripts can run only after they have
// been unpacked, which is how debootstrap and mmdebstrap make a root too. All
// later packages get what dpkg promises: their preinst runs before their
// files come, with everything of their Pre-Depends configured. The rest of the
// base system is whole before what a descriptor asks for, as in gitian, where
// it is a machine of its own: so ccache finds the compilers of build-essential.
func waves(all []*staged) [][]*staged {
	by := byName(all)
	var first []*staged
	for _, s := range all {
		if strings.EqualFold(s.control.Get("Essential"), "yes") {
			first = append(first, s)
		}
	}
	in := closure(by, first, nil)
	var out [][]*staged
	if len(in) > 0 {
		out = append(out, pick(all, in, true))
	}
	base := baseOf(by, all)
	for _, part := range [][]*staged{pick(pick(all, in, false), base, true), pick(pick(all, in, false), base, false)} {
		out = append(out, inParts(by, part, in)...)
	}
	return out
}

// byName finds packages by their names, real and provided.
func byName(all []*staged) map[string][]*staged {
	by := make(map[string][]*staged)
	for _, s := range all {
		by[s.Name] = append(by[s.Name], s)
		for _, r := range relations(s.control.Get("Provides")) {
			by[r.name] = append(by[r.name], s)
		}
	}
	return by
}

// inParts divides packages so that what a preinst needs configured comes in a
// part before. All of them are in afterwards.
func inParts(by map[string][]*staged, rest []*staged, in map[*staged]bool) (out [][]*staged) {
	for len(rest) > 0 {
		need := preNeeded(by, rest, in)
		next := pick(rest, need, true)
		if len(next) == 0 || len(next) == len(rest) {
			next = rest
		}
		// What the next part itself pre-depends on has to come first.
		for inner := pick(next, preNeeded(by, next, in), true); len(inner) > 0 && len(inner) < len(next); inner = pick(next, preNeeded(by, next, in), true) {
			next = inner
		}
		out = append(out, next)
		for _, s := range next {
			in[s] = true
		}
		rest = pick(rest, in, false)
	}
	return out
}

// baseOf is the base system with all that it needs: of alternatives, those that
// are in it already, else every one that is there.
func baseOf(by map[string][]*staged, all []*staged) map[*staged]bool {
	base := make(map[*staged]bool)
	var todo []*staged
	add := func(l []*staged) {
		for _, s := range l {
			if !base[s] {
				base[s] = true
				todo = append(todo, s)
			}
		}
	}
	for _, s := range all {
		if s.Base {
			add([]*staged{s})
		}
	}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, field := range []string{"Pre-Depends", "Depends"} {
			for clause := range strings.SplitSeq(s.control.Get(field), ",") {
				var there []*staged
				for _, r := range relations(clause) {
					there = append(there, by[r.name]...)
				}
				if !slices.ContainsFunc(there, func(o *staged) bool { return base[o] }) {
					add(there)
				}
			}
		}
	}
	return base
}

// preNeeded is what the preinst scripts of packages need to be configured,
// less what is in already.
func preNeeded(by map[string][]*staged, packages []*staged, in map[*staged]bool) map[*staged]bool {
	var roots []*staged
	for _, s := range packages {
		if s.file("preinst") == nil {
			continue
		}
		for _, r := range relations(s.control.Get("Pre-Depends")) {
			for _, t := range by[r.name] {
				if !in[t] && t != s {
					roots = append(roots, t)
				}
			}
		}
	}
	return closure(by, roots, in)
}

// closure is roots and all that they depend on, every alternative that is
// there taken, less what is in already.
func closure(by map[string][]*staged, roots []*staged, in map[*staged]bool) map[*staged]bool {
	out := make(map[*staged]bool)
	todo := roots
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if out[s] || in[s] {
			continue
		}
		out[s] = true
		for _, name := range s.needs() {
			todo = append(todo, by[name]...)
		}
	}
	return out
}

// needs are the names in Pre-Depends and Depends, all alternatives. They are
// read once: closures are asked for of each package of a wave.
func (s *staged) needs() []string {
	if s.needed == nil {
		s.needed = []string{}
		for _, field := range []string{"Pre-Depends", "Depends"} {
			for _, r := range relations(s.control.Get(field)) {
				s.needed = append(s.needed, r.name)
			}
		}
	}
	return s.needed
}

// pick keeps, in their order, the packages that are in the set, or are not.
func pick(from []*staged, set map[*staged]bool, want bool) []*staged {
	var out []*staged
	for _, s := range from {
		if set[s] == want {
			out = append(out, s)
		}
	}
	return out
}
