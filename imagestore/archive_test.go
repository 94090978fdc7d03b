package imagestore

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"satchel/manifest"
)

// imageFor makes an image with go-containerregistry.
func imageFor(t testing.TB, arch string) v1.Image {
	t.Helper()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: arch, RootFS: v1.RootFS{Type: "layers"}})
	if err != nil {
		t.Fatal(err)
	}
	for i, files := range [][]file{{{name: "etc/arch", body: arch}, {name: "old", body: "x"}}, {{name: ".wh.old"}, {name: "new", body: arch}}} {
		media := []types.MediaType{types.OCILayer, types.OCIUncompressedLayer}[i]
		b := tarOf(t, files...)
		l := v1.Layer(static.NewLayer(b, media))
		if media == types.OCILayer {
			if l, err = tarball.LayerFromOpener(opener(b), tarball.WithMediaType(media)); err != nil {
				t.Fatal(err)
			}
		}
		if img, err = mutate.AppendLayers(img, l); err != nil {
			t.Fatal(err)
		}
	}
	return img
}

func digestOf(t testing.TB, d interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	h, err := d.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

// platforms is an index with images for several platforms, and what is none.
func platforms(t testing.TB) v1.ImageIndex {
	index := v1.ImageIndex(empty.Index)
	for _, arch := range []string{"386", "amd64", "arm64"} {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: imageFor(t, arch), Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	for _, p := range []v1.Platform{{OS: "unknown", Architecture: "unknown"}, {OS: "linux", Architecture: "amd64"}} {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: imageFor(t, "unknown"), Descriptor: v1.Descriptor{
			Platform: &p, Annotations: map[string]string{annotationDocker: "attestation-manifest"}}})
	}
	return index
}

