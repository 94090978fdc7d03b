package imagestore

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"satchel/manifest"
)

// importRoot makes an image of one layer out of a root tarball. The tar is
// looked through while it is stored, so that what Flatten would refuse is
// never kept.
func importRoot(ctx context.Context, open func() (io.ReadCloser, error), out Store, opts Options) (manifest.Image, error) {
	rc, err := open()
	if err != nil {
		return manifest.Image{}, err
	}
	defer rc.Close()
	dec, err := decompress(ctx, rc)
	if err != nil {
		return manifest.Image{}, err
	}
	defer dec.Close()
	ahead := readAhead(dec)
	defer ahead.Close()

	pr, pw := io.Pipe()
	checked := make(chan error, 1)
	go func() {
		err := checkRoot(ctx, pr)
		pr.CloseWithError(err) // nil ends later writes too; there are none after the end
		checked <- err
	}()
	blob, err := out.Add(ctx, &teeCloser{r: ahead, w: pw, checked: checked}, maxBytes)
	pw.CloseWithError(context.Canceled) // if Add stopped early
	if err != nil {
		return manifest.Image{}, err
	}
	raw, err := rootConfig(opts.Architecture, blob.SHA256)
	if err != nil {
		return manifest.Image{}, err
	}
	layer := manifest.OCIBlob{MediaType: string(types.OCIUncompressedLayer), Blob: blob}
	return makeImage(ctx, raw, []manifest.OCIBlob{layer}, out)
}

// teeCloser is io.TeeReader that holds back the end until the other side has
// seen it too, and found nothing wrong.
type teeCloser struct {
	r       io.Reader
	w       *io.PipeWriter
	checked <-chan error
	err     error
}

func (t *teeCloser) Read(p []byte) (int, error) {
	if t.err != nil {
		return 0, t.err
	}
	n, err := t.r.Read(p)
	if n > 0 {
		if _, werr := t.w.Write(p[:n]); werr != nil {
			t.err = werr
			return 0, werr
		}
	}
	if err == io.EOF {
		t.w.Close()
		if cerr := <-t.checked; cerr != nil {
			err = cerr
		}
	}
	t.err = err
	return n, err
}

// checkRoot reads the tar of a root file system to its end.
func checkRoot(ctx context.Context, r io.Reader) error {
	t := newTree()
	t.layer = 0
	err := walkTar(ctx, r, maxBytes, true, func(i int, h *tar.Header, _ io.Reader) error {
		name := strings.TrimSuffix(h.Name, "/")
		if strings.HasPrefix(name[strings.LastIndexByte(name, '/')+1:], whiteoutPrefix) {
			return fmt.Errorf("the name %.200q means a removed file in a container image: %w", h.Name, ErrUnsupported)
		}
		return t.apply(i, h)
	})
	if err != nil {
		return err
	}
	if t.root.kids["etc"] == nil || t.root.kids["usr"] == nil && t.root.kids["bin"] == nil {
		return fmt.Errorf("it is a tar, but not of a whole root file system (etc and usr at its top): %w", ErrUnsupported)
	}
	return nil
}

// rootConfig writes the config of a root tarball's image. It says when no
// more than the Unix epoch, so that it is the same everywhere.
func rootConfig(architecture string, diffID manifest.Digest) ([]byte, error) {
	p, err := platformOf(architecture)
	if err != nil {
		return nil, err
	}
	c := config{Created: "1970-01-01T00:00:00Z", Architecture: p.Architecture, Variant: p.Variant, OS: p.OS}
	c.RootFS.Type = "layers"
	c.RootFS.DiffIDs = []string{diffID.String()}
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, errors.Join(errors.New("writing image config"), err)
	}
	return raw, nil
}
