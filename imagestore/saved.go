package imagestore

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/mholt/archiver/v4"

	"satchel/manifest"
)

// saved is one element of the manifest.json of docker save (Docker image
// specification v1.2, "Combined Image JSON + Filesystem Changeset Format").
type saved struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// importSaved stores one image of a docker-save archive without an OCI layout.
// Its config and layers stay as they are; the manifest is made.
func importSaved(ctx context.Context, in files, out Store, opts Options) (manifest.Image, error) {
	raw, err := in.document("manifest.json")
	if err != nil {
		return manifest.Image{}, err
	}
	one, err := chooseSaved(raw, opts.Ref)
	if err != nil {
		return manifest.Image{}, err
	}
	if len(one.Layers) == 0 || len(one.Layers) > maxLayers {
		return manifest.Image{}, fmt.Errorf("reading manifest.json: %d layers: %w", len(one.Layers), ErrUnsupported)
	}
	rawConfig, err := in.document(one.Config)
	if err != nil {
		return manifest.Image{}, err
	}
	if len(rawConfig) > maxJSON {
		return manifest.Image{}, fmt.Errorf("reading %.200q: %d bytes of config: %w", one.Config, len(rawConfig), ErrUnsupported)
	}
	layers, err := savedLayers(ctx, in, one.Layers, out)
	if err != nil {
		return manifest.Image{}, err
	}
	image, err := makeImage(ctx, rawConfig, layers, out)
	if err != nil {
		return manifest.Image{}, err
	}
	return image, CheckConfig(image, rawConfig, opts.Architecture)
}

func chooseSaved(raw []byte, ref string) (saved, error) {
	var all []saved
	if err := json.Unmarshal(raw, &all); err != nil {
		return saved{}, fmt.Errorf("reading manifest.json: %w", err)
	}
	var fit []saved
	var names []string
	for _, s := range all {
		names = append(names, fmt.Sprintf("%.200q", strings.Join(append(slices.Clone(s.RepoTags), s.Config), " ")))
		id := strings.TrimSuffix(s.Config[strings.LastIndexByte(s.Config, '/')+1:], ".json")
		if ref == "" || slices.Contains(s.RepoTags, ref) || ref == id || ref == "sha256:"+id {
			fit = append(fit, s)
		}
	}
	if len(fit) == 1 {
		return fit[0], nil
	}
	if len(names) > 20 {
		names = append(names[:20], "…")
	}
	return saved{}, fmt.Errorf("reading manifest.json: %d images fit, choose one with #NAME; there are: %s: %w",
		len(fit), strings.Join(names, ", "), ErrUnsupported)
}

// savedLayers stores the layers of those names. The same file may be several
// layers, under one name or, through links, under several.
func savedLayers(ctx context.Context, in files, names []string, out Store) ([]manifest.OCIBlob, error) {
	canonical := func(name string) string { return name }
	if t, ok := in.(*tarFiles); ok {
		canonical = t.resolve
	}
	got := map[string]manifest.OCIBlob{}
	var once []string
	for _, name := range names {
		at := canonical(name)
		if at == "" {
			return nil, fmt.Errorf("opening layer %.200q: the archive does not have it", name)
		}
		if !slices.Contains(once, at) {
			once = append(once, at)
		}
	}
	err := in.each(ctx, once, func(name string, r io.Reader) error {
		layer, err := addLayer(ctx, out, r)
		if err != nil {
			return fmt.Errorf("reading layer %.200q: %w", name, err)
		}
		got[name] = layer
		return nil
	})
	var layers []manifest.OCIBlob
	for _, name := range names {
		layers = append(layers, got[canonical(name)])
	}
	return layers, err
}

// addLayer stores a layer and finds its media type by looking at it: docker
// save writes plain tars, other tools write gzip under the same names.
func addLayer(ctx context.Context, out Store, r io.Reader) (manifest.OCIBlob, error) {
	br := bufio.NewReaderSize(r, 1<<16)
	head, err := br.Peek(magicSize)
	if err != nil && err != io.EOF {
		return manifest.OCIBlob{}, err
	}
	t := types.OCIUncompressedLayer
	if m, _ := (archiver.Gz{}).Match(ctx, "", bytes.NewReader(head)); m.ByStream {
		t = types.OCILayer
	} else if m, _ := zstdFormat().Match(ctx, "", bytes.NewReader(head)); m.ByStream {
		t = types.OCILayerZStd
	}
	b, err := out.Add(ctx, br, maxBytes)
	return manifest.OCIBlob{MediaType: string(t), Blob: b}, err
}
