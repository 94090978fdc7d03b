package imagestore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"satchel/manifest"
)

// Store is where blobs go. Add reads r to its end and keeps its bytes, at most
// limit of them; when r fails or is longer, it keeps nothing and says why.
type Store interface {
	Add(ctx context.Context, r io.Reader, limit int64) (manifest.Blob, error)
	Source
}

// Source hands out blobs by name. What it returns is not trusted: every
// reader in this package checks size and hash again.
type Source interface {
	Open(manifest.Blob) (io.ReadCloser, error)
}

// Limits of what is accepted, whatever the input says of itself.
const (
	maxBytes   = 64 << 30  // one layer, uncompressed; and all of a flattened image
	maxJSON    = 4 << 20   // one manifest, index or config
	maxAllJSON = 64 << 20  // all JSON documents of one archive
	maxFiles   = 200_000   // entries of an archive of images
	maxLayers  = 1024      // layers of an image
	maxEntries = 4_000_000 // tar entries of all layers together
	maxNames   = 1 << 30   // bytes of names, link targets and attributes of all of them
)

// ErrUnsupported is wrapped by errors about input that is sound but of no use
// here: not an image, another platform, a media type that is not carried.
var ErrUnsupported = errors.New("not supported")

// add stores the bytes of r, which must be those that want names.
func add(ctx context.Context, out Store, want manifest.Blob, r io.Reader) error {
	if want.Size < 0 || want.Size > maxBytes {
		return fmt.Errorf("storing blob %s: a size of %d bytes: %w", want.SHA256, want.Size, ErrUnsupported)
	}
	got, err := out.Add(ctx, want.Verify(r), want.Size)
	if err != nil {
		return fmt.Errorf("storing blob %s: %w", want.SHA256, err)
	}
	if got != want {
		return fmt.Errorf("storing blob %s: the store kept %s of %d bytes", want.SHA256, got.SHA256, got.Size)
	}
	return nil
}

// ctxReader stops a copy when ctx ends.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
