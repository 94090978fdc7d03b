package imagestore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"satchel/manifest"
)

// config is what is read of an image's config, and all that is written of one
// that is made here (OCI image specification, config.md).
type config struct {
	Created      string   `json:"created,omitempty"`
	Architecture string   `json:"architecture"`
	Variant      string   `json:"variant,omitempty"`
	OS           string   `json:"os"`
	Config       struct{} `json:"config"`
	RootFS       struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// diffIDs returns one digest for each of n layers.
func (c *config) diffIDs(n int) ([]manifest.Digest, error) {
	if c.RootFS.Type != "layers" || len(c.RootFS.DiffIDs) != n {
		return nil, fmt.Errorf("reading image config: it describes %d layers of type %q, the manifest %d",
			len(c.RootFS.DiffIDs), c.RootFS.Type, n)
	}
	ids := make([]manifest.Digest, n)
	for i, s := range c.RootFS.DiffIDs {
		d, err := parseDigest(s)
		if err != nil {
			return nil, fmt.Errorf("reading image config: %w", err)
		}
		ids[i] = d
	}
	return ids, nil
}

// parseDigest reads a digest as OCI spells it, with its algorithm.
func parseDigest(s string) (manifest.Digest, error) {
	if !strings.HasPrefix(s, "sha256:") {
		return manifest.Digest{}, fmt.Errorf("digest %.80q: only sha256 is read: %w", s, ErrUnsupported)
	}
	return manifest.ParseDigest(s)
}

// blobOf turns a content descriptor into ours.
func blobOf(d v1.Descriptor) (manifest.OCIBlob, error) {
	sum, err := parseDigest(d.Digest.String())
	if err != nil {
		return manifest.OCIBlob{}, err
	}
	if d.Size < 0 || d.Size > maxBytes {
		return manifest.OCIBlob{}, fmt.Errorf("blob %s: a size of %d bytes: %w", sum, d.Size, ErrUnsupported)
	}
	return manifest.OCIBlob{MediaType: string(d.MediaType), Blob: manifest.Blob{SHA256: sum, Size: d.Size}}, nil
}

// Describe reads an image manifest, of which desc is the descriptor and raw
// are the bytes, and fills an Image with everything but From. It refuses what
// Flatten could not read: other media types, foreign layers, hashes that are
// not SHA-256.
func Describe(desc manifest.OCIBlob, raw []byte) (manifest.Image, error) {
	image := manifest.Image{Kind: manifest.ImageOCI, Manifest: &desc}
	if int64(len(raw)) != desc.Size || manifest.Sum(raw) != desc.SHA256 {
		return image, fmt.Errorf("reading image manifest %s: %w", desc.SHA256, manifest.ErrDigest)
	}
	if !isImage(types.MediaType(desc.MediaType)) {
		return image, fmt.Errorf("reading image manifest of media type %q: %w", desc.MediaType, ErrUnsupported)
	}
	var m v1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return image, fmt.Errorf("reading image manifest %s: %w", desc.SHA256, err)
	}
	if m.SchemaVersion != 2 || m.MediaType != "" && string(m.MediaType) != desc.MediaType {
		return image, fmt.Errorf("reading image manifest %s: schema version %d and media type %q: %w",
			desc.SHA256, m.SchemaVersion, m.MediaType, ErrUnsupported)
	}
	cfg, err := blobOf(m.Config)
	if err != nil {
		return image, fmt.Errorf("reading image manifest %s: its config: %w", desc.SHA256, err)
	}
	if t := m.Config.MediaType; t != types.OCIConfigJSON && t != types.DockerConfigJSON || cfg.Size > maxJSON {
		return image, fmt.Errorf("reading image manifest %s: a config of %d bytes and media type %.80q is no container image's: %w",
			desc.SHA256, cfg.Size, t, ErrUnsupported)
	}
	image.Config = &cfg
	if len(m.Layers) == 0 || len(m.Layers) > maxLayers {
		return image, fmt.Errorf("reading image manifest %s: %d layers: %w", desc.SHA256, len(m.Layers), ErrUnsupported)
	}
	var total int64
	for _, l := range m.Layers {
		b, err := blobOf(l)
		if err != nil {
			return image, fmt.Errorf("reading image manifest %s: a layer: %w", desc.SHA256, err)
		}
		if total += b.Size; total > maxBytes {
			return image, fmt.Errorf("reading image manifest %s: layers of more than %d bytes: %w", desc.SHA256, int64(maxBytes), ErrUnsupported)
		}
		if !slices.Contains(layerTypes(), l.MediaType) {
			return image, fmt.Errorf("reading image manifest %s: a layer of media type %.80q: %w", desc.SHA256, l.MediaType, ErrUnsupported)
		}
		image.Layers = append(image.Layers, b)
	}
	return image, nil
}

