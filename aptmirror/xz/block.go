package xz

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// errFilters is returned for a block with other filters than LZMA2 alone.
var errFilters = errors.New("a block has filters that are not read here")

// blockHead is what a block's header says. Sizes are -1 where it does not tell.
type blockHead struct {
	compressed, plain int64
	dictionary        uint32
}

// parseBlockHead reads a block's header, all of which is in b.
func parseBlockHead(b []byte) (blockHead, error) {
	h := blockHead{compressed: -1, plain: -1}
	bad := errors.New("the header of a block is damaged")
	if len(b) < 8 || len(b) != (int(b[0])+1)*4 ||
		binary.LittleEndian.Uint32(b[len(b)-4:]) != crc32.ChecksumIEEE(b[:len(b)-4]) {
		return h, bad
	}
	flags := b[1]
	if flags&0x3c != 0 {
		return h, errors.New("a block has unknown flags")
	}
	if flags&3 != 0 {
		return h, errFilters
	}
	rest := bytes.NewReader(b[2 : len(b)-4])
	for _, size := range []struct {
		flag byte
		to   *int64
	}{{0x40, &h.compressed}, {0x80, &h.plain}} {
		if flags&size.flag == 0 {
			continue
		}
		v, err := number(rest)
		if err != nil {
			return h, err
		}
		*size.to = int64(v)
	}
	if h.compressed == 0 {
		return h, bad
	}
	filter, err := number(rest)
	if err != nil {
		return h, err
	}
	size, err := number(rest)
	if err != nil {
		return h, err
	}
	if filter != 0x21 || size != 1 {
		return h, errFilters
	}
	bits, err := rest.ReadByte()
	if err != nil || bits > 40 {
		return h, bad
	}
	if h.dictionary = ^uint32(0); bits < 40 {
		h.dictionary = (2 | uint32(bits)&1) << (bits/2 + 11)
	}
	for rest.Len() > 0 {
		if b, _ := rest.ReadByte(); b != 0 {
			return h, errors.New("padding is not zeros")
		}
	}
	return h, nil
}

// block is the one being read.
type block struct {
	head       blockHead
	headSize   int64
	begin      int64 // where its data begins in the input
	plain      int64 // bytes it has unpacked to so far
	lzma       lzma
	in         input
	needDict   bool // a chunk that resets the dictionary must come first,
	needProps  bool // and after it, of those in LZMA, one that sets the properties
	dictionary uint32
}

// beginBlock reads a block's header.
func (z *reader) beginBlock() error {
	n, err := z.in.r.Peek(1)
	if err != nil {
		return noEOF(err)
	}
	b := make([]byte, (int(n[0])+1)*4)
	if _, err := io.ReadFull(z.in, b); err != nil {
		return noEOF(err)
	}
	h, err := parseBlockHead(b)
	if err != nil {
		return err
	}
	if h.dictionary > z.maxDictionary {
		return fmt.Errorf("its window of %d bytes is more than is allowed", h.dictionary)
	}
	z.block = &block{
		head: h, headSize: int64(len(b)), begin: z.in.n,
		needDict: true, dictionary: h.dictionary,
	}
	z.window.size = h.dictionary
	if z.sum != nil {
		z.sum.Reset()
	}
	return nil
}

// chunk reads the block's next chunk, or its end.
func (z *reader) chunk() error {
	b := z.block
	control, err := z.in.ReadByte()
	if err != nil {
		return err
	}
	if control == 0 {
		return z.endBlock()
	}
	if control >= 0xe0 || control == 1 {
		b.needDict, b.needProps = false, true
		z.window.forget()
	} else if b.needDict {
		return errData
	}
	var size [4]byte
	if control < 0x80 {
		if control > 2 {
			return errData
		}
		if _, err := io.ReadFull(z.in, size[:2]); err != nil {
			return noEOF(err)
		}
		room := z.window.room(int(binary.BigEndian.Uint16(size[:])) + 1)
		if _, err := io.ReadFull(z.in, room); err != nil {
			return noEOF(err)
		}
		return z.unpacked(room)
	}
	if _, err := io.ReadFull(z.in, size[:]); err != nil {
		return noEOF(err)
	}
	plain := int(control&0x1f)<<16 + int(binary.BigEndian.Uint16(size[:])) + 1
	compressed := int(binary.BigEndian.Uint16(size[2:])) + 1
	if err := b.resets(control, z.in); err != nil {
		return err
	}
	if _, err := io.ReadFull(z.in, b.in[:compressed]); err != nil {
		return noEOF(err)
	}
	room := z.window.room(plain)
	if err := b.lzma.decode(&b.in, compressed, z.window.buf, z.window.end-plain, b.dictionary); err != nil {
		return err
	}
	return z.unpacked(room)
}

// resets does what an LZMA chunk's control byte asks for before it.
func (b *block) resets(control byte, in io.ByteReader) error {
	if control >= 0xc0 {
		props, err := in.ReadByte()
		if err != nil {
			return err
		}
		if err := b.lzma.properties(props); err != nil {
			return err
		}
		b.needProps = false
	}
	if b.needProps {
		return errData
	}
	if control >= 0xa0 {
		b.lzma.reset()
	}
	return nil
}

// unpacked takes note of bytes that a block has unpacked to.
func (z *reader) unpacked(p []byte) error {
	b := z.block
	b.plain += int64(len(p))
	if z.sum != nil {
		z.sum.Write(p)
	}
	if b.head.plain >= 0 && b.plain > b.head.plain || b.head.compressed >= 0 && z.in.n-b.begin > b.head.compressed {
		return errors.New("a block is larger than its header says")
	}
	return nil
}

// endBlock reads what follows a block's last chunk.
func (z *reader) endBlock() error {
	b := z.block
	z.block = nil
	compressed := z.in.n - b.begin
	if b.head.plain >= 0 && b.plain != b.head.plain || b.head.compressed >= 0 && compressed != b.head.compressed {
		return errors.New("a block is smaller than its header says")
	}
	if err := z.in.padding(compressed); err != nil {
		return err
	}
	unpadded := b.headSize + compressed
	if z.sum != nil {
		got := z.sum.Sum(nil)
		if z.check != 10 { // the format has numbers with the lowest byte first
			for i, j := 0, len(got)-1; i < j; i, j = i+1, j-1 {
				got[i], got[j] = got[j], got[i]
			}
		}
		want := make([]byte, len(got))
		if _, err := io.ReadFull(z.in, want); err != nil {
			return noEOF(err)
		}
		if !bytes.Equal(got, want) {
			return errors.New("a block does not have its checksum")
		}
		unpadded += int64(len(want))
	}
	z.blocks = append(z.blocks, record{uint64(unpadded), uint64(b.plain)})
	return nil
}
