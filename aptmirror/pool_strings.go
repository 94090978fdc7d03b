package aptmirror

import (
	"errors"
	"hash/maphash"
	"math"
	"unsafe"
)

// ref is the number of a string in a stringTable. 0 is the empty string.
type ref uint32

// maxRefs bounds the strings of a table: a member keeps 24 bits of a ref.
const maxRefs = 1 << 24

// stringTable holds strings one behind the other.
type stringTable struct {
	heap []byte
	ends []uint32 // by ref: where it ends in heap; it begins at the end before
}

// at returns a string, which shares the table's memory.
func (t *stringTable) at(r ref) string {
	if r == 0 {
		return ""
	}
	from, to := t.ends[r-1], t.ends[r]
	return unsafe.String(unsafe.SliceData(t.heap[from:to]), int(to-from))
}

// interner puts each string into a table once.
type interner struct {
	*stringTable
	seed  maphash.Seed
	table hashTable // of refs
	err   error     // of the first string that had no room
}

// newInterner knows what t holds, and has room for n strings in all.
func newInterner(t *stringTable, n int) *interner {
	if len(t.ends) == 0 {
		t.ends = append(t.ends, 0)
	}
	in := &interner{stringTable: t, seed: maphash.MakeSeed(), table: newHashTable(n)}
	for r := 1; r < len(t.ends); r++ {
		if hash, at := in.place(t.at(ref(r))); at.value == 0 {
			in.table.put(at, hash, uint32(r))
		}
	}
	return in
}

func (in *interner) place(s string) (uint32, *hashPlace) {
	hash := uint32(maphash.String(in.seed, s))
	return hash, in.table.find(hash, func(r uint32) bool { return in.at(ref(r)) == s })
}

// find returns the ref of a string; ok is false if the table has none.
func (in *interner) find(s string) (r ref, ok bool) {
	if s == "" {
		return 0, true
	}
	_, at := in.place(s)
	return ref(at.value) - 1, at.value > 0
}

// intern copies s into the table, unless it is there.
func (in *interner) intern(s string) ref {
	if s == "" {
		return 0
	}
	hash, at := in.place(s)
	if at.value > 0 {
		return ref(at.value) - 1
	}
	if len(in.ends) >= maxRefs || len(in.heap)+len(s) > math.MaxUint32 {
		if in.err == nil {
			in.err = errors.New("building package pool: it has more names and versions than this program can hold")
		}
		return 0
	}
	r := ref(len(in.ends))
	in.heap = append(in.heap, s...)
	in.ends = append(in.ends, uint32(len(in.heap)))
	in.table.put(at, hash, uint32(r))
	return r
}
