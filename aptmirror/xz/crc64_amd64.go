//go:build !purego

package xz

import (
	"encoding/binary"
	"hash/crc64"

	"golang.org/x/sys/cpu"
)

// fold64 brings n bytes at p, a multiple of 64 and not none, and the state before
// them down to 16 bytes (first and second, the lowest byte first) with the same
// remainder by ECMA's polynomial, by multiplications without carry (Gopal and
// others, "Fast CRC Computation Using PCLMULQDQ Instruction").
//
//go:noescape
func fold64(state uint64, p *byte, n int) (first, second uint64)

// updateCRC64 adds p to a sum.
func updateCRC64(sum uint64, p []byte) uint64 {
	if n := len(p) &^ 63; n > 0 && cpu.X86.HasPCLMULQDQ {
		var rest [16]byte
		first, second := fold64(^sum, &p[0], n)
		binary.LittleEndian.PutUint64(rest[:], first)
		binary.LittleEndian.PutUint64(rest[8:], second)
		sum = crc64.Update(^uint64(0), ecma, rest[:])
		p = p[n:]
	}
	return crc64.Update(sum, ecma, p)
}
