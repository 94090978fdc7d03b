package aptmirror

import "hash/maphash"

// nameTable finds groups by name. Half of its places are empty.
type nameTable struct {
	seed   maphash.Seed
	places []place
	count  int
}

// place holds a group's number + 1, and a part of its name's hash.
type place struct {
	hash  uint32
	group int32
}

func newNameTable(n int) nameTable {
	size := 1 << 10
	for size < 2*n {
		size *= 2
	}
	return nameTable{seed: maphash.MakeSeed(), places: make([]place, size)}
}

// group returns the number of the group of a name.
func (p *Pool) group(name string) (int32, bool) {
	at := p.names.find(p.groups, name, uint32(maphash.String(p.names.seed, name)))
	return at.group - 1, at.group > 0
}

// groupFor is group, and makes the group if there is none.
func (p *Pool) groupFor(name string) int32 {
	hash := uint32(maphash.String(p.names.seed, name))
	at := p.names.find(p.groups, name, hash)
	if at.group > 0 {
		return at.group - 1
	}
	p.groups = append(p.groups, group{name: name, first: -1, last: -1})
	*at = place{hash, int32(len(p.groups))}
	if p.names.count++; 2*p.names.count > len(p.names.places) {
		p.names.grow()
	}
	return int32(len(p.groups)) - 1
}

// find returns the place of a name, or the empty one where it belongs.
func (n *nameTable) find(groups []group, name string, hash uint32) *place {
	mask := uint32(len(n.places) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		at := &n.places[i]
		if at.group == 0 || at.hash == hash && groups[at.group-1].name == name {
			return at
		}
	}
}

func (n *nameTable) grow() {
	old := n.places
	n.places = make([]place, 2*len(old))
	mask := uint32(len(n.places) - 1)
	for _, at := range old {
		if at.group == 0 {
			continue
		}
		i := at.hash & mask
		for n.places[i].group != 0 {
			i = (i + 1) & mask
		}
		n.places[i] = at
	}
}
