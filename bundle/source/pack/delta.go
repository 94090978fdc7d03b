package pack

import (
	"encoding/binary"
	"math/bits"
)

// A delta (gitformat-pack.txt, "Deltified representation") makes one object
// out of pieces of another and new bytes.

const (
	deltaBlock = 16      // shortest piece that is looked for
	deltaChain = 32      // candidates that are tried for one piece
	maxPiece   = 0x10000 // longest piece that one instruction copies
	maxInsert  = 127     // longest run of new bytes of one instruction
)

// deltaIndex finds pieces in a base.
type deltaIndex struct {
	base  []byte
	shift uint
	head  []int32 // by hash: number of a block + 1
	next  []int32 // by block: the next one with this hash
}

const (
	rollFactor = 0x9E3779B97F4A7C15 // odd
)

// roll is the hash of deltaBlock bytes.
func roll(b []byte) (h uint64) {
	for _, c := range b[:deltaBlock] {
		h = h*rollFactor + uint64(c) + 1
	}
	return h
}

// rollPower is rollFactor to the power of deltaBlock.
func rollPower() uint64 {
	p := uint64(1)
	for range deltaBlock {
		p *= rollFactor
	}
	return p
}

func newDeltaIndex(base []byte) *deltaIndex {
	n := len(base) / deltaBlock
	width := max(4, bits.Len(uint(n)))
	x := &deltaIndex{base: base, shift: uint(64 - width), head: make([]int32, 1<<width), next: make([]int32, n)}
	for i := n - 1; i >= 0; i-- { // so that chains begin with the lowest offset
		block := base[i*deltaBlock : (i+1)*deltaBlock]
		if i > 0 && string(block) == string(base[(i-1)*deltaBlock:i*deltaBlock]) {
			continue // of equal blocks in a row the first one stands for all
		}
		slot := x.slot(roll(block))
		x.next[i] = x.head[slot]
		x.head[slot] = int32(i + 1)
	}
	return x
}

// slot mixes before it cuts: the low bits of a rolling hash are the weak ones.
func (x *deltaIndex) slot(h uint64) uint64 {
	h ^= h >> 29
	return h * 0xBF58476D1CE4E5B9 >> x.shift
}

// delta returns a delta that makes target from x's base, or nil if it would
// take more than limit bytes. buf is room to use.
func (x *deltaIndex) delta(buf, target []byte, limit int) []byte {
	out := appendSize(appendSize(buf[:0], len(x.base)), len(target))
	power := rollPower()
	var h uint64
	fresh := true // h has to be made anew
	pending := 0  // start of the bytes that no piece covers yet
	for pos := 0; pos+deltaBlock <= len(target); {
		if fresh {
			h, fresh = roll(target[pos:]), false
		}
		from, length := x.find(h, target, pos)
		if length == 0 {
			if pos+deltaBlock < len(target) {
				h = h*rollFactor + uint64(target[pos+deltaBlock]) + 1 - power*(uint64(target[pos])+1)
			}
			if pos++; len(out)+pos-pending > limit {
				return nil
			}
			continue
		}
		for from > 0 && pos > pending && x.base[from-1] == target[pos-1] {
			from, pos, length = from-1, pos-1, length+1
		}
		out = appendInserts(out, target[pending:pos])
		out = appendCopies(out, from, length)
		pos += length
		pending, fresh = pos, true
		if len(out) > limit {
			return nil
		}
	}
	if out = appendInserts(out, target[pending:]); len(out) > limit {
		return nil
	}
	return out
}

// find returns the longest piece of the base that is at pos of the target.
func (x *deltaIndex) find(h uint64, target []byte, pos int) (from, length int) {
	tried := 0
	for i := x.head[x.slot(h)]; i != 0 && tried < deltaChain; i = x.next[i-1] {
		tried++
		at := int(i-1) * deltaBlock
		if n := common(x.base[at:], target[pos:]); n >= deltaBlock && n > length {
			from, length = at, n
			if n > 4096 {
				break // good enough
			}
		}
	}
	return from, length
}

// common is how many bytes a and b begin with alike.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	a, b = a[:n], b[:n]
	i := 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

func appendSize(out []byte, n int) []byte {
	for n >= 0x80 {
		out = append(out, byte(n)|0x80)
		n >>= 7
	}
	return append(out, byte(n))
}

func appendInserts(out, b []byte) []byte {
	for len(b) > 0 {
		n := min(len(b), maxInsert)
		out = append(append(out, byte(n)), b[:n]...)
		b = b[n:]
	}
	return out
}

func appendCopies(out []byte, from, length int) []byte {
	for length > 0 {
		n := min(length, maxPiece)
		at := len(out)
		out = append(out, 0x80)
		for i := range 4 {
			if c := byte(from >> (8 * i)); c != 0 {
				out[at] |= 1 << i
				out = append(out, c)
			}
		}
		if n != maxPiece { // which is written as no size at all
			for i := range 2 {
				if c := byte(n >> (8 * i)); c != 0 {
					out[at] |= 0x10 << i
					out = append(out, c)
				}
			}
		}
		from, length = from+n, length-n
	}
	return out
}
