package gather

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"strings"

	"satchel/manifest"
)

// bundleStart is how every bundle begins.
const bundleStart = "oci-layout\x00"

// maxEntries bounds the entries of a bundle: its blobs, and their signatures.
const maxEntries = 1<<20 + 1<<10

// bundle takes the wanted blobs of a bundle, whoever signed it, whole or not:
// each counts by its own hash. Where it is damaged the rest is left.
func (f *Finder) bundle(ctx context.Context, r io.ReadSeeker) error {
	t := tar.NewReader(r)
	for range maxEntries {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := t.Next()
		if err == io.EOF || f.left() == 0 {
			return nil
		}
		if err != nil {
			f.Story(fmt.Sprintf("the bundle is damaged, or cut off: %v; what comes before is taken", err))
			return nil
		}
		hex, ok := strings.CutPrefix(h.Name, "blobs/sha256/")
		sum, err := manifest.ParseDigest(hex)
		if !ok || err != nil || h.Typeflag != tar.TypeReg {
			continue
		}
		f.mu.Lock()
		b, ok := f.want[sum]
		f.mu.Unlock()
		if Unsized(b) {
			b.Size = h.Size
		}
		if !ok || b.Size != h.Size {
			continue
		}
		if _, err := f.put(ctx, b.Blob, t); ours(ctx, err) != nil {
			return err
		}
	}
	return nil
}
