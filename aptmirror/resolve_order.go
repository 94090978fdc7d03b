package aptmirror

import (
	"math/bits"
)

// byPreference tells whether apt would rather have version a than b to match l.
func (s *solver) byPreference(l *link, a, b int32) bool {
	p := s.pool
	ta, tb := p.versions[a].slot, p.versions[b].slot
	sa, sb := s.at(ta), s.at(tb)
	if sa.protected != sb.protected {
		return sa.protected
	}
	if x, y := s.hasSiblings(a), s.hasSiblings(b); x != y {
		return x
	}
	if (sa.current < 0 || sb.current < 0) && sa.current != sb.current {
		return sa.current >= 0
	}
	la, lb, want := &p.slots[ta], &p.slots[tb], p.slots[l.target].group
	if la.group != lb.group && (la.group == want || lb.group == want) {
		return la.group == want
	}
	if la.essential != lb.essential {
		return la.essential
	}
	if la.important != lb.important {
		return la.important
	}
	if la.arch != lb.arch { // native first, then in the order of the foreign ones
		return la.arch < lb.arch
	}
	if x, y := p.versions[a].priority, p.versions[b].priority; x != y {
		return x < y
	}
	return ta > tb
}

// hasSiblings tells whether a Multi-Arch: same package is installed already, for
// any architecture.
func (s *solver) hasSiblings(v int32) bool {
	p := s.pool
	if p.versions[v].multi&multiSame == 0 {
		return false
	}
	for t := p.groups[p.slots[p.versions[v].slot].group].first; t >= 0; t = p.slots[t].next {
		if s.index[t] > 0 && s.at(t).current >= 0 {
			return true
		}
	}
	return false
}

// slotOrder returns all slots in the order in which apt walks them: by name as
// its table has them, then by time within a group.
func (p *Pool) slotOrder() []int32 {
	list := make([]int32, 0, len(p.slots))
	for _, g := range p.order {
		for t := p.groups[g].first; t >= 0; t = p.slots[t].next {
			list = append(list, t)
		}
	}
	return list
}

// nameHash is the hash of apt's table of names, which has 196,613 buckets.
func nameHash(name string) uint32 {
	h := uint32(5381)
	for i := range len(name) {
		h = 33*h + uint32(int32(int8(name[i]|0x20)))
	}
	return h % 196613
}

// sortLikeApt sorts as the C++ library that apt is built with does, and so
// leaves what compares equal in the same places: median of three, halves until
// 16 are left, then one insertion sort over the whole.
func sortLikeApt(list []int32, less func(a, b int32) bool) {
	if len(list) < 2 {
		return
	}
	partitionSort(list, 2*(bits.Len(uint(len(list)))-1), less)
	head := min(len(list), sortThreshold)
	for i := 1; i < len(list); i++ {
		v := list[i]
		if i < head && less(v, list[0]) {
			copy(list[1:i+1], list[:i])
			list[0] = v
			continue
		}
		j := i
		for ; j > 0 && less(v, list[j-1]); j-- {
			list[j] = list[j-1]
		}
		list[j] = v
	}
}

const sortThreshold = 16

func partitionSort(list []int32, depth int, less func(a, b int32) bool) {
	for len(list) > sortThreshold {
		if depth == 0 {
			heapSort(list, less)
			return
		}
		depth--
		cut := partition(list, less)
		partitionSort(list[cut:], depth, less)
		list = list[:cut]
	}
}

func partition(list []int32, less func(a, b int32) bool) int {
	medianFirst(list, 1, len(list)/2, len(list)-1, less)
	pivot := list[0]
	i, j := 1, len(list)
	for {
		for i < len(list) && less(list[i], pivot) {
			i++
		}
		j--
		for j > 0 && less(pivot, list[j]) {
			j--
		}
		if i >= j {
			return i
		}
		list[i], list[j] = list[j], list[i]
		i++
	}
}

func medianFirst(list []int32, a, b, c int, less func(a, b int32) bool) {
	m := a
	switch {
	case less(list[a], list[b]):
		if less(list[b], list[c]) {
			m = b
		} else if less(list[a], list[c]) {
			m = c
		}
	case less(list[a], list[c]):
	case less(list[b], list[c]):
		m = c
	default:
		m = b
	}
	list[0], list[m] = list[m], list[0]
}

func heapSort(list []int32, less func(a, b int32) bool) {
	for parent := (len(list) - 2) / 2; parent >= 0; parent-- {
		sift(list, parent, list[parent], less)
	}
	for n := len(list) - 1; n > 0; n-- {
		v := list[n]
		list[n] = list[0]
		sift(list[:n], 0, v, less)
	}
}

// sift lets the hole sink to the bottom and v rise from there.
func sift(list []int32, hole int, v int32, less func(a, b int32) bool) {
	top, child := hole, hole
	for child < (len(list)-1)/2 {
		child = 2 * (child + 1)
		if less(list[child], list[child-1]) {
			child--
		}
		list[hole] = list[child]
		hole = child
	}
	if len(list)%2 == 0 && child == (len(list)-2)/2 {
		child = 2*child + 1
		list[hole] = list[child]
		hole = child
	}
	for hole > top && less(list[(hole-1)/2], v) {
		list[hole] = list[(hole-1)/2]
		hole = (hole - 1) / 2
	}
	list[hole] = v
}
