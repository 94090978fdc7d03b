package aptmirror

import (
	"cmp"
	"slices"
)

// ArchiveInfo is what apt's policy needs to know of one archive (suite). The
// zero value is an ordinary archive without a name: priority 500.
type ArchiveInfo struct {
	Suite                string // Release file: Suite
	Codename             string // Release file: Codename
	Version              string // Release file: Version, "12.10"
	NotAutomatic         bool   // Release file: NotAutomatic: yes; priority 1
	ButAutomaticUpgrades bool   // together with NotAutomatic; priority 100
	Pin                  int    // a priority that replaces the default one, if not 0
}

// Pool holds all packages of some archives as apt's cache does: the same
// package slots in the same order, the same versions, the same providers. The
// order counts, for apt breaks ties by it. A Pool does not change once it has
// been built, and may be used by many Resolve calls at a time.
//
// It is a few flat tables that refer to each other by index, without a single
// pointer, so that a pool on disk is the same tables (see WritePool).
type Pool struct {
	arches   []string // 0 is the native one, then the foreign ones, then mere mentions
	known    int      // how many of them packages may be installed for
	archives []ArchiveInfo
	strings  stringTable
	groups   []group
	slots    []slot
	versions []slotVersion
	provides []provide
	stanzas  []stanza
	members  []member
	order    []int32 // groups as apt's table of names has them: by inOrder
}

const (
	archAny   = -1
	archOther = -2 // one that nothing in the pool mentions
)

// group returns the number of the group of a name.
func (p *Pool) group(name string) (int32, bool) {
	hash := nameHash(name)
	i, ok := slices.BinarySearchFunc(p.order, name, func(g int32, name string) int {
		return p.inOrder(p.groups[g].name, name, hash)
	})
	if !ok {
		return -1, false
	}
	return p.order[i], true
}

// inOrder places a name in apt's order: by hash, then by length, then by the
// letters. hash is that of name.
func (p *Pool) inOrder(r ref, name string, hash uint32) int {
	other := p.str(r)
	if c := cmp.Compare(nameHash(other), hash); c != 0 {
		return c
	}
	if c := cmp.Compare(len(other), len(name)); c != 0 {
		return c
	}
	return cmp.Compare(other, name)
}

// find returns the slot of a name and architecture, -1 if there is none.
func (p *Pool) find(name string, arch int16) int32 {
	g, ok := p.group(name)
	if !ok {
		return -1
	}
	return p.findIn(g, arch)
}

// findIn is find within a group. For archAny it is the group's first slot.
func (p *Pool) findIn(g int32, arch int16) int32 {
	s := p.groups[g].first
	if arch == archAny {
		return s
	}
	for ; s >= 0 && p.slots[s].arch != arch; s = p.slots[s].next {
	}
	return s
}

// preferred returns the group's native slot, or else that of the first
// architecture that has one; with real, only slots with versions count at first.
func (p *Pool) preferred(g int32, real bool) int32 {
	for a := range p.known {
		if s := p.findIn(g, int16(a)); s >= 0 && (!real || p.slots[s].versions >= 0) {
			return s
		}
	}
	if real {
		return p.preferred(g, false)
	}
	return -1
}

// arch returns the number of an architecture.
func (p *Pool) arch(name string) int16 {
	switch name {
	case "all", "native":
		return 0
	case "any":
		return archAny
	}
	if i := slices.Index(p.arches, name); i >= 0 {
		return int16(i)
	}
	return archOther
}

// str returns a string of the pool.
func (p *Pool) str(r ref) string { return p.strings.at(r) }

func (p *Pool) name(s int32) string { return p.str(p.groups[p.slots[s].group].name) }

// label names a slot for people: the architecture only if it is not the native one.
func (p *Pool) label(s int32) string {
	if a := p.slots[s].arch; a > 0 {
		return p.name(s) + ":" + p.arches[a]
	}
	return p.name(s)
}

// data returns the first stanza of a version.
func (p *Pool) data(v int32) *stanza { return &p.stanzas[p.versions[v].stanza] }

func (p *Pool) text(v int32) string { return p.str(p.data(v).version) }

// sourceOf returns the source package of a version, and its version.
func (p *Pool) sourceOf(v int32) (name, version string) {
	d := p.data(v)
	name, version = p.str(d.source), p.str(d.sourceVersion)
	if name == "" {
		name = p.str(d.name)
	}
	if version == "" {
		version = p.str(d.version)
	}
	return name, version
}
