package aptmirror

import (
	"errors"
	"fmt"
	"unsafe"
)

// check proves that the tables of a pool can be followed from anywhere without
// falling off their ends or going in circles. It does not prove that they are
// true: for that, there is the hash of a pool on disk, and the chain from an
// archive's key to its packages, which is checked before anything is built.
func (p *Pool) check() error {
	if p.known < 1 || p.known > len(p.arches) || len(p.arches) > 1<<12 {
		return errors.New("its architectures are none")
	}
	for _, one := range [...]struct {
		what string
		ok   func() bool
	}{
		{"strings", p.checkStrings}, {"groups", p.checkGroups}, {"slots", p.checkSlots},
		{"versions", p.checkVersions}, {"provides", p.checkProvides}, {"stanzas", p.checkStanzas}, {"members", p.checkMembers},
	} {
		if !one.ok() {
			return fmt.Errorf("its table of %s is not sound", one.what)
		}
	}
	return nil
}

// in tells whether i is an index of a list of n, or none at all.
func in(i int32, n int) bool { return i >= -1 && int(i) < n }

func (p *Pool) hasRef(r ref) bool { return int(r) < len(p.strings.ends) }

func (p *Pool) checkStrings() bool {
	t := &p.strings
	if len(t.ends) == 0 || t.ends[0] != 0 || len(t.ends) > maxRefs || int(t.ends[len(t.ends)-1]) != len(t.heap) {
		return false
	}
	for i := 1; i < len(t.ends); i++ {
		if t.ends[i] < t.ends[i-1] {
			return false
		}
	}
	return true
}

// checkGroups also walks the slots of each group: every slot is in its group's
// list, once.
func (p *Pool) checkGroups() bool {
	if len(p.order) != len(p.groups) {
		return false
	}
	for _, g := range p.order {
		if g < 0 || int(g) >= len(p.groups) {
			return false
		}
	}
	left := len(p.slots)
	for g := range p.groups {
		t := &p.groups[g]
		if !p.hasRef(t.name) || !in(t.first, len(p.slots)) {
			return false
		}
		last := int32(-1)
		for s := t.first; s >= 0; s = p.slots[s].next {
			if left--; left < 0 || p.slots[s].group != int32(g) || !in(p.slots[s].next, len(p.slots)) {
				return false
			}
			last = s
		}
		if t.last != last {
			return false
		}
	}
	return left == 0
}

// checkSlots also walks the versions and the providers of each slot.
func (p *Pool) checkSlots() bool {
	versions, provides := len(p.versions), len(p.provides)
	for s := range p.slots {
		t := &p.slots[s]
		if t.arch < archAny || int(t.arch) >= len(p.arches) || t.current != -1 ||
			!isBool(&t.essential) || !isBool(&t.important) || !isBool(&t.hold) ||
			!in(t.versions, len(p.versions)) || !in(t.provides, len(p.provides)) {
			return false
		}
		if known := t.arch >= 0 && int(t.arch) < p.known; !known && (t.versions >= 0 || t.essential || t.important) {
			return false
		}
		for v := t.versions; v >= 0; v = p.versions[v].next {
			if versions--; versions < 0 || p.versions[v].slot != int32(s) || !in(p.versions[v].next, len(p.versions)) {
				return false
			}
		}
		for i := t.provides; i >= 0; i = p.provides[i].next {
			if provides--; provides < 0 || p.provides[i].slot != int32(s) || !in(p.provides[i].next, len(p.provides)) {
				return false
			}
		}
	}
	return versions == 0 && provides == 0
}

// checkVersions also walks the stanzas of each version and what it provides.
func (p *Pool) checkVersions() bool {
	stanzas, provides := len(p.stanzas), len(p.provides)
	for v := range p.versions {
		t := &p.versions[v]
		if t.stanza < 0 || !in(t.stanza, len(p.stanzas)) || !in(t.provides, len(p.provides)) || t.priority > 5 {
			return false
		}
		for i := t.stanza; i >= 0; i = p.stanzas[i].next {
			if stanzas--; stanzas < 0 || !in(p.stanzas[i].next, len(p.stanzas)) {
				return false
			}
		}
		for i := t.provides; i >= 0; i = p.provides[i].after {
			if provides--; provides < 0 || p.provides[i].owner != int32(v) || !in(p.provides[i].after, len(p.provides)) {
				return false
			}
		}
	}
	return stanzas == 0 && provides == 0
}

func (p *Pool) checkProvides() bool {
	for i := range p.provides {
		if !p.hasRef(p.provides[i].version) {
			return false
		}
	}
	return true
}

func (p *Pool) checkStanzas() bool {
	for i := range p.stanzas {
		t := &p.stanzas[i]
		if t.from > t.to || int(t.to) > len(p.members) || t.archive < 0 || int(t.archive) >= len(p.archives) ||
			t.arch < 0 || int(t.arch) >= len(p.arches) || !isBool(&t.all) || !isBool(&t.essential) || !isBool(&t.important) {
			return false
		}
		for _, r := range [...]ref{t.name, t.version, t.source, t.sourceVersion, t.dir, t.base} {
			if !p.hasRef(r) {
				return false
			}
		}
	}
	return true
}

func (p *Pool) checkMembers() bool {
	for _, m := range p.members {
		if m.group < 0 || int(m.group) >= len(p.groups) || !p.hasRef(m.version()) || m.op() > opGreater {
			return false
		}
	}
	return true
}

// isBool: a byte that is neither 0 nor 1 is no bool, and may act as both.
func isBool(b *bool) bool { return *(*uint8)(unsafe.Pointer(b)) <= 1 }
