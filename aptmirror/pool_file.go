package aptmirror

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unsafe"
)

// A pool on disk is the tables as they are in memory, so that opening one is
// mapping it, and checking it. All of it is in the byte order of the machine,
// and every part begins at a multiple of 8:
//
//	header   poolHeader
//	meta     JSON: the key, the architectures, the archives
//	tables   heap, ends, groups, slots, versions, provides, stanzas, members, order
//	check    SHA-256 of the CRC-32C of each 64 KiB before it
//
// It is a cache of what this very program has made of some indexes: whoever
// cannot read it makes it anew. The check finds what a disk or a crash has
// spoilt; Pool.check, what a resolver would trip over.

// poolMagic changes whenever a table or what it means does.
const poolMagic = "satchel pool 2\n\x00"

const (
	poolNative = 0x0102030405060708 // tells the byte order
	maxPool    = 4 << 30            // bytes; Debian's main takes 20 MB
)

type poolHeader struct {
	magic  [16]byte
	native uint64
	meta   uint64    // bytes
	counts [9]uint64 // of the tables
}

// poolMeta is what is no table.
type poolMeta struct {
	Key      string
	Arches   []string
	Known    int
	Archives []ArchiveInfo
}

// ErrPool is returned for what is no pool, or none of that key, or a damaged one.
var ErrPool = errors.New("it is no package pool that can be used")

// WritePool writes p for ReadPool. key says what it was made of.
func WritePool(w io.Writer, p *Pool, key string) error {
	meta, err := json.Marshal(poolMeta{key, p.arches, p.known, p.archives})
	if err != nil {
		return fmt.Errorf("writing package pool: %w", err)
	}
	h := poolHeader{native: poolNative, meta: uint64(len(meta))}
	copy(h.magic[:], poolMagic)
	tables := p.tables()
	for i, t := range tables {
		h.counts[i] = uint64(t.count)
	}
	sum := newPieceSum(w)
	for _, part := range append([][]byte{bytesOf([]poolHeader{h}), meta}, tables.bytes()...) {
		sum.Write(part)
		sum.Write(make([]byte, padding(len(part))))
	}
	if err := sum.Close(); err != nil {
		return fmt.Errorf("writing package pool: %w", err)
	}
	return nil
}

// OpenPool takes a pool that WritePool wrote with the same key on a machine of
// this kind from data, which begins at a multiple of 8, must not change as long as
// the pool is used, and may be a file that is mapped into memory. Whatever it is
// given, it returns a pool that can be used safely, or an error that wraps
// ErrPool: the bytes are not what was asked for.
func OpenPool(data []byte, key string) (*Pool, error) {
	const least = int(unsafe.Sizeof(poolHeader{})) + sha256.Size
	if len(data) < least || len(data) > maxPool || len(data)%8 != 0 || uintptr(unsafe.Pointer(&data[0]))%8 != 0 {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrPool, len(data))
	}
	body, check := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	h := tableOf[poolHeader](body, 1)[0]
	if string(h.magic[:]) != poolMagic || h.native != poolNative {
		return nil, fmt.Errorf("%w: it was made by another program", ErrPool)
	}
	if sum, ok := sumPieces(body); !ok || string(sum[:]) != string(check) {
		return nil, fmt.Errorf("%w: it is damaged", ErrPool)
	}
	p, err := decodePool(&h, body[unsafe.Sizeof(h):], key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPool, err)
	}
	return p, nil
}

// ReadPool is OpenPool for where nothing can be mapped: it reads size bytes of r.
func ReadPool(r io.ReaderAt, size int64, key string) (*Pool, error) {
	if size < 0 || size > maxPool || size%8 != 0 {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrPool, size)
	}
	data := bytesOf(make([]uint64, size/8))
	if n, err := r.ReadAt(data, 0); n < len(data) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("reading package pool: %w", err)
	}
	return OpenPool(data, key)
}

// decodePool takes the tables from body, which they share.
func decodePool(h *poolHeader, body []byte, key string) (*Pool, error) {
	take := func(n, size uint64) ([]byte, error) {
		if n > uint64(len(body))/size {
			return nil, errors.New("a table is longer than the file")
		}
		part := body[:n*size]
		end := len(part) + padding(len(part))
		if end > len(body) {
			return nil, errors.New("a table is longer than the file")
		}
		body = body[end:]
		return part, nil
	}
	raw, err := take(h.meta, 1)
	if err != nil {
		return nil, err
	}
	var meta poolMeta
	if err := json.Unmarshal(raw, &meta); err != nil {
		return nil, err
	}
	if meta.Key != key {
		return nil, errors.New("it was made of other indexes")
	}
	p := &Pool{arches: meta.Arches, known: meta.Known, archives: meta.Archives}
	for i, t := range p.tables() {
		if raw, err = take(h.counts[i], uint64(t.size)); err != nil {
			return nil, err
		}
		t.set(raw, int(h.counts[i]))
	}
	if len(body) > 0 {
		return nil, errors.New("something follows the last table")
	}
	return p, p.check()
}

// poolTable is one of the tables of a pool.
type poolTable struct {
	count, size int
	bytes       []byte
	set         func(raw []byte, n int)
}

type poolTables [9]poolTable

func (p *Pool) tables() poolTables {
	return poolTables{
		table(&p.strings.heap), table(&p.strings.ends), table(&p.groups), table(&p.slots), table(&p.versions),
		table(&p.provides), table(&p.stanzas), table(&p.members), table(&p.order),
	}
}

func (t poolTables) bytes() [][]byte {
	var list [][]byte
	for _, one := range t {
		list = append(list, one.bytes)
	}
	return list
}

func table[T any](list *[]T) poolTable {
	var zero T
	return poolTable{
		count: len(*list), size: int(unsafe.Sizeof(zero)), bytes: bytesOf(*list),
		set: func(raw []byte, n int) { *list = tableOf[T](raw, n) },
	}
}

// bytesOf returns the memory of a list of what has no pointers.
func bytesOf[T any](list []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(list))), len(list)*int(unsafe.Sizeof(zero)))
}

// tableOf is the other way: n of T stand in raw, at a multiple of 8.
func tableOf[T any](raw []byte, n int) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(raw))), n)
}

func padding(n int) int { return -n & 7 }
