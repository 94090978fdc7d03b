package deb

import (
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz/lzma"

	"satchel/aptmirror/xz"
)

// maxDictionary bounds the window that a compressed part may ask for: xz -9
// and zstd -19 --long of Ubuntu's debs need at most this.
const maxDictionary = 128 << 20

// ErrTooLarge is returned when a part unpacks to more than its limit.
var ErrTooLarge = errors.New("it unpacks to more than is allowed")

// decompress returns a reader of what r holds; suffix is the end of the
// part's name after ".tar": "", ".gz", ".xz", ".zst", ".bz2" or ".lzma". The
// stream must be all there: an early end is an error. close frees the
// decoder.
func decompress(r io.Reader, suffix string) (out io.Reader, close func(), err error) {
	close = func() {}
	switch suffix {
	case "":
		out = r
	case ".gz":
		out, err = gzip.NewReader(r)
	case ".xz":
		out, err = xz.NewReader(r, maxDictionary)
	case ".bz2":
		out = bzip2.NewReader(r)
	case ".lzma":
		out, err = newLZMA(r)
	case ".zst":
		var z *zstd.Decoder
		z, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxDictionary))
		if err == nil {
			out, close = z, z.Close
		}
	default:
		return nil, nil, fmt.Errorf("its compression %q is unknown", suffix)
	}
	if err != nil {
		return nil, nil, noEOF(err)
	}
	return out, close, nil
}

// newLZMA reads the old .lzma format. The package takes any window its header
// asks for, up to 4 GiB, so the header is looked at first: one byte of
// properties, four of window size, eight of length.
func newLZMA(r io.Reader) (io.Reader, error) {
	var head [lzma.HeaderLen]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	if n := binary.LittleEndian.Uint32(head[1:5]); n > maxDictionary {
		return nil, fmt.Errorf("its window of %d bytes is more than is allowed", n)
	}
	return lzma.ReaderConfig{DictCap: lzma.MinDictCap}.NewReader(io.MultiReader(bytes.NewReader(head[:]), r))
}

// cappedReader gives at most left bytes of r; where r has more, it gives
// ErrTooLarge.
type cappedReader struct {
	r    io.Reader
	left int64
}

func (c *cappedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, ErrTooLarge
	}
	return n, err
}
