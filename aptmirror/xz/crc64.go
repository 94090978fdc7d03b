package xz

import (
	"encoding/binary"
	"hash"
	"hash/crc64"
)

var ecma = crc64.MakeTable(crc64.ECMA)

// sum64 is a hash.Hash like that of hash/crc64 with ECMA's polynomial, faster
// where the processor helps.
type sum64 uint64

func newCRC64() hash.Hash { return new(sum64) }

func (s *sum64) Write(p []byte) (int, error) {
	*s = sum64(updateCRC64(uint64(*s), p))
	return len(p), nil
}

func (s *sum64) Sum(b []byte) []byte { return binary.BigEndian.AppendUint64(b, uint64(*s)) }
func (s *sum64) Reset()              { *s = 0 }
func (s *sum64) Size() int           { return crc64.Size }
func (s *sum64) BlockSize() int      { return 1 }
