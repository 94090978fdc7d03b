package xz

import (
	"hash/crc64"
	"math/rand/v2"
	"testing"
)

// TestCRC64 compares the sum with the library's, of every length and in pieces.
func TestCRC64(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	data := make([]byte, 5000)
	for i := range data {
		data[i] = byte(rnd.Uint32())
	}
	for n := range 700 {
		from := rnd.IntN(len(data) - n)
		s := newCRC64()
		want := crc64.New(ecma)
		for p := data[from : from+n]; len(p) > 0; {
			m := 1 + rnd.IntN(len(p))
			s.Write(p[:m])
			want.Write(p[:m])
			p = p[m:]
		}
		if g, w := s.Sum([]byte{1}), want.Sum([]byte{1}); string(g) != string(w) {
			t.Fatalf("%d bytes: %x, want %x", n, g, w)
		}
		if got, w := updateCRC64(uint64(n), data[:n]), crc64.Update(uint64(n), ecma, data[:n]); got != w {
			t.Fatalf("%d bytes at once: %x, want %x", n, got, w)
		}
	}
}

func BenchmarkCRC64(b *testing.B) {
	data := make([]byte, 1<<20)
	for _, d := range []struct {
		name string
		sum  func(uint64, []byte) uint64
	}{
		{"ours", updateCRC64},
		{"library", func(s uint64, p []byte) uint64 { return crc64.Update(s, ecma, p) }},
	} {
		b.Run(d.name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				d.sum(1, data)
			}
		})
	}
}
