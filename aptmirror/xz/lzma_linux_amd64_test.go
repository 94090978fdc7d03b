//go:build !purego

package xz

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fenced returns n bytes behind which the next one is nobody's: whoever touches
// it is killed.
func fenced(t testing.TB, n int) []byte {
	t.Helper()
	page := unix.Getpagesize()
	whole := (n + page - 1) / page * page
	m, err := unix.Mmap(-1, 0, whole+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(m); err != nil {
			t.Error(err)
		}
	})
	if err := unix.Mprotect(m[whole:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	return m[whole-n : whole : whole]
}

// pair decodes the same with the assembly and without.
type pair struct {
	in       *input // its end is fenced
	a, b     lzma
	bufs     [2][]byte // with room for a step behind them, fenced
	reached  int       // symbols' bytes that both wrote
	finished int       // how often both got to the end
}

const pairBuf = 40 << 10

func newPair(t testing.TB) *pair {
	p := &pair{in: (*input)(unsafe.Pointer(unsafe.SliceData(fenced(t, len(input{})))))}
	for i := range p.bufs {
		p.bufs[i] = fenced(t, pairBuf+step)
	}
	return p
}

// same decodes chunk behind the first pos bytes of before, and compares.
func (p *pair) same(t testing.TB, chunk, before []byte, pos, end int, size uint32, props byte, state uint32) {
	t.Helper()
	// The chunk's place is the very end, so that a reader who goes too far is caught.
	n := copy(p.in[:maxCompressed], chunk)
	clear(p.in[n:min(n+64, len(p.in))])
	var works [2]work
	var ok [2]bool
	for i, l := range []*lzma{&p.a, &p.b} {
		l.reset()
		if l.properties(props) != nil {
			return
		}
		buf := p.bufs[i]
		copy(buf[pairBuf-end:], before[:pos])
		clear(buf[pairBuf-end+pos:])
		works[i] = work{
			probs: &l.probs, in: p.in, at: 5, n: n, buf: buf[pairBuf-end : pairBuf], pos: pos, end: end, size: size,
			rng: ^uint32(0), code: uint32(p.in[1])<<24 | uint32(p.in[2])<<16 | uint32(p.in[3])<<8 | uint32(p.in[4]),
			state: state % states, rep0: 0, rep1: 1, rep2: 16, rep3: 300,
			lcShift: 8 - l.lc, lpMask: l.lpMask, pbMask: l.pbMask,
		}
	}
	ok[0] = symbolsAssembly(&works[0])
	ok[1] = works[1].symbolsGo()
	if ok[0] != ok[1] {
		t.Fatalf("the assembly says %v, Go says %v; props %d, pos %d, end %d, size %d, state %d, chunk %x", ok[0], ok[1], props, pos, end, size, state, chunk)
	}
	reached := works[0].pos
	p.reached += reached - pos
	if !bytes.Equal(works[0].buf[:reached], works[1].buf[:reached]) {
		t.Fatalf("other bytes; props %d, pos %d, end %d, state %d, chunk %x", props, pos, end, state, chunk)
	}
	if !ok[0] {
		return
	}
	p.finished++
	if p.a.probs != p.b.probs {
		t.Fatalf("other probabilities; props %d, pos %d, end %d, state %d, chunk %x", props, pos, end, state, chunk)
	}
	works[0].probs, works[0].buf, works[0].length = works[1].probs, nil, 0
	works[1].buf = nil
	if a, b := works[0], works[1]; a.at != b.at || a.pos != b.pos || a.rng != b.rng || a.code != b.code || a.state != b.state ||
		a.rep0 != b.rep0 || a.rep1 != b.rep1 || a.rep2 != b.rep2 || a.rep3 != b.rep3 {
		t.Fatalf("other states: %+v, %+v", a, b)
	}
}

// TestAssembly: whatever is in a chunk, the assembly does what Go does, and
// touches nothing that is not its own.
func TestAssembly(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	before := make([]byte, pairBuf)
	for i := range before {
		before[i] = byte(rnd.Uint32N(1 + rnd.Uint32N(256)))
	}
	p := newPair(t)
	chunk := make([]byte, maxCompressed)
	for range 100000 {
		n := 5 + rnd.IntN(1+rnd.IntN(3000))
		if rnd.IntN(500) == 0 {
			n = maxCompressed // the fence is 32 bytes behind it
		}
		// Few ones in a chunk make short codes: then matches with small distances, which go on.
		ones := rnd.Uint32()
		for i := range n {
			chunk[i] = byte(rnd.Uint32())
			if ones&1 == 0 {
				chunk[i] &= byte(rnd.Uint32() & rnd.Uint32())
			}
		}
		if ones&2 == 0 {
			for i := range min(n, 16) {
				chunk[i] &= byte(rnd.Uint32())
			}
		}
		end := 1 + rnd.IntN(pairBuf)
		pos := rnd.IntN(end)
		if ones&8 == 0 { // soon over
			pos = end - 1 - rnd.IntN(min(end, 5))
		}
		size := uint32(pairBuf)
		if ones&4 == 0 {
			size = uint32(1 + rnd.IntN(pairBuf))
		}
		p.same(t, chunk[:n], before, pos, end, size, byte(rnd.IntN(225)), rnd.Uint32())
	}
	t.Logf("%d bytes decoded by both, %d chunks to the end", p.reached, p.finished)
	if p.reached < 1<<20 || p.finished < 1000 {
		t.Error("that is too little to have compared anything")
	}
}

// FuzzAssembly is TestAssembly with chunks that somebody finds interesting.
func FuzzAssembly(f *testing.F) {
	before := bytes.Repeat([]byte("abcabcabd0123456789\x00\x00\x00\x00"), pairBuf/23+1)
	f.Add(make([]byte, 30), uint16(0), uint16(3000), uint32(1<<20), byte(93), byte(0))
	f.Add(bytes.Repeat([]byte{0, 0x55, 0xaa, 0xff}, 300), uint16(500), uint16(30000), uint32(400), byte(0), byte(11))
	for _, data := range texts() {
		file := compress(f, data[:min(len(data), 3000)], "-6")
		if len(file) > 40 {
			f.Add(file[30:], uint16(0), uint16(3000), uint32(1<<20), byte(93), byte(0))
		}
	}
	p := newPair(f)
	f.Fuzz(func(t *testing.T, chunk []byte, pos, end uint16, size uint32, props, state byte) {
		e := 1 + int(end)%pairBuf
		if len(chunk) < 5 || len(chunk) > maxCompressed {
			return
		}
		p.same(t, chunk, before, int(pos)%e, e, size, props, uint32(state))
	})
}
