package pull

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"satchel/imagestore"
	"satchel/manifest"
)

// Options say what is wanted and how to reach it.
type Options struct {
	// Architecture is dpkg's name of the architecture (amd64, i386, …) or
	// gitian's linux64. It must be given to Resolve and Pull.
	Architecture string
	// Keychain knows passwords, if there are any; nil means to stay anonymous.
	Keychain authn.Keychain
	// Transport makes the requests. It must be given.
	Transport http.RoundTripper
	// Progress, if not nil, is told of bytes as they arrive; from several
	// goroutines.
	Progress func(blob manifest.Blob, bytes int)
}

// Errors that callers may tell apart; see also manifest.ErrDigest and
// imagestore.ErrUnsupported.
var (
	// ErrNotFound: the registry does not have it, or does not show it to us.
	ErrNotFound = errors.New("not found in the registry")
	// ErrRegistry: the registry answered with an error.
	ErrRegistry = errors.New("the registry answered with an error")
)

// parallel is how many blobs are fetched at a time.
const parallel = 4

// maxManifest is the largest manifest or index that is read, in bytes; it is
// also the least that the distribution specification asks registries to take.
const maxManifest = 4 << 20

// Resolve asks the registry which digest ref ("debian:bookworm", …) names now
// and returns the reference with that digest, "REPOSITORY:TAG@sha256:…": the
// one to keep in a lock. A ref that has a digest already is only spelled out.
func Resolve(ctx context.Context, ref string, opts Options) (string, error) {
	r, err := dial(ctx, ref, opts)
	if err != nil {
		return "", fmt.Errorf("resolving image %s: %w", ref, err)
	}
	pinned, _, _, err := r.resolve(ctx)
	if err != nil {
		return "", fmt.Errorf("resolving image %s: %w", ref, err)
	}
	return pinned, nil
}

// Pull stores the image that ref names, for Linux on opts.Architecture: its
// manifest, config and layers, as the registry has them. Image.From is ref with
// the digest of what it names, which may be an index that holds the image.
// After an error, out may hold blobs that no image names.
func Pull(ctx context.Context, ref string, out imagestore.Store, opts Options) (manifest.Image, error) {
	image, err := pull(ctx, ref, out, opts)
	if err != nil {
		return manifest.Image{}, fmt.Errorf("pulling image %s: %w", ref, err)
	}
	return image, nil
}

func pull(ctx context.Context, ref string, out imagestore.Store, opts Options) (manifest.Image, error) {
	r, err := dial(ctx, ref, opts)
	if err != nil {
		return manifest.Image{}, err
	}
	from, desc, raw, err := r.resolve(ctx)
	if err != nil {
		return manifest.Image{}, err
	}
	for depth := 0; desc.MediaType == string(types.OCIImageIndex) || desc.MediaType == string(types.DockerManifestList); depth++ {
		if depth > 4 {
			return manifest.Image{}, fmt.Errorf("indexes in indexes: %w", imagestore.ErrUnsupported)
		}
		if desc, err = imagestore.Choose(raw, opts.Architecture, ""); err != nil {
			return manifest.Image{}, err
		}
		if raw, err = r.manifest(ctx, desc); err != nil {
			return manifest.Image{}, err
		}
	}
	image, err := imagestore.Describe(desc, raw)
	if err != nil {
		return manifest.Image{}, err
	}
	image.From = from
	config, err := r.bytes(ctx, image.Config.Blob)
	if err != nil {
		return manifest.Image{}, err
	}
	if err := imagestore.CheckConfig(image, config, opts.Architecture); err != nil {
		return manifest.Image{}, err
	}
	return image, r.store(ctx, image, raw, out)
}

// Fetch stores the blobs of an image that a lock has pinned, from the
// repository that image.From names. What out has already is not asked for
// again. Nothing is chosen or resolved: the registry only delivers.
func Fetch(ctx context.Context, image manifest.Image, out imagestore.Store, opts Options) error {
	if image.Kind != manifest.ImageOCI || image.Manifest == nil || image.Config == nil {
		return fmt.Errorf("fetching image of kind %q: it names no manifest and config", image.Kind)
	}
	r, err := dial(ctx, image.From, opts)
	if err == nil {
		err = r.fetch(ctx, image, out)
	}
	if err != nil {
		return fmt.Errorf("fetching image %s: %w", image.From, err)
	}
	return nil
}

func (r *repository) fetch(ctx context.Context, image manifest.Image, out imagestore.Store) error {
	raw, err := r.manifest(ctx, *image.Manifest)
	if err != nil {
		return err
	}
	said, err := imagestore.Describe(*image.Manifest, raw)
	if err != nil {
		return err
	}
	if !equal(said, image) {
		return errors.New("the lock's config and layers are not those of its manifest; lock again")
	}
	return r.store(ctx, image, raw, out)
}

// equal compares everything but From.
func equal(a, b manifest.Image) bool {
	if *a.Config != *b.Config || len(a.Layers) != len(b.Layers) {
		return false
	}
	for i := range a.Layers {
		if a.Layers[i] != b.Layers[i] {
			return false
		}
	}
	return true
}

// store puts all blobs of image into out, several at a time, the manifest last.
func (r *repository) store(ctx context.Context, image manifest.Image, raw []byte, out imagestore.Store) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	done := map[manifest.Digest]bool{image.Manifest.SHA256: true}
	for _, b := range imagestore.Blobs(image) {
		if done[b.SHA256] {
			continue
		}
		done[b.SHA256] = true
		g.Go(func() error {
			if rc, err := out.Open(b); err == nil {
				return rc.Close()
			}
			body := r.blob(gctx, b)
			defer body.Close()
			return add(gctx, out, b, body)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return add(ctx, out, image.Manifest.Blob, newReader(raw))
}

// dial reads ref and greets its registry.
func dial(ctx context.Context, ref string, opts Options) (*repository, error) {
	if opts.Transport == nil {
		return nil, errors.New("no transport was given")
	}
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return nil, err
	}
	return newRepository(ctx, parsed, opts)
}
