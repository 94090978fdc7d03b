package pull

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"satchel/imagestore"
	"satchel/manifest"
)

// memStore keeps blobs in memory, and nothing of a failed Add.
type memStore struct {
	mu    sync.Mutex
	blobs map[manifest.Digest][]byte
}

func newStore() *memStore { return &memStore{blobs: map[manifest.Digest][]byte{}} }

func (s *memStore) Add(ctx context.Context, r io.Reader, limit int64) (manifest.Blob, error) {
	raw, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return manifest.Blob{}, err
	}
	if int64(len(raw)) > limit {
		return manifest.Blob{}, errors.New("too long")
	}
	b := manifest.Blob{SHA256: manifest.Sum(raw), Size: int64(len(raw))}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[b.SHA256] = raw
	return b, nil
}

func (s *memStore) Open(b manifest.Blob) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, ok := s.blobs[b.SHA256]
	if !ok {
		return nil, os.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(raw)), nil
}

// liar is a registry that can be told to answer wrongly.
type liar struct {
	http.Handler
	mu   sync.Mutex
	lie  func(w http.ResponseWriter, r *http.Request, real http.Handler) bool // true: it has answered
	seen []string
}

func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.seen = append(l.seen, r.Method+" "+r.URL.Path+" "+r.Header.Get("Range"))
	lie := l.lie
	l.mu.Unlock()
	if lie == nil || !lie(w, r, l.Handler) {
		l.Handler.ServeHTTP(w, r)
	}
}

func (l *liar) requests() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.seen)
}

// newRegistryServer serves an index of two platforms as "base:1".
func newRegistryServer(t *testing.T) (*liar, string) {
	t.Helper()
	l := &liar{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	ref := strings.TrimPrefix(server.URL, "http://") + "/some/base:1"
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range []string{"386", "amd64"} {
		img := testImage(t, arch)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	tag, err := name.NewTag(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(tag, index); err != nil {
		t.Fatal(err)
	}
	l.seen = nil
	return l, ref
}

func testImage(t *testing.T, arch string) v1.Image {
	t.Helper()
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	img, err := mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: arch, RootFS: v1.RootFS{Type: "layers"}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		var buf bytes.Buffer
		tw := tar.NewWriter(&buf)
		body := strings.Repeat(fmt.Sprintf("%s layer %d line %d\n", arch, i, i*i), 2000*(i+1))
		if err := tw.WriteHeader(&tar.Header{Name: fmt.Sprintf("etc/file%d", i), Mode: 0o644, Size: int64(len(body)), ModTime: time.Unix(0, 0)}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(tw, body)
		tw.Close()
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil },
			tarball.WithMediaType(types.OCILayer))
		if err != nil {
			t.Fatal(err)
		}
		if img, err = mutate.AppendLayers(img, layer); err != nil {
			t.Fatal(err)
		}
	}
	return img
}

func options(arch string) Options {
	return Options{Architecture: arch, Transport: &http.Transport{}}
}

func TestPull(t *testing.T) {
	_, ref := newRegistryServer(t)
	for dpkg, oci := range map[string]string{"amd64": "amd64", "i386": "386", "linux64": "amd64"} {
		store := newStore()
		image, err := Pull(t.Context(), ref, store, options(dpkg))
		if err != nil {
			t.Fatal(err)
		}
		want := testImage(t, oci)
		digest, err := want.Digest()
		if err != nil {
			t.Fatal(err)
		}
		if got := image.Manifest.SHA256.String(); got != digest.String() {
			t.Errorf("%s: manifest %s, want %s", dpkg, got, digest)
		}
		pinned, err := Resolve(t.Context(), ref, options(dpkg))
		if err != nil || image.From != pinned || !strings.HasPrefix(pinned, ref+"@sha256:") {
			t.Errorf("%s: From %q, resolved %q, %v", dpkg, image.From, pinned, err)
		}
		if again, err := Resolve(t.Context(), pinned, options(dpkg)); err != nil || again != pinned {
			t.Errorf("%s: resolving %q again: %q, %v", dpkg, pinned, again, err)
		}
		var got bytes.Buffer
		if err := imagestore.Flatten(t.Context(), image, store, &got); err != nil {
			t.Error(err)
		}
	}
}

func TestPullOtherPlatform(t *testing.T) {
	_, ref := newRegistryServer(t)
	_, err := Pull(t.Context(), ref, newStore(), options("riscv64"))
	if !errors.Is(err, imagestore.ErrUnsupported) || !strings.Contains(err.Error(), "linux/amd64") {
		t.Errorf("got %v, want an error that lists what there is", err)
	}
}

// TestFetch checks that a pinned image needs only its blobs by digest: neither
// the tag nor what is stored already is asked for.
func TestFetch(t *testing.T) {
	l, ref := newRegistryServer(t)
	first := newStore()
	image, err := Pull(t.Context(), ref, first, options("amd64"))
	if err != nil {
		t.Fatal(err)
	}
	second := newStore()
	second.blobs[image.Layers[0].SHA256] = first.blobs[image.Layers[0].SHA256]
	l.seen = nil
	if err := Fetch(t.Context(), image, second, Options{Transport: &http.Transport{}}); err != nil {
		t.Fatal(err)
	}
	for _, b := range imagestore.Blobs(image) {
		if !bytes.Equal(first.blobs[b.SHA256], second.blobs[b.SHA256]) {
			t.Errorf("blob %s differs", b.SHA256)
		}
	}
	for _, r := range l.requests() {
		if strings.Contains(r, "manifests/1") || strings.Contains(r, image.Layers[0].SHA256.Hex()) {
			t.Errorf("needless request %s", r)
		}
	}
	image.Layers[0], image.Layers[1] = image.Layers[1], image.Layers[0]
	if err := Fetch(t.Context(), image, newStore(), options("amd64")); err == nil {
		t.Error("layers in another order than the manifest's were taken")
	}
}

// recorded answers with what the real registry would, changed.
func recorded(real http.Handler, w http.ResponseWriter, r *http.Request, change func(h http.Header, b []byte) []byte) {
	rec := httptest.NewRecorder()
	real.ServeHTTP(rec, r)
	b := change(rec.Header(), rec.Body.Bytes())
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	w.Write(b)
}

// TestLies lets the registry answer wrongly about each blob and manifest, and
// checks that nothing wrong is stored and that Pull fails.
func TestLies(t *testing.T) {
	lies := map[string]func(h http.Header, b []byte) []byte{
		"another byte": func(_ http.Header, b []byte) []byte {
			b = slices.Clone(b)
			b[len(b)/2] ^= 1
			return b
		},
		"shorter": func(h http.Header, b []byte) []byte {
			h.Set("Content-Length", strconv.Itoa(len(b)-1))
			return b[:len(b)-1]
		},
		"longer": func(h http.Header, b []byte) []byte {
			h.Set("Content-Length", strconv.Itoa(len(b)+1))
			return append(slices.Clone(b), '\n')
		},
		"longer without length": func(h http.Header, b []byte) []byte {
			h.Del("Content-Length")
			return append(slices.Clone(b), make([]byte, 100_000)...)
		},
		"cut off": func(_ http.Header, b []byte) []byte { return b[:len(b)/2] },
		"empty": func(h http.Header, b []byte) []byte {
			h.Del("Content-Length")
			return nil
		},
	}
	for what, change := range lies {
		for _, where := range []string{"manifests/sha256", "blobs/sha256"} {
			t.Run(what+" in "+where, func(t *testing.T) {
				l, ref := newRegistryServer(t)
				l.lie = func(w http.ResponseWriter, r *http.Request, real http.Handler) bool {
					if !strings.Contains(r.URL.Path, where) {
						return false
					}
					r.Header.Del("Range")
					recorded(real, w, r, change)
					return true
				}
				store := newStore()
				_, err := Pull(t.Context(), ref, store, options("amd64"))
				if err == nil {
					t.Fatal("Pull took it")
				}
				if !errors.Is(err, manifest.ErrDigest) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("got %v, want ErrDigest", err)
				}
				if len(store.blobs) != 0 {
					t.Errorf("%d blobs were stored", len(store.blobs))
				}
			})
		}
	}
}

