package imagestore

import (
	"context"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"satchel/manifest"
)

// maxNested is how many indexes may stand in one another.
const maxNested = 4

// importLayout stores one image of an OCI layout, every blob as it is.
func importLayout(ctx context.Context, in files, out Store, opts Options) (manifest.Image, error) {
	raw, err := in.document("index.json")
	if err != nil {
		return manifest.Image{}, err
	}
	desc := manifest.OCIBlob{MediaType: string(types.OCIImageIndex)}
	ref := opts.Ref
	for depth := 0; isIndex(types.MediaType(desc.MediaType)); depth++ {
		if depth > maxNested {
			return manifest.Image{}, fmt.Errorf("reading image index: more than %d within one another: %w", maxNested, ErrUnsupported)
		}
		if desc, err = Choose(raw, opts.Architecture, ref); err != nil {
			return manifest.Image{}, err
		}
		if raw, err = in.document(blobPath(desc.SHA256)); err != nil {
			return manifest.Image{}, err
		}
		if int64(len(raw)) != desc.Size || manifest.Sum(raw) != desc.SHA256 {
			return manifest.Image{}, fmt.Errorf("reading %s: %w", blobPath(desc.SHA256), manifest.ErrDigest)
		}
		ref = "" // it was the outermost index that named it
	}
	image, err := Describe(desc, raw)
	if err != nil {
		return manifest.Image{}, err
	}
	rawConfig, err := in.document(blobPath(image.Config.SHA256))
	if err != nil {
		return manifest.Image{}, err
	}
	if err := CheckConfig(image, rawConfig, opts.Architecture); err != nil {
		return manifest.Image{}, err
	}
	want := map[string]manifest.Blob{}
	var names []string
	for _, b := range Blobs(image) {
		name := blobPath(b.SHA256)
		if old, ok := want[name]; ok && old != b {
			return manifest.Image{}, fmt.Errorf("reading image manifest: %s has two sizes", b.SHA256)
		} else if !ok {
			names = append(names, name)
		}
		want[name] = b
	}
	err = in.each(ctx, names, func(name string, r io.Reader) error { return add(ctx, out, want[name], r) })
	return image, err
}

// Blobs lists what image consists of: manifest, config, layers.
func Blobs(image manifest.Image) []manifest.Blob {
	var all []manifest.Blob
	for _, b := range []*manifest.OCIBlob{image.Manifest, image.Config} {
		if b != nil {
			all = append(all, b.Blob)
		}
	}
	for _, l := range image.Layers {
		all = append(all, l.Blob)
	}
	return all
}

func blobPath(d manifest.Digest) string { return "blobs/sha256/" + d.Hex() }
