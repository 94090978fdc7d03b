package aptmirror

import (
	"cmp"
	"iter"
	"slices"
)

// link is one member of a version's relations, bound to the slot that it names.
type link struct {
	owner    int32 // version
	target   int32 // slot
	version  string
	op       operator
	kind     linkKind
	or       bool // an alternative follows
	implicit bool // apt adds it between the architectures of one package
}

type linkKind uint8

const (
	linkPreDepends linkKind = iota
	linkDepends
	linkConflicts
	linkBreaks
	linkRecommends
	linkSuggests
	linkReplaces // these two are kept, and never followed
	linkProvides
)

func (k linkKind) String() string {
	return [...]string{"pre-depends on", "depends on", "conflicts with", "breaks", "recommends", "suggests", "replaces", "provides"}[k]
}

type operator uint8

const (
	opNone operator = iota
	opLess
	opLessEqual
	opEqual
	opGreaterEqual
	opGreater
	opNotEqual
)

func (o operator) String() string {
	return [...]string{"", "<<", "<=", "=", ">=", ">>", "!="}[o]
}

func operatorOf(s string) operator {
	switch s {
	case "<<":
		return opLess
	case "<=":
		return opLessEqual
	case "=":
		return opEqual
	case ">=":
		return opGreaterEqual
	case ">>":
		return opGreater
	}
	return opNone
}

func (o operator) accepts(version, bound string) bool {
	if o == opNone {
		return true
	}
	c := 0
	if version != bound {
		c = CompareVersions(version, bound)
	}
	switch o {
	case opLess:
		return c < 0
	case opLessEqual:
		return c <= 0
	case opEqual:
		return c == 0
	case opGreaterEqual:
		return c >= 0
	case opGreater:
		return c > 0
	}
	return c != 0
}

func (l *link) negative() bool { return l.kind == linkConflicts || l.kind == linkBreaks }

func (l *link) accepts(version string) bool { return l.op.accepts(version, l.version) }

// acceptsProvided is accepts for a provided version; an unversioned Provides
// fulfils only an unversioned relation.
func (l *link) acceptsProvided(version string) bool {
	return l.op == opNone || version != "" && l.op.accepts(version, l.version)
}

// groups walks relations by groups of alternatives.
func groups(links []link) iter.Seq[[]link] {
	return func(yield func([]link) bool) {
		for i := 0; i < len(links); {
			j := i
			for j < len(links)-1 && links[j].or {
				j++
			}
			if !yield(links[i : j+1]) {
				return
			}
			i = j + 1
		}
	}
}

// ignorable tells whether a relation does not concern a slot: no package
// conflicts with itself, and a Multi-Arch: same one not with its siblings.
func (s *solver) ignorable(l *link, t int32) bool {
	if !l.negative() {
		return false
	}
	own := s.pool.versions[l.owner].slot
	if s.pool.slots[own].group != s.pool.slots[t].group {
		return false
	}
	return own == t || s.pool.versions[l.owner].multi&multiSame != 0 && !l.implicit
}

func (s *solver) ignorableProvider(l *link, owner int32) bool {
	if !l.negative() {
		return false
	}
	return l.implicit || s.pool.slots[owner].group == s.pool.slots[s.pool.versions[l.owner].slot].group
}

// relations returns the critical relations of a version, in apt's order.
func (s *solver) relations(v int32) []link {
	if l, ok := s.links[v]; ok {
		return l
	}
	links := s.siblings(s.bind(v, linkPreDepends, linkBreaks), v)
	s.links[v] = links
	return links
}

// wishes returns the Recommends and Suggests of a version.
func (s *solver) wishes(v int32) []link {
	if l, ok := s.soft[v]; ok {
		return l
	}
	links := s.bind(v, linkRecommends, linkSuggests)
	s.soft[v] = links
	return links
}

// bind gives the relations of some kinds. A negative relation without an
// architecture concerns all siblings; those that came to the pool after v go to
// the end.
func (s *solver) bind(v int32, from, to linkKind) []link {
	p := s.pool
	arch := p.slots[p.versions[v].slot].arch
	var links, late []link
	for _, m := range p.membersOf(v) {
		if m.kind() < from || m.kind() > to {
			continue
		}
		l := link{owner: v, target: -1, kind: m.kind(), op: m.op(), version: p.str(m.version()), or: m.or()}
		switch {
		case m.qualified():
			l.target = p.groups[m.group].first
		case !l.negative():
			l.target = p.findIn(m.group, arch)
		default:
			l.or = false
			for t := p.groups[m.group].first; t >= 0; t = p.slots[t].next {
				if l.target = t; t < p.versions[v].born || t == p.groups[m.group].first {
					links = append(links, l)
				} else {
					late = append(late, l)
				}
			}
			continue
		}
		if l.target >= 0 { // as it is in every pool that was built, not read
			links = append(links, l)
		}
	}
	return append(links, late...)
}

// siblings adds what apt adds between the architectures of a package: two of
// Multi-Arch: same need the same version, all others exclude each other.
func (s *solver) siblings(links []link, v int32) []link {
	p := s.pool
	own := p.versions[v].slot
	g := p.groups[p.slots[own].group]
	if g.first == g.last {
		return links
	}
	var others []int32
	for t := g.first; t >= 0; t = p.slots[t].next {
		if t != own && p.slots[t].arch != p.slots[own].arch && p.slots[t].versions >= 0 {
			others = append(others, t)
		}
	}
	first := func(t int32) int32 { // version of t that came first, 0 if before v
		low := p.slots[t].versions
		for w := low; w >= 0; w = p.versions[w].next {
			low = min(low, w)
		}
		if low < v {
			return 0
		}
		return low
	}
	slices.SortStableFunc(others, func(a, b int32) int { return cmp.Compare(first(a), first(b)) })
	for _, t := range others {
		l := link{owner: v, target: t, kind: linkConflicts, implicit: true}
		if p.versions[v].multi&multiSame != 0 {
			l.kind, l.op, l.version = linkBreaks, opNotEqual, p.text(v)
		}
		links = append(links, l)
	}
	return links
}
