package aptmirror

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// poolPiece is how much of a part of a pool has a sum of its own, so that several cores
// can sum it, each piece while it is still at hand.
const poolPiece = 64 << 10

// pieceHelpers is how many goroutines help to sum.
const pieceHelpers = 3

// A piece is summed by CRC-32C, which takes a processor a tenth of the time of
// a hash. It finds what a disk or a crash does; nobody's intent is kept out by a
// hash either that everybody can make.

func pieceTable() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// sumPieces returns the SHA-256 of the CRC-32C of each piece of each part; ok is
// false if not all of it could be read: a mapped file may have become shorter, and
// a disk may fail.
func sumPieces(parts [][]byte) (sum [sha256.Size]byte, ok bool) {
	var pieces [][]byte
	for _, part := range parts {
		for len(part) > 0 {
			end := min(poolPiece, len(part))
			pieces, part = append(pieces, part[:end]), part[end:]
		}
	}
	n := len(pieces)
	sums, table := make([]byte, 4*n), pieceTable()
	var next, done atomic.Int64
	work := func() {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() { _ = recover() }()
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			binary.BigEndian.PutUint32(sums[4*i:], crc32.Checksum(pieces[i], table))
			done.Add(1)
		}
	}
	var g sync.WaitGroup
	for range min(n, pieceHelpers) {
		g.Go(work)
	}
	work()
	g.Wait()
	return sha256.Sum256(sums), int(done.Load()) == n
}

// pieceSum hands on what is written, and the same sum when it is closed.
type pieceSum struct {
	w     io.Writer
	table *crc32.Table
	crc   uint32 // of the piece at hand
	n     int    // its length so far
	sums  []byte
	err   error
}

func newPieceSum(w io.Writer) *pieceSum { return &pieceSum{w: w, table: pieceTable()} }

// Write remembers its error for Close.
func (p *pieceSum) Write(data []byte) (int, error) {
	if p.err == nil {
		_, p.err = p.w.Write(data)
	}
	for rest := data; p.err == nil && len(rest) > 0; {
		part := rest[:min(len(rest), poolPiece-p.n)]
		p.crc = crc32.Update(p.crc, p.table, part)
		rest = rest[len(part):]
		if p.n += len(part); p.n == poolPiece {
			p.endPiece()
		}
	}
	return len(data), p.err
}

// endPart says that what comes next is another part.
func (p *pieceSum) endPart() {
	if p.n > 0 {
		p.endPiece()
	}
}

func (p *pieceSum) endPiece() {
	p.sums = binary.BigEndian.AppendUint32(p.sums, p.crc)
	p.crc, p.n = 0, 0
}

// Close writes the sum. It does not close what is written to.
func (p *pieceSum) Close() error {
	p.endPart()
	if p.err == nil {
		sum := sha256.Sum256(p.sums)
		_, p.err = p.w.Write(sum[:])
	}
	return p.err
}
