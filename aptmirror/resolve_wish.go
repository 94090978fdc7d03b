package aptmirror

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// wishes turns the words of an apt-get install into versions.
type wishes struct {
	*solver
	versions []int32
	releases []releaseWish
	errors   []Reason
	notes    []string
}

// releaseWish is a version that was chosen by a release, whose dependencies may
// come from there too.
type releaseWish struct {
	version int32
	release string
}

// add understands one wish: "name", "name:arch", "name=version", "name/release".
// A name with *, ?, . or + that no package has is a glob, or else a regular
// expression, as for apt-get.
func (w *wishes) add(wish string) {
	if wish == "" || len(wish) > 512 {
		w.fail("a wish for a package is empty or longer than 512 bytes")
		return
	}
	name := wish
	if n := len(wish) - 1; wish[n] == '-' || wish[n] == '+' {
		if _, ok := w.pool.group(strings.SplitN(wish, ":", 2)[0]); !ok {
			if wish[n] == '-' {
				w.fail("%q asks to remove %s; a plan can only install", wish, wish[:n])
				return
			}
			name = wish[:n]
		}
	}
	bound, byRelease := "", false
	if i := strings.LastIndexAny(name, "/="); i >= 0 {
		byRelease, bound = name[i] == '/', name[i+1:]
		name = name[:i]
	}
	slots, pattern := w.slotsOf(name)
	if len(slots) == 0 {
		w.errors = append(w.errors, w.absent(name, Dependency{}))
		return
	}
	var taken []string
	for _, t := range slots {
		before := len(w.errors)
		v, ok := w.choose(t, bound, byRelease)
		if pattern {
			w.errors = w.errors[:before] // what a pattern cannot have it does not want
		}
		if ok && !slices.Contains(w.versions, v) {
			w.versions = append(w.versions, v)
			taken = append(taken, w.pool.label(w.pool.versions[v].slot))
		}
	}
	if pattern {
		w.notePattern(wish, taken)
	}
}

// notePattern says what a pattern stands for; that is seldom what was meant.
func (w *wishes) notePattern(wish string, taken []string) {
	text := "nothing at all"
	if n := len(taken); n > 5 {
		text = fmt.Sprintf("%s and %d more", strings.Join(taken[:5], ", "), n-5)
	} else if n > 0 {
		text = strings.Join(taken, ", ")
	}
	w.notes = append(w.notes, fmt.Sprintf("%q is no package; apt takes it as a pattern, which selects %s", wish, text))
}

func (w *wishes) fail(format string, args ...any) {
	w.errors = append(w.errors, Reason{Text: fmt.Sprintf(format, args...)})
}

// slotsOf finds what a name means: one package, or what its pattern matches.
func (w *wishes) slotsOf(name string) (slots []int32, pattern bool) {
	p := w.pool
	base, qualifier := name, ""
	if b, q, ok := cutLast(name); ok {
		base, qualifier = b, q
	}
	if g, ok := p.group(base); ok && p.groups[g].first >= 0 {
		t := int32(-1)
		switch qualifier {
		case "":
			t = p.preferred(g, true)
		case "any":
			t = p.groups[g].first
		default:
			t = p.findIn(g, p.arch(qualifier))
		}
		if t >= 0 {
			return []int32{t}, false
		}
	}
	for _, arch := range p.arches {
		if qualifier == "" || qualifier == arch {
			if t := p.find(base+":"+arch, archAny); t >= 0 {
				return []int32{t}, false
			}
		}
	}
	if strings.ContainsAny(name, ".?*[]!") {
		if list := w.matchingNames(qualifier, func(n string) bool { return matchGlob(base, n) }); len(list) > 0 {
			return list, true
		}
	}
	if strings.ContainsAny(name, ".?+*|[^$") {
		if re, err := regexp.Compile("(?i)" + base); err == nil {
			return w.matchingNames(qualifier, re.MatchString), true
		}
	}
	return nil, false
}

func (w *wishes) matchingNames(qualifier string, match func(string) bool) []int32 {
	p := w.pool
	var list []int32
	for g := range p.groups {
		if p.groups[g].first < 0 || !match(p.str(p.groups[g].name)) {
			continue
		}
		t := p.findIn(int32(g), 0)
		if qualifier != "" {
			t = p.findIn(int32(g), p.arch(qualifier))
		} else if t < 0 {
			t = p.preferred(int32(g), true)
		}
		if t >= 0 {
			list = append(list, t)
		}
	}
	slices.Sort(list)
	return list
}

// choose finds the version of a slot that a wish means.
func (w *wishes) choose(t int32, bound string, byRelease bool) (int32, bool) {
	p := w.pool
	switch {
	case bound == "" || bound == "candidate":
		if v := w.at(t).candidate; v >= 0 {
			return v, true
		}
		return w.onlyProvider(t, func(r *provide) bool { return w.at(p.versions[r.owner].slot).candidate == r.owner })
	case bound == "installed":
		if v := w.at(t).current; v >= 0 {
			return v, true
		}
	case bound == "newest":
		if v := p.slots[t].versions; v >= 0 {
			return v, true
		}
	default:
		for v := p.slots[t].versions; v >= 0; v = p.versions[v].next {
			if byRelease && p.inRelease(v, bound) || !byRelease && matchGlob(bound, p.text(v)) {
				if byRelease || p.text(v) != bound {
					w.releases = append(w.releases, releaseWish{v, bound})
				}
				return v, true
			}
		}
		if p.slots[t].versions < 0 {
			return w.onlyProvider(t, func(r *provide) bool {
				return byRelease && p.inRelease(r.owner, bound) || !byRelease && p.str(r.version) == bound
			})
		}
	}
	w.errors = append(w.errors, w.noVersion(t, bound, byRelease))
	return -1, false
}

// onlyProvider takes the one package that provides a virtual one. With several,
// somebody has to choose, and the error lists them.
func (w *wishes) onlyProvider(t int32, accept func(*provide) bool) (int32, bool) {
	p := w.pool
	chosen := int32(-1)
	for i := p.slots[t].provides; i >= 0; i = p.provides[i].next {
		r := &p.provides[i]
		if !accept(r) {
			continue
		}
		if chosen < 0 {
			chosen = r.owner
			continue
		}
		old, new := &p.slots[p.versions[chosen].slot], &p.slots[p.versions[r.owner].slot]
		if old.group != new.group {
			w.errors = append(w.errors, w.noCandidate(t))
			return -1, false
		}
		if old.arch != p.slots[t].arch && new.arch < old.arch {
			chosen = r.owner
		}
	}
	if chosen < 0 {
		w.errors = append(w.errors, w.noCandidate(t))
		return -1, false
	}
	return chosen, true
}
