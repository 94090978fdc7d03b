package aptmirror

import (
	"fmt"
	"slices"
	"strings"
)

// absent is the reason for a package that no archive has for its architecture:
// for which one it is there, or what is called nearly so.
func (s *solver) absent(label string, bound Dependency) Reason {
	p := s.pool
	r := Reason{Text: fmt.Sprintf("no package %q in %s", label, p.archiveNames())}
	base, _, _ := cutLast(label)
	if g, ok := p.group(base); ok {
		for t := p.groups[g].first; t >= 0; t = p.slots[t].next {
			if p.slots[t].versions >= 0 {
				r.Because = append(r.Because, Reason{Text: s.versionsSeen(t)})
			}
		}
	}
	if len(r.Because) > 0 {
		return r
	}
	if s.lack(label, bound); len(s.lacking) > maxReasonLines {
		return r
	}
	if near := p.near(label); len(near) > 0 {
		r.Because = append(r.Because, Reason{Text: "near it: " + strings.Join(near, ", ")})
	}
	return r
}

// lack notes what no archive has; bound has no name.
func (s *solver) lack(label string, bound Dependency) {
	bound.Name, _, _ = cutLast(label)
	s.lacking = append(s.lacking, bound)
}

// bound is that of a relation.
func (l *link) bound() Dependency {
	return Dependency{Op: l.op.String(), Version: l.version}
}

// cannotDo is the reason for a relation that nothing which apt would install
// fulfils: what was seen, and what would do if somebody asked for it by name.
func (s *solver) cannotDo(l *link) Reason {
	p := s.pool
	if p.slots[l.target].versions < 0 {
		if by := s.unversioned(l); by != "" {
			return Reason{Text: fmt.Sprintf("%s is provided, but not in a version that would do: by %s", p.label(l.target), by)}
		}
		return s.absent(p.label(l.target), l.bound())
	}
	r := Reason{Text: s.versionsSeen(l.target)}
	for v := p.slots[l.target].versions; v >= 0; v = p.versions[v].next {
		if a := p.archiveOf(v); a >= 0 && l.accepts(p.text(v)) && v != s.at(l.target).best() {
			where := p.archiveName(a)
			r.Because = append(r.Because, Reason{Text: fmt.Sprintf("%s %s of %s would do, but apt takes it only if it is asked for: add %s=%s",
				p.label(l.target), p.text(v), where, p.label(l.target), p.text(v))})
			return r
		}
	}
	s.lack(p.label(l.target), l.bound())
	return r
}

// unversioned lists who provides the target of a relation in vain.
func (s *solver) unversioned(l *link) string {
	p := s.pool
	var names []string
	for i := p.slots[l.target].provides; i >= 0; i = p.provides[i].next {
		owner := p.provides[i].owner
		name := p.label(p.versions[owner].slot) + " " + p.text(owner)
		if as := p.str(p.provides[i].version); as != "" {
			name += " as " + as
		} else {
			name += " without a version"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return strings.Join(names[:min(len(names), 5)], ", ")
}

// versionsSeen says which versions there are of a slot, and where.
func (s *solver) versionsSeen(t int32) string {
	p := s.pool
	var seen []string
	for v := p.slots[t].versions; v >= 0 && len(seen) < 6; v = p.versions[v].next {
		where := "installed"
		if a := p.archiveOf(v); a >= 0 {
			where = p.archiveName(a)
		}
		seen = append(seen, p.text(v)+" ("+where+")")
	}
	if len(seen) == 0 {
		return "no version of " + p.label(t) + " is in " + p.archiveNames()
	}
	text := "versions of " + p.label(t) + " seen: " + strings.Join(seen, ", ")
	if v := s.at(t).best(); len(seen) > 1 && v >= 0 {
		text += "; apt takes " + p.text(v)
	}
	return text
}

// archiveName is what a person calls an archive of the pool: its codename, for
// suites such as stable move on, if that tells it from the others.
func (p *Pool) archiveName(number int32) string {
	a := p.archives[number]
	same := 0
	for _, o := range p.archives {
		if o.Codename == a.Codename {
			same++
		}
	}
	if a.Suite == "" || a.Codename != "" && same == 1 {
		return a.Codename
	}
	return a.Suite
}

func (p *Pool) archiveNames() string {
	var names []string
	for i := range p.archives {
		if n := p.archiveName(int32(i)); n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return "the archives"
	}
	return strings.Join(names, ", ")
}
