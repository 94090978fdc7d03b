package aptmirror

import "satchel/manifest"

// The records of a Pool's tables. They hold numbers alone, at fixed places and
// without gaps, as they stand in a pool on disk. An index of -1 is none.

// group is one name with its slots, one an architecture.
type group struct {
	name        ref
	first, last int32 // slots, in order of creation; -1 if there are none
}

// slot is a name of one architecture: what apt calls a package. Most slots have
// versions, others are only depended on or provided.
type slot struct {
	group     int32
	next      int32 // of the same group, -1 at the end
	versions  int32 // highest first, -1 if there is none
	provides  int32 // who provides this slot, the latest first; -1
	current   int32 // the version that a status file calls installed; -1
	arch      int16 // index of arches, or archAny
	essential bool
	important bool
	hold      bool
	_         [3]byte
}

// slotVersion is one version of a slot; several archives can have it.
type slotVersion struct {
	slot     int32
	next     int32 // the next lower one, -1
	stanza   int32 // where it was seen first; the stanzas are in order
	provides int32 // what it provides, the latest first; -1
	born     int32 // number of slots when its Depends had been read
	multi    uint8
	priority uint8
	_        [2]byte
}

// provide tells that a version provides a slot.
type provide struct {
	owner   int32 // version
	slot    int32
	next    int32 // of the slot
	after   int32 // of the owner
	version ref
	flags   uint32
}

// stanza is what one archive, or a status file, says of a version.
type stanza struct {
	sha256        manifest.Digest
	size          int64
	name          ref
	version       ref
	source        ref
	sourceVersion ref
	dir           ref    // of the Filename
	base          ref    // the last part of it; 0 if it is what debName gives
	from, to      uint32 // its members
	next          int32  // the next stanza of the same version, -1
	archive       int32  // -1: a status file
	arch          int16  // index of arches
	phased        int8
	all           bool // Architecture: all
	essential     bool
	important     bool
	_             [2]byte
}

const (
	multiSame uint8 = 1 << iota
	multiForeign
	multiAllowed
	multiAll // Architecture: all
)

const (
	provideImplicit uint32 = 1 << iota // apt added it for Multi-Arch
	provideArch                        // names an architecture
)

// member is one member of a relation field: the group that it names (with
// ":arch", if it has one) and, in bits, the bound's version, the field and the
// operator.
type member struct {
	group int32
	bits  uint32
}

const (
	memberOp        uint32 = 7      // operator
	memberQualified uint32 = 1 << 3 // names an architecture
	memberOr        uint32 = 1 << 4 // an alternative follows
	memberKindAt           = 5      // linkKind, three bits
	memberVersionAt        = 8      // ref
)

func (m member) op() operator    { return operator(m.bits & memberOp) }
func (m member) qualified() bool { return m.bits&memberQualified != 0 }
func (m member) or() bool        { return m.bits&memberOr != 0 }
func (m member) kind() linkKind  { return linkKind(m.bits >> memberKindAt & 7) }
func (m member) version() ref    { return ref(m.bits >> memberVersionAt) }

func (k linkKind) negative() bool { return k == linkConflicts || k == linkBreaks || k == linkReplaces }
