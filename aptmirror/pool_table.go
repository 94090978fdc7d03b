package aptmirror

// hashTable finds numbers by a hash of what they stand for. At least a quarter
// of its places are empty. The hash should have a secret seed, so that no
// archive can choose names that share a place.
type hashTable struct {
	places []hashPlace
	count  int
}

type hashPlace struct {
	hash  uint32
	value uint32 // + 1, 0: empty
}

// newHashTable makes room for n entries.
func newHashTable(n int) hashTable {
	size := 1 << 10
	for 3*size < 4*(n+1) {
		size *= 2
	}
	return hashTable{places: make([]hashPlace, size)}
}

// find returns the entry of that hash which is the same, or the empty place
// where it belongs; that is good until the next put.
func (t *hashTable) find(hash uint32, same func(value uint32) bool) *hashPlace {
	mask := uint32(len(t.places) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		at := &t.places[i]
		if at.value == 0 || at.hash == hash && same(at.value-1) {
			return at
		}
	}
}

// put fills an empty place that find has returned.
func (t *hashTable) put(at *hashPlace, hash, value uint32) {
	*at = hashPlace{hash, value + 1}
	if t.count++; 4*t.count <= 3*len(t.places) {
		return
	}
	old := t.places
	t.places = make([]hashPlace, 2*len(old))
	for _, p := range old {
		if p.value > 0 {
			*t.find(p.hash, func(uint32) bool { return false }) = p
		}
	}
}
