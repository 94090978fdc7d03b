package aptmirror

import (
	"fmt"
	"slices"
	"strings"
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
type Pool struct {
	arches   []string // 0 is the native one, then the foreign ones, then mere mentions
	known    int      // how many of them packages may be installed for
	archives []ArchiveInfo
	names    nameTable
	groups   []group
	slots    []slot
	versions []slotVersion
	provides []provide
	files    []file
	stanzas  []*Package // a version's data, by version.stanza
	pinned   int        // groups whose name carries an architecture, "foo:i386"
}

// group is one name with its slots, one an architecture.
type group struct {
	name        string
	first, last int32 // slots, in order of creation; -1 if there are none
}

// slot is a name of one architecture: what apt calls a package. Most slots have
// versions, others are only depended on or provided.
type slot struct {
	group     int32
	next      int32 // of the same group, -1 at the end
	arch      int16 // index of arches, or archAny
	versions  int32 // highest first, -1 if there is none
	provides  int32 // who provides this slot, the latest first; -1
	current   int32 // the version that a status file calls installed; -1
	essential bool
	important bool
	hold      bool
}

// slotVersion is one version of a slot; several archives can have it.
type slotVersion struct {
	slot     int32
	next     int32 // the next lower one, -1
	stanza   int32
	provides int32 // what it provides, the latest first; -1
	born     int32 // number of slots when its Depends had been read
	file     int32 // the archives that have it, in order
	multi    uint8
	priority uint8
}

// provide tells that a version provides a slot.
type provide struct {
	owner   int32 // version
	slot    int32
	next    int32 // of the slot
	after   int32 // of the owner
	version string
	flags   uint8
}

// file tells where a version was seen. archive is -1 for a status file.
type file struct {
	archive, stanza, next int32
}

const archAny = -1

const (
	multiSame uint8 = 1 << iota
	multiForeign
	multiAllowed
	multiAll // Architecture: all
)

const (
	provideImplicit uint8 = 1 << iota // apt added it for Multi-Arch
	provideArch                       // names an architecture
)

const maxPoolSlots = 1 << 24

// NewPool builds the pool of packages. They must come in the order in which apt
// reads them: archive by archive as in its sources, component by component, the
// native architecture first, each index in its own order. Package.Archive is an
// index of archives. native is the architecture that "all" packages count as;
// packages of any other architecture than these are refused, and so is an
// index whose relation fields do not parse. The pool keeps pointers into packages.
func NewPool(native string, foreign []string, archives []ArchiveInfo, packages []Package) (*Pool, error) {
	if native == "" || native == "all" || native == "any" {
		return nil, fmt.Errorf("building package pool: native architecture %q is none", native)
	}
	p := &Pool{
		arches:   append([]string{native}, foreign...),
		archives: archives,
		names:    newNameTable(len(packages) * 3 / 2),
		groups:   make([]group, 0, len(packages)*3/2),
		slots:    make([]slot, 0, len(packages)*3/2),
		versions: make([]slotVersion, 0, len(packages)),
		provides: make([]provide, 0, len(packages)*3/2),
		files:    make([]file, 0, len(packages)),
		stanzas:  make([]*Package, 0, len(packages)),
	}
	p.known = len(p.arches)
	for i := range packages {
		if a := packages[i].Archive; a < 0 || a >= len(archives) {
			return nil, fmt.Errorf("building package pool: %s has archive number %d of %d", packages[i].Name, a, len(archives))
		}
		if err := p.add(&packages[i], false); err != nil {
			return nil, fmt.Errorf("building package pool: %w", err)
		}
	}
	return p, nil
}

// withStatus returns a pool that also knows what is installed. p is unchanged.
func (p *Pool) withStatus(installed []Package) (*Pool, error) {
	if len(installed) == 0 {
		return p, nil
	}
	q := *p
	q.names.places = slices.Clone(p.names.places)
	q.arches = slices.Clone(p.arches)
	q.groups = slices.Clone(p.groups)
	q.slots = slices.Clone(p.slots)
	q.versions = slices.Clone(p.versions)
	q.provides = slices.Clone(p.provides)
	q.files = slices.Clone(p.files)
	q.stanzas = slices.Clone(p.stanzas)
	for i := range installed {
		if err := q.add(&installed[i], true); err != nil {
			return nil, fmt.Errorf("reading status of base system: %w", err)
		}
	}
	return &q, nil
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

// arch returns the number of an architecture; unknown ones get a new number.
func (p *Pool) arch(name string) int16 {
	if name == "all" || name == "native" {
		return 0
	}
	if name == "any" {
		return archAny
	}
	for i, a := range p.arches {
		if a == name {
			return int16(i)
		}
	}
	if len(p.arches) >= 1<<12 {
		return int16(len(p.arches) - 1)
	}
	p.arches = append(p.arches, strings.Clone(name))
	return int16(len(p.arches) - 1)
}

func (p *Pool) name(s int32) string { return p.groups[p.slots[s].group].name }

// label names a slot for people: the architecture only if it is not the native one.
func (p *Pool) label(s int32) string {
	if a := p.slots[s].arch; a > 0 {
		return p.name(s) + ":" + p.arches[a]
	}
	return p.name(s)
}

func (p *Pool) data(v int32) *Package { return p.stanzas[p.versions[v].stanza] }

func (p *Pool) text(v int32) string { return p.data(v).Version }
