package bundle

import (
	"fmt"
	"strconv"

	"satchel/manifest"
)

// blockSize is tar's.
const blockSize = 512

// ustarMax is the largest size that a ustar header can say: eleven octal digits.
const ustarMax = 1<<33 - 1

// appendHeader appends the header of a regular file, 0644, owner 0/0 without
// names, time 0: one ustar block, byte for byte what GNU tar --format=ustar
// writes. Only for a size that ustar cannot say, a PAX header with the single
// record "size" comes before it. name has at most 100 bytes.
func appendHeader(dst []byte, name string, size int64) []byte {
	if size <= ustarMax {
		return appendBlock(dst, name, size, '0')
	}
	rec := paxSize(size)
	dst = appendBlock(dst, name, int64(len(rec)), 'x')
	dst = append(dst, rec...)
	dst = append(dst, make([]byte, pad(int64(len(rec))))...)
	return appendBlock(dst, name, 0, '0')
}

// headerSize is the length of what appendHeader appends.
func headerSize(size int64) int64 {
	if size <= ustarMax {
		return blockSize
	}
	return 3 * blockSize
}

// paxSize is the PAX record of a size: its own length, a space, the rest.
func paxSize(size int64) string {
	rest := " size=" + strconv.FormatInt(size, 10) + "\n"
	n := len(rest) + 2 // the length has two digits: size has 10 to 15
	return strconv.Itoa(n) + rest
}

func appendBlock(dst []byte, name string, size int64, kind byte) []byte {
	var b [blockSize]byte
	copy(b[0:100], name)
	copy(b[100:108], "0000644\x00")
	copy(b[108:116], "0000000\x00")
	copy(b[116:124], "0000000\x00")
	copy(b[124:136], fmt.Sprintf("%011o\x00", size))
	copy(b[136:148], "00000000000\x00")
	b[156] = kind
	copy(b[257:265], "ustar\x0000")
	copy(b[329:337], "0000000\x00")
	copy(b[337:345], "0000000\x00")
	sum := 8 * int(' ') // the checksum field counts as spaces
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return append(dst, b[:]...)
}

// readHeader reads one header block that appendBlock could have written for a
// regular file, and nothing else: it takes name and size, writes the header
// anew, and compares all 512 bytes.
func readHeader(b []byte) (name string, size int64, ok bool) {
	if len(b) != blockSize {
		return "", 0, false
	}
	for i, c := range b[:100] {
		if c == 0 {
			name = string(b[:i])
			break
		}
	}
	if name == "" {
		return "", 0, false
	}
	for _, c := range b[124:135] {
		if c < '0' || c > '7' {
			return "", 0, false
		}
		size = size<<3 | int64(c-'0')
	}
	return name, size, string(appendBlock(nil, name, size, '0')) == string(b)
}

// pad is how many zeros follow size bytes of content.
func pad(size int64) int64 { return -size & (blockSize - 1) }

// entrySize is what a file of this size takes in the tar, header included.
func entrySize(size int64) int64 { return headerSize(size) + size + pad(size) }

// blobName is the path of a blob in an OCI layout.
func blobName(d manifest.Digest) string { return blobPrefix + d.Hex() }

// parseBlobName is the reverse of blobName.
func parseBlobName(name string) (manifest.Digest, bool) {
	if len(name) != len(blobPrefix)+64 || name[:len(blobPrefix)] != blobPrefix {
		return manifest.Digest{}, false
	}
	d, err := manifest.ParseDigest(name[len(blobPrefix):])
	return d, err == nil
}
