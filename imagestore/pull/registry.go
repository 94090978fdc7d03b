package pull

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"satchel/imagestore"
	"satchel/manifest"
)

// repository is one repository in a registry. Requests and authorisation are
// go-containerregistry's transport; what is answered is read here, because its
// own verified reader does not see what comes after a blob's last byte.
type repository struct {
	ref      name.Reference
	client   *http.Client
	progress func(manifest.Blob, int)
}

func newRepository(ctx context.Context, ref name.Reference, opts Options) (*repository, error) {
	repo := ref.Context()
	auth := authn.Anonymous
	if opts.Keychain != nil {
		var err error
		if auth, err = opts.Keychain.Resolve(repo); err != nil {
			return nil, fmt.Errorf("reading passwords for %s: %w", repo.RegistryStr(), err)
		}
	}
	rt, err := transport.NewWithContext(ctx, repo.Registry, auth, transport.NewRetry(opts.Transport), []string{repo.Scope(transport.PullScope)})
	if err != nil {
		return nil, err
	}
	return &repository{ref: ref, progress: opts.Progress, client: &http.Client{Transport: rt, CheckRedirect: noDowngrade}}, nil
}

// noDowngrade follows a few redirects, but not from https to http.
func noDowngrade(next *http.Request, before []*http.Request) error {
	if len(before) >= 10 {
		return errors.New("too many redirects")
	}
	if before[0].URL.Scheme == "https" && next.URL.Scheme != "https" {
		return errors.New("a redirect from https to http")
	}
	return nil
}

// get asks for one path below the repository. The caller closes the body.
func (r *repository) get(ctx context.Context, path string, header map[string]string) (*http.Response, error) {
	repo := r.ref.Context()
	u := url.URL{Scheme: repo.Scheme(), Host: repo.RegistryStr(), Path: "/v2/" + repo.RepositoryStr() + "/" + path}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "identity") // the bytes as they are
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPartialContent && header["Range"] != "" {
		return resp, nil
	}
	resp.Body.Close()
	err = ErrRegistry
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusUnauthorized, http.StatusForbidden:
		err = ErrNotFound
	}
	return nil, fmt.Errorf("asking for %s: %s: %w", path, http.StatusText(resp.StatusCode), err)
}

// accepted are the media types of manifests that are asked for.
func accepted() string {
	var all []string
	for _, t := range []types.MediaType{types.OCIImageIndex, types.DockerManifestList, types.OCIManifestSchema1, types.DockerManifestSchema2} {
		all = append(all, string(t))
	}
	return strings.Join(all, ",")
}

// resolve reads what the reference names, and pins it.
func (r *repository) resolve(ctx context.Context) (from string, desc manifest.OCIBlob, raw []byte, err error) {
	resp, err := r.get(ctx, "manifests/"+r.ref.Identifier(), map[string]string{"Accept": accepted()})
	if err != nil {
		return "", desc, nil, err
	}
	defer resp.Body.Close()
	if raw, err = readManifest(resp.Body); err != nil {
		return "", desc, nil, err
	}
	mediaType, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	desc = manifest.OCIBlob{
		MediaType: strings.TrimSpace(mediaType),
		Blob:      manifest.Blob{SHA256: manifest.Sum(raw), Size: int64(len(raw))},
	}
	digest := desc.SHA256.String()
	if said := resp.Header.Get("Docker-Content-Digest"); said != "" && said != digest {
		return "", desc, nil, fmt.Errorf("reading manifest: the registry says it is %.80q, it is %s: %w", said, digest, manifest.ErrDigest)
	}
	if want, ok := r.ref.(name.Digest); ok {
		if want.DigestStr() != digest {
			return "", desc, nil, fmt.Errorf("reading manifest %s: got %s: %w", want.DigestStr(), digest, manifest.ErrDigest)
		}
		return spelled(r.ref, digest), desc, raw, nil
	}
	return r.ref.Name() + "@" + digest, desc, raw, nil
}

// spelled writes a reference with a digest, keeping the tag if it had one.
func spelled(ref name.Reference, digest string) string {
	before, _, _ := strings.Cut(ref.String(), "@")
	if tag, err := name.NewTag(before, name.WithDefaultTag("")); err == nil && tag.TagStr() != "" {
		return tag.Name() + "@" + digest
	}
	return ref.Context().Name() + "@" + digest
}

func readManifest(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	if err != nil {
		return nil, fmt.Errorf("reading manifest: %w", err)
	}
	if len(raw) > maxManifest {
		return nil, fmt.Errorf("reading manifest: more than %d bytes: %w", maxManifest, imagestore.ErrUnsupported)
	}
	return raw, nil
}

// manifest reads a manifest or index of which the digest is known.
func (r *repository) manifest(ctx context.Context, desc manifest.OCIBlob) ([]byte, error) {
	resp, err := r.get(ctx, "manifests/"+desc.SHA256.String(), map[string]string{"Accept": desc.MediaType})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := readManifest(desc.Verify(resp.Body))
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", desc.SHA256, err)
	}
	return raw, nil
}

// bytes reads a small blob whole.
func (r *repository) bytes(ctx context.Context, b manifest.Blob) ([]byte, error) {
	if b.Size > maxManifest {
		return nil, fmt.Errorf("blob %s of %d bytes: %w", b.SHA256, b.Size, imagestore.ErrUnsupported)
	}
	body := r.blob(ctx, b)
	defer body.Close()
	raw, err := io.ReadAll(b.Verify(body))
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", b.SHA256, err)
	}
	return raw, nil
}

func newReader(b []byte) io.Reader { return bytes.NewReader(b) }

// add stores the bytes of r, which must be those that want names.
func add(ctx context.Context, out imagestore.Store, want manifest.Blob, r io.Reader) error {
	got, err := out.Add(ctx, want.Verify(r), want.Size)
	if err != nil {
		return fmt.Errorf("storing blob %s: %w", want.SHA256, err)
	}
	if got != want {
		return fmt.Errorf("storing blob %s: the store kept %s of %d bytes", want.SHA256, got.SHA256, got.Size)
	}
	return nil
}