// CheckConfig reads the bytes of image's config: they must be the ones its
// manifest names, for Linux on architecture (as dpkg spells it), with a
// diff ID for each layer.
func CheckConfig(image manifest.Image, raw []byte, architecture string) error {
	if image.Config == nil || int64(len(raw)) != image.Config.Size || manifest.Sum(raw) != image.Config.SHA256 {
		return fmt.Errorf("reading image config: %w", manifest.ErrDigest)
	}
	var c config
	if err := json.Unmarshal(raw, &c); err != nil {
		return fmt.Errorf("reading image config: %w", err)
	}
	p, err := platformOf(architecture)
	if err != nil {
		return err
	}
	if c.OS != p.OS || c.Architecture != p.Architecture {
		return fmt.Errorf("reading image config: the image is for %.20s/%.20s, wanted is %s/%s: %w",
			c.OS, c.Architecture, p.OS, p.Architecture, ErrUnsupported)
	}
	ids, err := c.diffIDs(len(image.Layers))
	if err != nil {
		return err
	}
	for i, l := range image.Layers {
		plain := l.MediaType == string(types.OCIUncompressedLayer) || l.MediaType == string(types.DockerUncompressedLayer)
		if plain && ids[i] != l.SHA256 {
			return fmt.Errorf("reading image config: layer %d is %s, the config says %s: %w", i, l.SHA256, ids[i], manifest.ErrDigest)
		}
	}
	return nil
}

func isImage(t types.MediaType) bool {
	return t == types.OCIManifestSchema1 || t == types.DockerManifestSchema2
}

func isIndex(t types.MediaType) bool {
	return t == types.OCIImageIndex || t == types.DockerManifestList
}

func layerTypes() []types.MediaType {
	return []types.MediaType{
		types.OCIUncompressedLayer, types.OCILayer, types.OCILayerZStd,
		types.DockerUncompressedLayer, types.DockerLayer,
	}
}

// makeImage writes config and manifest of an image whose layers are stored
// already. The fields and their order are fixed, so that equal layers are
// equal images.
func makeImage(ctx context.Context, rawConfig []byte, layers []manifest.OCIBlob, out Store) (manifest.Image, error) {
	type descriptor struct {
		MediaType types.MediaType `json:"mediaType"`
		Digest    string          `json:"digest"`
		Size      int64           `json:"size"`
	}
	m := struct {
		SchemaVersion int             `json:"schemaVersion"`
		MediaType     types.MediaType `json:"mediaType"`
		Config        descriptor      `json:"config"`
		Layers        []descriptor    `json:"layers"`
	}{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	cfg := manifest.Blob{SHA256: manifest.Sum(rawConfig), Size: int64(len(rawConfig))}
	m.Config = descriptor{types.OCIConfigJSON, cfg.SHA256.String(), cfg.Size}
	for _, l := range layers {
		m.Layers = append(m.Layers, descriptor{types.MediaType(l.MediaType), l.SHA256.String(), l.Size})
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return manifest.Image{}, fmt.Errorf("writing image manifest: %w", err)
	}
	desc := manifest.OCIBlob{MediaType: string(types.OCIManifestSchema1), Blob: manifest.Blob{SHA256: manifest.Sum(raw), Size: int64(len(raw))}}
	image, err := Describe(desc, raw)
	if err != nil {
		return manifest.Image{}, err
	}
	if err := add(ctx, out, cfg, strings.NewReader(string(rawConfig))); err != nil {
		return manifest.Image{}, err
	}
	return image, add(ctx, out, desc.Blob, strings.NewReader(string(raw)))
}
