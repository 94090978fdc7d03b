package imagestore

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
	"github.com/mholt/archiver/v4"
)

// decompression is one of archiver's formats. Only Match and OpenReader are
// used: its extraction has a history of writing outside the target.
type decompression interface {
	archiver.Decompressor
	archiver.Format
}

// decompressions are tried in this order. archiver.Identify is no help: it
// walks a map, so that what matches two formats is one or the other by chance,
// and its brotli "matches" much that is none.
func decompressions() []decompression {
	return []decompression{
		archiver.Gz{},
		archiver.Xz{},
		zstdFormat(),
		archiver.Bz2{},
		archiver.Lz4{},
	}
}

// zstdFormat reads windows of up to 128 MiB, which is what `zstd --long` and
// `--ultra -22` use.
func zstdFormat() archiver.Zstd {
	return archiver.Zstd{DecoderOptions: []zstd.DOption{
		zstd.WithDecoderMaxWindow(128 << 20), zstd.WithDecoderLowmem(true),
	}}
}

// magicSize is more than any of the formats looks at.
const magicSize = 16

// decompress returns the bytes of r, uncompressed if r starts as one of the
// known compressions does. Close it to free the decoder; r stays open. A
// stream that is cut short, or has bytes after its end, gives an error.
func decompress(ctx context.Context, r io.Reader) (io.ReadCloser, error) {
	br := bufio.NewReaderSize(r, 1<<16)
	head, err := br.Peek(magicSize)
	if err != nil && err != io.EOF {
		return nil, err
	}
	for _, f := range decompressions() {
		m, err := f.Match(ctx, "", bytes.NewReader(head))
		if err != nil {
			return nil, err
		}
		if m.ByStream {
			return openDecoder(f, br)
		}
	}
	return io.NopCloser(br), nil
}

// decompressLayer is decompress for a layer, whose media type says what it is.
func decompressLayer(mediaType string, r io.Reader) (io.ReadCloser, error) {
	br := bufio.NewReaderSize(r, 1<<16)
	switch types.MediaType(mediaType) {
	case types.OCIUncompressedLayer, types.DockerUncompressedLayer:
		return io.NopCloser(br), nil
	case types.OCILayer, types.DockerLayer:
		return openDecoder(archiver.Gz{}, br)
	case types.OCILayerZStd:
		return openDecoder(zstdFormat(), br)
	}
	return nil, fmt.Errorf("a layer of media type %q: %w", mediaType, ErrUnsupported)
}

func openDecoder(f decompression, r io.Reader) (rc io.ReadCloser, err error) {
	defer recoverTo(&err, f.Extension())
	dec, err := f.OpenReader(r)
	if err != nil {
		return nil, fmt.Errorf("decompressing %s: %w", f.Extension(), noEOF(err))
	}
	return &decoder{name: f.Extension(), dec: dec, src: r}, nil
}

// decoder is a decompressor that cannot panic, cannot end early unseen, and
// leaves nothing unread behind it.
type decoder struct {
	name string
	dec  io.ReadCloser
	src  io.Reader
	err  error
}

func (d *decoder) Read(p []byte) (n int, err error) {
	if d.err != nil {
		return 0, d.err
	}
	defer func() {
		if n < 0 || n > len(p) {
			n, err = 0, errors.New("impossible count")
		}
		d.err = err
	}()
	defer recoverTo(&err, d.name)
	n, err = d.dec.Read(p)
	switch err {
	case nil:
	case io.EOF:
		switch m, serr := io.ReadFull(d.src, make([]byte, 1)); {
		case m > 0:
			err = fmt.Errorf("decompressing %s: there are bytes after its end", d.name)
		case serr != io.EOF:
			err = serr
		}
	default:
		err = fmt.Errorf("decompressing %s: %w", d.name, noEOF(err))
	}
	return n, err
}

func (d *decoder) Close() (err error) {
	defer recoverTo(&err, d.name)
	return d.dec.Close()
}

// recoverTo turns a panic of a decoder, which is somebody else's code reading
// hostile bytes, into an error.
func recoverTo(err *error, name string) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("decompressing %s: the decoder failed: %v", name, p)
	}
}

// noEOF keeps an early end from looking like a proper one.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
