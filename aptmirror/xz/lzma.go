package xz

import "errors"

// errData is what every fault inside compressed data comes to.
var errData = errors.New("the compressed data is damaged")

// The number of states, and of positions that probabilities may depend on.
const (
	states        = 12
	firstNonLit   = 7 // states below it follow a literal
	maxPosStates  = 1 << 4
	literalSize   = 0x300
	maxLiterals   = 1 << 4 // lc + lp is at most 4 in LZMA2
	minMatch      = 2
	slotsModelled = 14 // from this slot on the middle bits have even odds
)

// Where each kind of probability begins in decoder.probs.
const (
	isMatch     = 0
	isRep       = isMatch + states*maxPosStates
	isRep0      = isRep + states
	isRep1      = isRep0 + states
	isRep2      = isRep1 + states
	isRep0Long  = isRep2 + states
	distSlot    = isRep0Long + states*maxPosStates
	distSpecial = distSlot + 4*64
	distAlign   = distSpecial + 128
	matchLen    = distAlign + 16
	repLen      = matchLen + lenSize
	literals    = repLen + lenSize
	probsCount  = literals + maxLiterals*literalSize
)

// Where each kind begins within those of a length.
const (
	lenChoice  = 0
	lenChoice2 = 1
	lenLow     = 2
	lenMid     = lenLow + maxPosStates*8
	lenHigh    = lenMid + maxPosStates*8
	lenSize    = lenHigh + 256
)

const (
	evenOdds = 1 << 10
	top      = 1 << 24
)

// input is the compressed bytes of one chunk. The zeros behind them are for a
// decoder that runs past the end, which it does by no more than one symbol, 20
// bytes, before it looks.
type input [maxCompressed + 32]byte

// probabilities is the whole adaptive state of the range coder.
type probabilities [probsCount]uint16

// lzma is the state that goes from one chunk to the next.
type lzma struct {
	probs                  probabilities
	state                  uint32
	rep0, rep1, rep2, rep3 uint32
	lc                     uint32
	lpMask, pbMask         uint32
}

// reset forgets all that was learnt.
func (l *lzma) reset() {
	for i := range l.probs {
		l.probs[i] = evenOdds
	}
	l.state, l.rep0, l.rep1, l.rep2, l.rep3 = 0, 0, 0, 0, 0
}

// properties sets lc, lp and pb from their byte.
func (l *lzma) properties(b byte) error {
	if b >= 9*5*5 {
		return errData
	}
	lc, lp, pb := uint32(b)%9, uint32(b)/9%5, uint32(b)/45
	if lc+lp > 4 {
		return errData
	}
	l.lc, l.lpMask, l.pbMask = lc, 1<<lp-1, 1<<pb-1
	return nil
}

// decode writes buf[pos:] from the n bytes of in, which it must need all; what
// is before pos may be copied from as far back as size. The positions that
// probabilities depend on are those in buf, behind whose end there must be room
// for one step more.
func (l *lzma) decode(in *input, n int, buf []byte, pos int, size uint32) error {
	if n < 5 || in[0] != 0 {
		return errData
	}
	w := work{
		probs: &l.probs, in: in, at: 5, n: n, buf: buf, pos: pos, end: len(buf), size: size,
		rng: ^uint32(0), code: uint32(in[1])<<24 | uint32(in[2])<<16 | uint32(in[3])<<8 | uint32(in[4]),
		state: l.state, rep0: l.rep0, rep1: l.rep1, rep2: l.rep2, rep3: l.rep3,
		lcShift: 8 - l.lc, lpMask: l.lpMask, pbMask: l.pbMask,
	}
	if !w.symbols() {
		return errData
	}
	if w.rng < top {
		w.code = w.code<<8 | uint32(in[w.at])
		w.at++
	}
	if w.at != n || w.code != 0 {
		return errData
	}
	l.state, l.rep0, l.rep1, l.rep2, l.rep3 = w.state, w.rep0, w.rep1, w.rep2, w.rep3
	return nil
}

// work is a chunk that is being decoded, of n bytes of in to buf[pos:end].
type work struct {
	probs                   *probabilities
	in                      *input
	at, n                   int
	buf                     []byte
	pos, end                int
	rng, code               uint32
	state                   uint32
	rep0, rep1, rep2, rep3  uint32
	size                    uint32 // of the dictionary
	lcShift, lpMask, pbMask uint32 // lcShift is 8 - lc
	length                  uint32 // the assembly's own
}

