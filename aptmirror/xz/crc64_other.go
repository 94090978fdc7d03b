//go:build !amd64 || purego

package xz

import "hash/crc64"

func updateCRC64(sum uint64, p []byte) uint64 { return crc64.Update(sum, ecma, p) }
