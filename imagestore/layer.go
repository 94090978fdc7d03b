package imagestore

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"satchel/manifest"
)

// errStop ends a walk early without an error.
var errStop = errors.New("stop")

// walkTar calls fn for every entry of the tar in r, numbered from 0, and then
// reads r to its end, at most limit bytes of it. body is the entry's content;
// fn need not read it.
//
// With strict set, a tar without its end marker is refused: it may have been
// cut between two entries.
func walkTar(ctx context.Context, r io.Reader, limit int64, strict bool, fn func(i int, h *tar.Header, body io.Reader) error) error {
	in := &countReader{r: ctxReader{ctx, r}, left: limit}
	tr := tar.NewReader(in)
	var logical, end int64 // content seen, sparse files at full length; offset after the last entry
	for i := 0; ; i++ {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("reading tar entry %d: %w", i, noEOF(err))
		}
		if logical += h.Size; h.Size < 0 || logical > limit {
			return fmt.Errorf("reading tar entry %d, %.200q: more than %d bytes of content: %w", i, h.Name, limit, ErrUnsupported)
		}
		body := ctxReader{ctx, tr} // holes of sparse files are never read below
		if err := fn(i, h, body); err != nil {
			return err
		}
		if strict {
			if _, err := io.Copy(io.Discard, body); err != nil {
				return fmt.Errorf("reading tar entry %d, %.200q: %w", i, h.Name, noEOF(err))
			}
			end = (in.n + 511) &^ 511
		}
	}
	if strict && in.n < end+512 {
		return errors.New("reading tar: it ends without an end marker, so it may be cut short")
	}
	_, err := io.Copy(io.Discard, in)
	return err
}

// countReader counts, and fails beyond a limit.
type countReader struct {
	r       io.Reader
	n, left int64
}

func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.left -= int64(n); c.left < 0 {
		return 0, fmt.Errorf("more than the most that is read, %d bytes: %w", c.n+c.left, ErrUnsupported)
	}
	return n, err
}

// walkLayer is walkTar over a stored layer. It returns the layer's diff ID,
// and only if size and hash of the blob are right; unless fn returned errStop,
// which ends the walk at once with a zero diff ID.
func walkLayer(ctx context.Context, layer manifest.OCIBlob, open Source, fn func(i int, h *tar.Header, body io.Reader) error) (diffID manifest.Digest, err error) {
	rc, err := open.Open(layer.Blob)
	if err != nil {
		return diffID, fmt.Errorf("opening layer %s: %w", layer.SHA256, err)
	}
	defer rc.Close()
	verified := layer.Verify(rc)
	dec, err := decompressLayer(layer.MediaType, verified)
	if err != nil {
		return diffID, fmt.Errorf("reading layer %s: %w", layer.SHA256, err)
	}
	defer dec.Close()
	ahead := readAhead(dec)
	defer ahead.Close()
	sum := sha256.New()
	err = walkTar(ctx, io.TeeReader(ahead, sum), maxBytes, false, fn)
	if errors.Is(err, errStop) {
		return diffID, nil
	}
	if err == nil {
		ahead.Close()
		_, err = io.Copy(io.Discard, verified) // to the check at its end
	}
	if err != nil {
		return diffID, fmt.Errorf("reading layer %s: %w", layer.SHA256, err)
	}
	return manifest.Digest(sum.Sum(nil)), nil
}