// symbolsGo decodes until buf is full, and tells whether it got there.
//
// The range coder's state is in local variables, and goes through the helpers
// in registers: that is what the speed comes from.
func (w *work) symbolsGo() bool {
	rng, code, at := w.rng, w.code, w.at
	in, probs, buf, pos := w.in, w.probs, w.buf, w.pos
	state, rep0, rep1, rep2, rep3 := w.state, w.rep0, w.rep1, w.rep2, w.rep3
	for pos < len(buf) {
		if at > w.n {
			return false
		}
		posState := uint32(pos) & w.pbMask
		var bit, length uint32
		if bit, rng, code, at = bitOf(in, probs, isMatch+state*maxPosStates+posState, rng, code, at); bit == 0 {
			before := uint32(0)
			if pos > 0 {
				before = uint32(buf[pos-1])
			}
			base := literals + literalSize*(((uint32(pos)&w.lpMask)<<8+before)>>w.lcShift)
			var symbol uint32
			if state < firstNonLit {
				symbol, rng, code, at = tree(in, probs[base:base+0x100], rng, code, at)
			} else {
				if int(rep0) >= pos || rep0 >= w.size {
					return false
				}
				symbol, rng, code, at = matched(in, (*[literalSize]uint16)(probs[base:][:literalSize]), uint32(buf[pos-int(rep0)-1]), rng, code, at)
			}
			buf[pos] = byte(symbol)
			pos++
			state = afterLiteral(state)
			continue
		}
		if bit, rng, code, at = bitOf(in, probs, isRep+state, rng, code, at); bit == 0 {
			rep3, rep2, rep1 = rep2, rep1, rep0
			length, rng, code, at = lengthOf(in, probs, matchLen, posState, rng, code, at)
			rep0, rng, code, at = distance(in, probs, length, rng, code, at)
			state = after(state, 7, 10)
		} else {
			if bit, rng, code, at = bitOf(in, probs, isRep0+state, rng, code, at); bit == 0 {
				if bit, rng, code, at = bitOf(in, probs, isRep0Long+state*maxPosStates+posState, rng, code, at); bit == 0 {
					if int(rep0) >= pos || rep0 >= w.size {
						return false
					}
					buf[pos] = buf[pos-int(rep0)-1]
					pos++
					state = after(state, 9, 11)
					continue
				}
			} else if bit, rng, code, at = bitOf(in, probs, isRep1+state, rng, code, at); bit == 0 {
				rep0, rep1 = rep1, rep0
			} else if bit, rng, code, at = bitOf(in, probs, isRep2+state, rng, code, at); bit == 0 {
				rep0, rep1, rep2 = rep2, rep0, rep1
			} else {
				rep0, rep1, rep2, rep3 = rep3, rep0, rep1, rep2
			}
			length, rng, code, at = lengthOf(in, probs, repLen, posState, rng, code, at)
			state = after(state, 8, 11)
		}
		end := pos + int(length)
		if int(rep0) >= pos || rep0 >= w.size || end > len(buf) {
			return false
		}
		repeat(buf, pos, end, int(rep0)+1)
		pos = end
	}
	w.rng, w.code, w.at, w.pos = rng, code, at, pos
	w.state, w.rep0, w.rep1, w.rep2, w.rep3 = state, rep0, rep1, rep2, rep3
	return true
}

// afterLiteral is the state that follows a literal.
func afterLiteral(state uint32) uint32 {
	switch {
	case state < 4:
		return 0
	case state < 10:
		return state - 3
	}
	return state - 6
}

// after is the state that follows a match: one of two, by whether a literal was before it.
func after(state, literal, other uint32) uint32 {
	if state < firstNonLit {
		return literal
	}
	return other
}

// step is how many bytes repeat copies at once.
const step = 16

// repeat fills buf[pos:end] with what is back bytes before. It may write up to
// step bytes more, for which there must be room behind buf's end.
func repeat(buf []byte, pos, end, back int) {
	if back >= step && end-pos <= 4*step {
		for buf = buf[:cap(buf)]; pos < end; pos += step {
			*(*[step]byte)(buf[pos:]) = *(*[step]byte)(buf[pos-back:])
		}
		return
	}
	for from := pos - back; pos < end; { // each round doubles what repeats
		pos += copy(buf[pos:end], buf[from:pos])
	}
}

// bitOf decodes one bit with the probability at i.
func bitOf(in *input, probs *probabilities, i, rng, code uint32, at int) (bit, r, c uint32, a int) {
	p := probs[i]
	if rng < top {
		rng, code = rng<<8, code<<8|uint32(in[at])
		at++
	}
	bound := rng >> 11 * uint32(p)
	if code < bound {
		probs[i] = p + (2048-p)>>5
		return 0, bound, code, at
	}
	probs[i] = p - p>>5
	return 1, rng - bound, code - bound, at
}