// tarDir packs a directory.
func tarDir(t testing.TB, top, prefix string) []byte {
	t.Helper()
	var files []file
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		rel, _ := filepath.Rel(top, path)
		files = append(files, file{name: prefix + rel, body: string(raw)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tarOf(t, files...)
}

// TestLayout reads OCI layouts, as directories and as tars of any compression.
func TestLayout(t *testing.T) {
	one, several, named := t.TempDir(), t.TempDir(), t.TempDir()
	p, err := layout.Write(one, empty.Index)
	if err == nil {
		err = p.AppendImage(imageFor(t, "amd64"))
	}
	if err == nil {
		p, err = layout.Write(several, empty.Index)
	}
	if err == nil {
		err = p.AppendIndex(platforms(t), layout.WithAnnotations(map[string]string{annotationRef: "base:1"}))
	}
	if err == nil {
		p, err = layout.Write(named, empty.Index)
	}
	for i, n := range []string{"a:1", "b:2"} {
		if err == nil {
			img := imageFor(t, "amd64")
			if i == 1 {
				img, err = mutate.CreatedAt(img, v1.Time{})
				img = mutate.Annotations(img, map[string]string{"n": n}).(v1.Image)
			}
			err = errors.Join(err, p.AppendImage(img, layout.WithAnnotations(map[string]string{annotationContainerd: n})))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ dir, arch, ref, want string }{
		{one, "amd64", "", digestOf(t, imageFor(t, "amd64"))},
		{one, "i386", "", ""},
		{several, "linux64", "", digestOf(t, imageFor(t, "amd64"))},
		{several, "i386", "base:1", digestOf(t, imageFor(t, "386"))},
		{several, "arm64", "", digestOf(t, imageFor(t, "arm64"))},
		{several, "amd64", "other:1", ""},
		{several, "riscv64", "", ""},
		{several, "unknown", "", ""},
		{named, "amd64", "", ""},
		{named, "amd64", "a:1", digestOf(t, imageFor(t, "amd64"))},
		{named, "amd64", digestOf(t, imageFor(t, "amd64")), digestOf(t, imageFor(t, "amd64"))},
	} {
		check := func(how string, image manifest.Image, store *memStore, err error) {
			t.Helper()
			switch {
			case c.want == "" && err == nil:
				t.Errorf("%s %+v: it was taken", how, c)
			case c.want == "":
				if !errors.Is(err, ErrUnsupported) {
					t.Errorf("%s %+v: got %v", how, c, err)
				}
			case err != nil:
				t.Errorf("%s %+v: %v", how, c, err)
			case image.Manifest.SHA256.String() != c.want:
				t.Errorf("%s %+v: got %s", how, c, image.Manifest.SHA256)
			default:
				if got := strings.Join(flat(t, image, store), "|"); !strings.HasPrefix(got, "d755 ./|d755 etc/|-644 etc/arch ") || strings.Contains(got, "old") {
					t.Errorf("%s %+v: flattened %s", how, c, got)
				}
				if len(store.blobs) != 4 {
					t.Errorf("%s %+v: %d blobs, want 4", how, c, len(store.blobs))
				}
			}
		}
		store := newStore()
		image, err := ImportPath(t.Context(), c.dir, store, Options{Architecture: c.arch, Ref: c.ref})
		check("directory", image, store, err)
		for _, prefix := range []string{"", "./"} {
			store = newStore()
			packed := compressed(t, tarDir(t, c.dir, prefix), "gzip", "-1")
			image, err = Import(t.Context(), "x.tar.gz", opener(packed), store, Options{Architecture: c.arch, Ref: c.ref})
			check("tar "+prefix, image, store, err)
		}
	}
}

// TestLayoutDamage changes each file of a layout.
func TestLayoutDamage(t *testing.T) {
	top := t.TempDir()
	p, err := layout.Write(top, empty.Index)
	if err == nil {
		err = p.AppendImage(imageFor(t, "amd64"))
	}
	if err != nil {
		t.Fatal(err)
	}
	blobs, _ := filepath.Glob(filepath.Join(top, "blobs/sha256/*"))
	for _, path := range blobs {
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		flipped := bytes.Clone(good)
		flipped[len(good)/2] ^= 1
		for how, bad := range map[string][]byte{"flipped": flipped, "cut": good[:len(good)-1], "longer": append(bytes.Clone(good), ' '), "empty": {}} {
			if err := os.WriteFile(path, bad, 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := ImportPath(t.Context(), top, newStore(), Options{Architecture: "amd64"}); err == nil {
				t.Errorf("%s, %s: it was taken", filepath.Base(path), how)
			}
			if _, err := Import(t.Context(), "x", opener(tarDir(t, top, "")), newStore(), Options{Architecture: "amd64"}); err == nil {
				t.Errorf("%s, %s in a tar: it was taken", filepath.Base(path), how)
			}
		}
		os.Remove(path)
		if err := os.Symlink("/etc/hostname", path); err != nil {
			t.Fatal(err)
		}
		if _, err := ImportPath(t.Context(), top, newStore(), Options{Architecture: "amd64"}); err == nil {
			t.Errorf("%s as a link outside: it was taken", filepath.Base(path))
		}
		os.Remove(path)
		if err := os.WriteFile(path, good, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ImportPath(t.Context(), top, newStore(), Options{Architecture: "amd64"}); err != nil {
		t.Errorf("mended: %v", err)
	}
}

// TestSaved reads what docker save and crane write.
func TestSaved(t *testing.T) {
	layers := [][]byte{tarOf(t, file{name: "etc/x", body: "1"}), tarOf(t, file{name: "y", body: "2"})}
	plain := importOf(t, newStore(), savedArchive(t, "a:1", layers), Options{Architecture: "amd64"})
	if plain.Layers[1].SHA256 != manifest.Sum(layers[1]) || plain.Layers[1].MediaType != string(types.OCIUncompressedLayer) {
		t.Errorf("layers %+v", plain.Layers)
	}
	// Tools that compress layers in the same form.
	var buf bytes.Buffer
	tag, err := name.NewTag("example.org/a:1")
	if err == nil {
		err = tarball.Write(tag, imageFor(t, "amd64"), &buf)
	}
	if err != nil {
		t.Fatal(err)
	}
	store := newStore()
	image := importOf(t, store, buf.Bytes(), Options{Architecture: "amd64", Ref: "example.org/a:1"})
	if image.Layers[0].MediaType != string(types.OCILayer) || image.From != "base.tar#example.org/a:1" {
		t.Errorf("image %+v", image)
	}
	flat(t, image, store)
	for _, ref := range []string{"b:1", "A:1"} {
		if _, err := Import(t.Context(), "x", opener(buf.Bytes()), newStore(), Options{Architecture: "amd64", Ref: ref}); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "example.org/a:1") {
			t.Errorf("#%s: got %v", ref, err)
		}
	}
	if _, err := Import(t.Context(), "x", opener(buf.Bytes()), newStore(), Options{Architecture: "i386"}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("another architecture: got %v", err)
	}
}

// TestSavedLinks: equal layers are links to the first one, as Docker writes
// them; links that lead nowhere or round and round are refused.
func TestSavedLinks(t *testing.T) {
	layer := tarOf(t, file{name: "a", body: "1"})
	archive := func(to string) []byte {
		b := savedArchive(t, "a:1", [][]byte{layer, layer})
		var files []file
		tr := tar.NewReader(bytes.NewReader(b))
		for h, err := tr.Next(); err == nil; h, err = tr.Next() {
			raw, _ := io.ReadAll(tr)
			f := file{name: h.Name, body: string(raw)}
			if h.Name == "1/layer.tar" {
				f = file{name: h.Name, typ: sym, link: to}
			}
			files = append(files, f)
		}
		return tarOf(t, files...)
	}
	image := importOf(t, newStore(), archive("../0/layer.tar"), Options{Architecture: "amd64"})
	if len(image.Layers) != 2 || image.Layers[0] != image.Layers[1] {
		t.Errorf("layers %+v", image.Layers)
	}
	for _, to := range []string{"layer.tar", "../../../etc/passwd", "../2/layer.tar", "/etc/passwd"} {
		if _, err := Import(t.Context(), "x", opener(archive(to)), newStore(), Options{Architecture: "amd64"}); err == nil {
			t.Errorf("a link to %s was followed", to)
		}
	}
}

func TestDescribeRefuses(t *testing.T) {
	layer := `{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:%s","size":10}`
	sum := strings.Repeat("ab", 32)
	config := `{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:` + sum + `","size":10}`
	for text, ok := range map[string]bool{
		`{"schemaVersion":2,"config":` + config + `,"layers":[` + fmt.Sprintf(layer, sum) + `]}`:                                                           true,
		`{"schemaVersion":1,"config":` + config + `,"layers":[` + fmt.Sprintf(layer, sum) + `]}`:                                                           false,
		`{"schemaVersion":2,"config":` + config + `,"layers":[]}`:                                                                                          false,
		`{"schemaVersion":2,"config":` + config + `,"layers":[` + fmt.Sprintf(layer, sum[1:]) + `]}`:                                                       false,
		`{"schemaVersion":2,"config":` + config + `,"layers":[` + strings.ReplaceAll(fmt.Sprintf(layer, sum), "10", "-1") + `]}`:                           false,
		`{"schemaVersion":2,"config":` + config + `,"layers":[` + strings.ReplaceAll(fmt.Sprintf(layer, sum), "10", "99999999999999") + `]}`:               false,
		`{"schemaVersion":2,"config":` + config + `,"layers":[` + strings.ReplaceAll(fmt.Sprintf(layer, sum), "v1.tar", "nondistributable.v1.tar") + `]}`:  false,
		`{"schemaVersion":2,"config":` + strings.ReplaceAll(config, "image.config", "empty") + `,"layers":[` + fmt.Sprintf(layer, sum) + `]}`:              false,
		`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","config":` + config + `,"layers":[` + fmt.Sprintf(layer, sum) + `]}`:     false,
		`{"schemaVersion":2,"config":` + config + `,"layers":[` + strings.ReplaceAll(fmt.Sprintf(layer, sum+sum), "sha256", "sha512") + `]}`:               false,
		`{"schemaVersion":2,"config":` + config + `,"layers":[` + strings.TrimSuffix(strings.Repeat(fmt.Sprintf(layer, sum)+",", maxLayers+1), ",") + `]}`: false,
		`{`: false,
	} {
		desc := manifest.OCIBlob{MediaType: string(types.OCIManifestSchema1), Blob: manifest.Blob{SHA256: manifest.Sum([]byte(text)), Size: int64(len(text))}}
		if _, err := Describe(desc, []byte(text)); ok != (err == nil) {
			t.Errorf("%.200s: got %v", text, err)
		}
		if _, err := Describe(desc, []byte(text+" ")); !errors.Is(err, manifest.ErrDigest) {
			t.Errorf("other bytes: got %v", err)
		}
	}
}
