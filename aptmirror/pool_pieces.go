package aptmirror

import (
	"crypto/sha256"
	"hash"
	"io"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// poolPiece is how much of a pool has a hash of its own, so that several cores
// can hash it, each piece while it is still at hand.
const poolPiece = 256 << 10

// readPieces fills data from the start of r, and returns the SHA-256 of the
// SHA-256 of each piece.
func readPieces(r io.ReaderAt, data []byte) ([]byte, error) {
	n := (len(data) + poolPiece - 1) / poolPiece
	sums := make([]byte, n*sha256.Size)
	var next atomic.Int64
	var g errgroup.Group
	for range min(n, 4) {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				piece := data[i*poolPiece : min((i+1)*poolPiece, len(data))]
				if got, err := r.ReadAt(piece, int64(i)*poolPiece); got < len(piece) {
					if err == io.EOF {
						err = io.ErrUnexpectedEOF
					}
					return err
				}
				sum := sha256.Sum256(piece)
				copy(sums[i*sha256.Size:], sum[:])
			}
		})
	}
	err := g.Wait()
	sum := sha256.Sum256(sums)
	return sum[:], err
}

// pieceSum hands on what is written, and the same hash when it is closed.
type pieceSum struct {
	w    io.Writer
	h    hash.Hash // of the piece at hand
	n    int       // its length so far
	sums hash.Hash
	err  error
}

func newPieceSum(w io.Writer) *pieceSum {
	return &pieceSum{w: w, h: sha256.New(), sums: sha256.New()}
}

// Write remembers its error for Close.
func (p *pieceSum) Write(data []byte) (int, error) {
	if p.err == nil {
		_, p.err = p.w.Write(data)
	}
	for rest := data; p.err == nil && len(rest) > 0; {
		part := rest[:min(len(rest), poolPiece-p.n)]
		p.h.Write(part)
		rest = rest[len(part):]
		if p.n += len(part); p.n == poolPiece {
			p.endPiece()
		}
	}
	return len(data), p.err
}

func (p *pieceSum) endPiece() {
	p.sums.Write(p.h.Sum(nil))
	p.h.Reset()
	p.n = 0
}

// Close writes the hash. It does not close what is written to.
func (p *pieceSum) Close() error {
	if p.n > 0 {
		p.endPiece()
	}
	if p.err == nil {
		_, p.err = p.w.Write(p.sums.Sum(nil))
	}
	return p.err
}