// tree decodes bits, the highest first, until the symbol has as many as probs,
// and answers it with its leading one.
func tree(in *input, probs []uint16, rng, code uint32, at int) (symbol, r, c uint32, a int) {
	symbol = 1
	for symbol < uint32(len(probs)) {
		p := uint32(probs[symbol])
		if rng < top {
			rng, code = rng<<8, code<<8|uint32(in[at])
			at++
		}
		bound := rng >> 11 * p
		var zero uint32
		zero, rng, code = choose(bound, rng, code)
		probs[symbol] = adapt(p, zero)
		symbol = symbol<<1 + 1 + zero
	}
	return symbol, rng, code, at
}

// choose decodes one bit without a branch: half of those in a tree nobody can
// foresee. zero is all ones where the bit is 0.
func choose(bound, rng, code uint32) (zero, r, c uint32) {
	d := uint64(code) - uint64(bound) // in 64 bits, where the sign is at hand
	zero = uint32(int64(d) >> 63)
	rng -= bound
	return zero, rng + (bound-rng)&zero, uint32(d) + bound&zero
}

// adapt is what becomes of a probability p after a bit.
func adapt(p, zero uint32) uint16 {
	return uint16(p - uint32(int32(p-(2048-31)&zero)>>5))
}

// matched decodes a literal after a match: its bits go by those of the byte
// that the match would go on with, as long as they agree.
func matched(in *input, probs *[literalSize]uint16, match, rng, code uint32, at int) (symbol, r, c uint32, a int) {
	symbol = 1
	offset := uint32(0x100)
	for symbol < 0x100 {
		match <<= 1
		i := offset + match&offset + symbol
		p := uint32(probs[i])
		if rng < top {
			rng, code = rng<<8, code<<8|uint32(in[at])
			at++
		}
		bound := rng >> 11 * p
		var zero uint32
		zero, rng, code = choose(bound, rng, code)
		probs[i] = adapt(p, zero)
		symbol = symbol<<1 + 1 + zero
		offset &= match ^ zero
	}
	return symbol & 0xff, rng, code, at
}

// lengthOf decodes a match's length.
func lengthOf(in *input, probs *probabilities, base, posState, rng, code uint32, at int) (length, r, c uint32, a int) {
	var bit uint32
	if bit, rng, code, at = bitOf(in, probs, base+lenChoice, rng, code, at); bit == 0 {
		length, rng, code, at = tree(in, probs[base+lenLow+posState*8:][:8], rng, code, at)
		return length - 8 + minMatch, rng, code, at
	}
	if bit, rng, code, at = bitOf(in, probs, base+lenChoice2, rng, code, at); bit == 0 {
		length, rng, code, at = tree(in, probs[base+lenMid+posState*8:][:8], rng, code, at)
		return length + minMatch, rng, code, at
	}
	length, rng, code, at = tree(in, probs[base+lenHigh:][:256], rng, code, at)
	return length - 256 + minMatch + 16, rng, code, at
}

// distance decodes how far back a match of a length is, less one.
func distance(in *input, probs *probabilities, length, rng, code uint32, at int) (dist, r, c uint32, a int) {
	slot, rng, code, at := tree(in, probs[distSlot+64*min(length-minMatch, 3):][:64], rng, code, at)
	slot -= 64
	if slot < 4 {
		return slot, rng, code, at
	}
	n := slot>>1 - 1
	dist = (2 | slot&1) << n
	if slot < slotsModelled {
		var low uint32
		low, rng, code, at = reversed(in, probs, distSpecial+dist-slot-1, n, rng, code, at)
		return dist + low, rng, code, at
	}
	var middle uint32
	for range n - 4 {
		if rng < top {
			rng, code = rng<<8, code<<8|uint32(in[at])
			at++
		}
		rng >>= 1
		code -= rng
		zero := -(code >> 31)
		code += rng & zero
		middle = middle<<1 + 1 + zero
	}
	low, rng, code, at := reversed(in, probs, distAlign-1, 4, rng, code, at)
	return dist + middle<<4 + low, rng, code, at
}

// reversed decodes n bits, the lowest first. The probability of the first is
// at base+1.
func reversed(in *input, probs *probabilities, base, n, rng, code uint32, at int) (value, r, c uint32, a int) {
	symbol := uint32(1)
	for i := range n {
		p := uint32(probs[base+symbol])
		if rng < top {
			rng, code = rng<<8, code<<8|uint32(in[at])
			at++
		}
		bound := rng >> 11 * p
		var zero uint32
		zero, rng, code = choose(bound, rng, code)
		probs[base+symbol] = adapt(p, zero)
		symbol = symbol<<1 + 1 + zero
		value |= (1 + zero) << i
	}
	return value, rng, code, at
}
