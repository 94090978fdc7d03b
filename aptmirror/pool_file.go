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
// and every part begins at a multiple of 8, and is filled up to one with zeros:
//
//	header   poolHeader, which says where the others begin
//	tables   heap, ends, groups, slots, versions, provides, stanzas, members, order
//	meta     JSON: the key, the architectures, the archives
//	check    the last 32 bytes: SHA-256 of the CRC-32C of each 64 KiB of the header,
//	         of meta, and of each table
//
// What lies between the parts, room that was not needed, means nothing.
//
// It is a cache of what this very program has made of some indexes: whoever
// cannot read it makes it anew. The check finds what a disk or a crash has
// spoilt; Pool.check, what a resolver would trip over.

// poolMagic changes whenever a table or what it means does.
const poolMagic = "satchel pool 3\n\x00"

const (
	poolNative = 0x0102030405060708 // tells the byte order
	maxPool    = 4 << 30            // bytes; Debian's main takes 20 MB
	poolCheck  = sha256.Size
	poolParts  = 10 // meta and the tables
)

type poolHeader struct {
	magic  [16]byte
	native uint64
	parts  [poolParts]poolSpan
}

// poolSpan is where a part begins, in bytes from the header's beginning, and how
// many entries it has; meta's are bytes.
type poolSpan struct{ at, count uint64 }

func newPoolHeader() poolHeader {
	h := poolHeader{native: poolNative}
	copy(h.magic[:], poolMagic)
	return h
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
	h := newPoolHeader()
	tables := p.tables()
	parts := append([][]byte{meta}, tables.bytes()...)
	at := int(unsafe.Sizeof(h))
	for i := range parts {
		h.parts[i] = poolSpan{at: uint64(at), count: uint64(len(meta))}
		if i > 0 {
			h.parts[i].count = uint64(tables[i-1].count)
		}
		at += align(len(parts[i]))
	}
	sum := newPieceSum(w)
	for _, part := range append([][]byte{bytesOf([]poolHeader{h})}, parts...) {
		sum.Write(part)
		sum.Write(make([]byte, align(len(part))-len(part)))
		sum.endPart()
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
	const least = int(unsafe.Sizeof(poolHeader{})) + poolCheck
	if len(data) < least || len(data) > maxPool || len(data)%8 != 0 || uintptr(unsafe.Pointer(&data[0]))%8 != 0 {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrPool, len(data))
	}
	body, check := data[:len(data)-poolCheck], data[len(data)-poolCheck:]
	h := tableOf[poolHeader](body, 1)[0]
	if string(h.magic[:]) != poolMagic || h.native != poolNative {
		return nil, fmt.Errorf("%w: it was made by another program", ErrPool)
	}
	parts, err := h.split(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPool, err)
	}
	if sum, ok := sumPieces(append([][]byte{body[:unsafe.Sizeof(h)]}, parts[:]...)); !ok || string(sum[:]) != string(check) {
		return nil, fmt.Errorf("%w: it is damaged", ErrPool)
	}
	p, err := h.decode(parts, key)
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

// split returns the parts of a pool, filled up, as its header places them in body.
func (h *poolHeader) split(body []byte) (parts [poolParts][]byte, err error) {
	var p Pool
	tables := p.tables()
	for i, s := range h.parts {
		size := uint64(1)
		if i > 0 {
			size = uint64(tables[i-1].size)
		}
		end := uint64(len(body))
		if s.at < uint64(unsafe.Sizeof(*h)) || s.at > end || s.at%8 != 0 || s.count > (end-s.at)/size || s.at+uint64(align(int(s.count*size))) > end {
			return parts, errors.New("a part of it lies outside of the file")
		}
		parts[i] = body[s.at : s.at+uint64(align(int(s.count*size)))]
	}
	return parts, nil
}

// decode takes the tables from parts, which they share.
func (h *poolHeader) decode(parts [poolParts][]byte, key string) (*Pool, error) {
	var meta poolMeta
	if err := json.Unmarshal(parts[0][:h.parts[0].count], &meta); err != nil {
		return nil, err
	}
	if meta.Key != key {
		return nil, errors.New("it was made of other indexes")
	}
	p := &Pool{arches: meta.Arches, known: meta.Known, archives: meta.Archives}
	for i, t := range p.tables() {
		t.set(parts[i+1], int(h.parts[i+1].count))
	}
	return p, p.check()
}

// poolTable is one of the tables of a pool.
type poolTable struct {
	count, size int
	bytes       []byte
	set         func(raw []byte, n int)
}

type poolTables [poolParts - 1]poolTable

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

// align is n, or the next multiple of 8.
func align(n int) int { return (n + 7) &^ 7 }
