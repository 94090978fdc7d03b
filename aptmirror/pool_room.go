package aptmirror

import (
	"encoding/json"
	"fmt"
	"unsafe"
)

// A pool can be built where it will lie on disk: in memory that is a file's,
// which the kernel may write out and take back, and which need not be written
// once more in the end. NewPoolBuilder takes such room, and Seal makes a pool of
// it that OpenPool takes.

// metaRoom is what a room has for what is no table; more goes the other way.
const metaRoom = 64 << 10

// PoolRoom returns how many bytes of room there should be for a pool of indexes
// that have about plain bytes.
func PoolRoom(plain int64) int {
	n := poolEstimate(plain)
	size := int(unsafe.Sizeof(poolHeader{})) + metaRoom
	var p Pool
	for i, t := range p.tables() {
		size += align(n.entries()[i] * t.size)
	}
	return size
}

// estimate is how many packages some indexes may have; they have the last word.
type estimate int

func poolEstimate(plain int64) estimate {
	return estimate(min(max(plain, 0)/700, maxPackages)) // a stanza has 800 bytes or so
}

// entries is for how many entries each table gets room, in the order of
// Pool.tables.
func (n estimate) entries() [poolParts - 1]int {
	one := int(n)
	return [...]int{60 * one, 3 * one, 2 * one, 2 * one, one, one, one, 8 * one, 2 * one}
}

// poolRoom gives away memory from its beginning to its end.
type poolRoom struct {
	data []byte // begins at a multiple of 8, and is all zero; nil: the heap is used
	used int
}

func newPoolRoom(data []byte) poolRoom {
	head := int(unsafe.Sizeof(poolHeader{}))
	if len(data) < head || uintptr(unsafe.Pointer(&data[0]))%8 != 0 {
		return poolRoom{}
	}
	return poolRoom{data, head}
}

// listIn returns an empty list with capacity for n entries. When it outgrows that,
// or when there was no room, it is on the heap like any other.
func listIn[T any](r *poolRoom, n int) []T {
	var zero T
	size := align(n * int(unsafe.Sizeof(zero)))
	if size == 0 || size > len(r.data)-r.used {
		return make([]T, 0, n)
	}
	raw := r.data[r.used : r.used+size : r.used+size]
	r.used += size
	return tableOf[T](raw, n)[:0:n]
}

// offset returns where in the room a part lies; ok is false if it does not. An
// empty part lies anywhere.
func (r *poolRoom) offset(part []byte) (at int, ok bool) {
	if len(part) == 0 {
		return int(unsafe.Sizeof(poolHeader{})), true
	}
	at = int(uintptr(unsafe.Pointer(&part[0])) - uintptr(unsafe.Pointer(&r.data[0])))
	return at, at >= 0 && at+align(len(part)) <= r.used
}

// Seal makes a file for OpenPool of the room that b was given, in which its pool,
// which Build has returned, lies. It returns how many bytes of it the file has;
// ok is false if the pool has grown out of it, so that WritePool must write it.
// It changes nothing that the pool needs, which may be in use.
func (b *PoolBuilder) Seal(p *Pool, key string) (n int64, ok bool, err error) {
	r := &b.room
	if r.data == nil {
		return 0, false, nil
	}
	meta, err := json.Marshal(poolMeta{key, p.arches, p.known, p.archives})
	if err != nil {
		return 0, false, fmt.Errorf("writing package pool: %w", err)
	}
	h := newPoolHeader()
	parts := [][]byte{nil}
	for i, t := range p.tables() {
		at, ok := r.offset(t.bytes)
		if !ok {
			return 0, false, nil
		}
		h.parts[i+1] = poolSpan{uint64(at), uint64(t.count)}
		parts = append(parts, r.data[at:at+align(len(t.bytes))])
	}
	end := r.used + align(len(meta))
	if end+poolCheck > len(r.data) {
		return 0, false, nil
	}
	copy(r.data[r.used:], meta)
	h.parts[0] = poolSpan{uint64(r.used), uint64(len(meta))}
	parts[0] = r.data[r.used:end]
	head := bytesOf([]poolHeader{h})
	copy(r.data, head)
	sum, ok := sumPieces(append([][]byte{head}, parts...))
	copy(r.data[end:], sum[:])
	return int64(end + poolCheck), ok, nil
}
