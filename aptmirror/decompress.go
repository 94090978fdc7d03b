package aptmirror

import (
	"bufio"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz/lzma"

	"satchel/aptmirror/xz"
)

// maxDictionary bounds the memory of a decoder, in bytes: what "xz -9" needs.
const maxDictionary = 64 << 20

// Decompress returns what r holds, decoded as the extension of name says: .gz,
// .xz, .bz2, .lzma, .zst; any other name is taken as plain. Several streams one
// after the other are one (but in .lzma, whose format has no such thing), and
// bytes after the last are an error. A decoder needs at most some 64 MiB, with
// larger dictionaries refused; how much comes out is for the caller to bound
// (Release.Plain says how much is right). r is read to its end before the
// decoded stream ends. name is for choice and errors only.
//
// Close frees the decoder; it does not close r.
func Decompress(name string, r io.Reader) (io.ReadCloser, error) {
	d := &decompressed{name: name, r: r}
	switch ext := path.Ext(name); ext {
	case ".gz", ".xz", ".bz2", ".lzma", ".zst":
		br := bufio.NewReader(r)
		_, err := br.Peek(1) // no decoder may take nothing for an empty stream
		if err == nil {
			err = d.open(ext, br)
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, fmt.Errorf("decompressing %s: %w", name, err)
		}
	}
	return d, nil
}

// open chooses the decoder.
func (d *decompressed) open(ext string, r *bufio.Reader) (err error) {
	switch ext {
	case ".gz":
		var z *gzip.Reader
		if z, err = gzip.NewReader(r); err == nil {
			d.r, d.close = z, z.Close
		}
	case ".xz":
		d.r, err = xz.NewReader(r, maxDictionary)
	case ".bz2":
		d.r = bzip2.NewReader(r)
	case ".lzma":
		d.r, err = newLZMA(r)
	case ".zst":
		var z *zstd.Decoder
		z, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxDictionary), zstd.WithDecoderLowmem(true))
		if err == nil {
			d.r, d.close = z, func() error { z.Close(); return nil }
		}
	}
	return err
}

// decompressed names the file in a decoder's errors.
type decompressed struct {
	name  string
	r     io.Reader
	close func() error
}

func (d *decompressed) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("decompressing %s: %w", d.name, err)
	}
	return n, err
}

func (d *decompressed) Close() error {
	if d.close == nil {
		return nil
	}
	return d.close()
}

// newLZMA reads the format of the old lzma tool. Its header says how large the
// dictionary is, and the decoder takes its word, so the header is checked here
// first.
func newLZMA(br *bufio.Reader) (io.Reader, error) {
	header, err := br.Peek(13)
	if err != nil {
		return nil, err
	}
	if header[0] >= 9*5*5 {
		return nil, errors.New("not an .lzma stream")
	}
	if size := binary.LittleEndian.Uint32(header[1:5]); size > maxDictionary {
		return nil, fmt.Errorf("its dictionary has %d bytes, more than %d: %w", size, maxDictionary, ErrTooBig)
	}
	z, err := lzma.NewReader(br)
	if err != nil {
		return nil, err
	}
	return &lzmaReader{z: z, rest: br}, nil
}

// lzmaReader refuses bytes after the stream.
type lzmaReader struct {
	z    *lzma.Reader
	rest *bufio.Reader
}

func (l *lzmaReader) Read(p []byte) (int, error) {
	n, err := l.z.Read(p)
	if err == io.EOF {
		if _, next := l.rest.ReadByte(); next != io.EOF {
			if next == nil {
				next = errors.New("something follows the .lzma stream")
			}
			return n, next
		}
	}
	return n, err
}