func TestStatusErrors(t *testing.T) {
	for code, want := range map[int]error{404: ErrNotFound, 401: nil, 418: ErrRegistry} {
		l, ref := newRegistryServer(t)
		l.lie = func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if !strings.Contains(r.URL.Path, "/blobs/") {
				return false
			}
			w.WriteHeader(code)
			return true
		}
		_, err := Pull(t.Context(), ref, newStore(), options("amd64"))
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%d: got %v, want %v", code, err, want)
		}
	}
}

// TestResume breaks every connection half way, and checks that the rest is
// asked for, and only the rest.
func TestResume(t *testing.T) {
	l, ref := newRegistryServer(t)
	l.lie = func(w http.ResponseWriter, r *http.Request, real http.Handler) bool {
		if !strings.Contains(r.URL.Path, "/blobs/") || r.Header.Get("Range") != "" {
			return false
		}
		recorded(real, w, r, func(_ http.Header, b []byte) []byte { return b[:len(b)/2] })
		return true
	}
	store := newStore()
	image, err := Pull(t.Context(), ref, store, options("amd64"))
	if err != nil {
		t.Fatal(err)
	}
	if got := len(store.blobs); got != len(image.Layers)+2 {
		t.Errorf("%d blobs", got)
	}
	if n := len(slices.DeleteFunc(l.requests(), func(s string) bool { return !strings.Contains(s, "bytes=") })); n != len(image.Layers)+2 {
		t.Errorf("%d requests for a rest; the config is read twice", n)
	}
}

func TestCancel(t *testing.T) {
	l, ref := newRegistryServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	l.lie = func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		cancel()
		<-r.Context().Done()
		return true
	}
	store := newStore()
	if _, err := Pull(ctx, ref, store, options("amd64")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if len(store.blobs) != 0 {
		t.Errorf("%d blobs were stored", len(store.blobs))
	}
}
