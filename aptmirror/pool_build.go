package aptmirror

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
)

const maxPoolSlots = 1 << 24

// A PoolBuilder makes a Pool. It is given all packages in the order in which
// apt reads them: archive by archive as in its sources, component by component,
// the native architecture first, each index in its own order.
type PoolBuilder struct {
	Pool
	words  *interner
	byName []int32   // by ref of a name: its group + 1; shorter than the table of strings
	files  hashTable // stanzas of the index at hand, by Filename
	pinned int       // groups whose name carries an architecture, "foo:i386"
	room   poolRoom
	err    error
}

// NewPoolBuilder returns a builder of a pool for some architectures. native is
// the one that "all" packages count as; packages of any other architecture than
// these are refused. plain is about how many bytes of indexes will come, 0 if
// nobody knows: room is made for them beforehand. The pool then lies in room, as
// far as it fits: PoolRoom(plain) bytes, all of them zero, which must be there as
// long as the pool is; or nil.
func NewPoolBuilder(native string, foreign []string, archives []ArchiveInfo, plain int64, room []byte) (*PoolBuilder, error) {
	if native == "" || native == "all" || native == "any" {
		return nil, fmt.Errorf("building package pool: native architecture %q is none", native)
	}
	b := &PoolBuilder{Pool: Pool{arches: append([]string{native}, foreign...), archives: archives}}
	b.known = len(b.arches)
	b.room = newPoolRoom(room)
	n := poolEstimate(plain)
	size := n.entries()
	b.strings.heap = listIn[byte](&b.room, size[0])
	b.strings.ends = listIn[uint32](&b.room, size[1])
	b.groups = listIn[group](&b.room, size[2])
	b.slots = listIn[slot](&b.room, size[3])
	b.versions = listIn[slotVersion](&b.room, size[4])
	b.provides = listIn[provide](&b.room, size[5])
	b.stanzas = listIn[stanza](&b.room, size[6])
	b.members = listIn[member](&b.room, size[7])
	b.order = listIn[int32](&b.room, size[8])
	b.byName = make([]int32, 0, size[1])
	b.words = newInterner(&b.strings, 2*int(n))
	return b, nil
}

// NewPool builds the pool of packages, which must come in the order that a
// PoolBuilder wants. Package.Archive is an index of archives. The pool keeps
// nothing of packages.
func NewPool(native string, foreign []string, archives []ArchiveInfo, packages []Package) (*Pool, error) {
	b, err := NewPoolBuilder(native, foreign, archives, int64(len(packages))*800, nil)
	if err != nil {
		return nil, err
	}
	for i := range packages {
		if err := b.Add(&packages[i]); err != nil {
			return nil, err
		}
	}
	return b.Build()
}

// Add puts one package into the pool.
func (b *PoolBuilder) Add(pkg *Package) error {
	if a := pkg.Archive; a < 0 || a >= len(b.archives) {
		return b.fail(fmt.Errorf("building package pool: %s has archive number %d of %d", pkg.Name, a, len(b.archives)))
	}
	if err := b.add(pkg, false); err != nil {
		return b.fail(fmt.Errorf("building package pool: %w", err))
	}
	return nil
}

// ReadIndex puts a whole Packages index, plain, into the pool, and reads r to
// its end. What it refuses is what ReadPackages does, and relation fields and
// architectures that make no sense, with name and line. Nothing of the index is
// kept but what the pool needs. archive is the index of its archive.
func (b *PoolBuilder) ReadIndex(name string, r io.Reader, archive int) error {
	if archive < 0 || archive >= len(b.archives) {
		return b.fail(fmt.Errorf("reading %s: it has archive number %d of %d", name, archive, len(b.archives)))
	}
	b.files = newHashTable(0)
	var pkg Package
	return b.fail(readAll(name, r, &packageReader{borrow: true}, func(p *packageReader, s *Stanza) error {
		if len(b.stanzas) >= maxPackages {
			return fmt.Errorf("%d packages or more: %w", maxPackages, ErrTooBig)
		}
		pkg = Package{Archive: archive}
		if err := p.read(s, &pkg); err != nil {
			return err
		}
		if err := checkIndexed(&pkg); err != nil {
			return err
		}
		if err := b.add(&pkg, false); err != nil {
			return err
		}
		return b.oneFile(&pkg)
	}))
}

// fail remembers the first error: what is half built is no pool.
func (b *PoolBuilder) fail(err error) error {
	if b.err == nil {
		b.err = err
	}
	return err
}

// Build returns the pool. The builder cannot be used after that.
func (b *PoolBuilder) Build() (*Pool, error) {
	if b.err == nil {
		b.err = b.words.err
	}
	if b.err != nil {
		return nil, b.err
	}
	p := b.Pool
	p.order = p.sorted(b.order)
	b.err = errors.New("building package pool: it has been built")
	return &p, nil
}

// withStatus returns a pool that also knows what is installed. p is unchanged.
func (p *Pool) withStatus(installed []Package) (*Pool, error) {
	if len(installed) == 0 {
		return p, nil
	}
	b := &PoolBuilder{Pool: *p}
	b.arches = slices.Clone(p.arches)
	b.strings = stringTable{slices.Clone(p.strings.heap), slices.Clone(p.strings.ends)}
	b.groups = slices.Clone(p.groups)
	b.slots = slices.Clone(p.slots)
	b.versions = slices.Clone(p.versions)
	b.provides = slices.Clone(p.provides)
	b.stanzas = slices.Clone(p.stanzas)
	b.members = slices.Clone(p.members)
	b.order = nil
	b.words = newInterner(&b.strings, len(p.strings.ends)+len(installed)*8)
	for g := range b.groups {
		b.nameGroup(b.groups[g].name, int32(g))
		if _, qualifier, ok := cutLast(b.str(b.groups[g].name)); ok && qualifier != "any" {
			b.pinned++
		}
	}
	for i := range installed {
		if err := b.add(&installed[i], true); err != nil {
			return nil, fmt.Errorf("reading status of base system: %w", err)
		}
	}
	return b.Build()
}

// sorted returns all groups by inOrder, in order if they fit.
func (p *Pool) sorted(order []int32) []int32 {
	type place struct {
		hash  uint32
		group int32
	}
	places := make([]place, len(p.groups))
	for i := range p.groups {
		places[i] = place{nameHash(p.str(p.groups[i].name)), int32(i)}
	}
	slices.SortFunc(places, func(a, b place) int {
		if a.hash != b.hash {
			return cmp.Compare(a.hash, b.hash)
		}
		return p.inOrder(p.groups[a.group].name, p.str(p.groups[b.group].name), b.hash)
	})
	order = order[:0]
	for _, at := range places {
		order = append(order, at.group)
	}
	return order
}

// oneFile refuses the last stanza if an earlier one of the same index gives its
// Filename other bytes.
func (b *PoolBuilder) oneFile(pkg *Package) error {
	hash := uint32(maphash.String(b.words.seed, pkg.Filename))
	at := b.files.find(hash, func(i uint32) bool { return b.filename(int32(i)) == pkg.Filename })
	if at.value == 0 {
		b.files.put(at, hash, uint32(len(b.stanzas))-1)
		return nil
	}
	if first := &b.stanzas[at.value-1]; first.sha256 != pkg.Blob.SHA256 || first.size != pkg.Blob.Size {
		return fmt.Errorf("%s has other bytes here than in an earlier stanza (package %s)", pkg.Filename, b.str(first.name))
	}
	return nil
}
