package bundle

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	ocilayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"satchel/manifest"
)

// withImage gives the fixture's target a base image of two layers.
func (f *fixture) withImage(t testing.TB) v1.Image {
	t.Helper()
	img, err := random.Image(3000, 2, random.WithSource(rand.NewSource(1)))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	cfg = cfg.DeepCopy()
	cfg.OS, cfg.Architecture = "linux", "amd64"
	if img, err = mutate.ConfigFile(img, cfg); err != nil {
		t.Fatal(err)
	}
	img = mutate.ConfigMediaType(mutate.MediaType(img, types.OCIManifestSchema1), types.OCIConfigJSON)
	raw, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	rawConfig, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	image := manifest.Image{Kind: manifest.ImageOCI, From: "base.tar",
		Manifest: &manifest.OCIBlob{MediaType: string(m.MediaType), Blob: f.blobs.add(raw)},
		Config:   &manifest.OCIBlob{MediaType: string(m.Config.MediaType), Blob: f.blobs.add(rawConfig)}}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for i, y := range layers {
		rc, err := y.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(rc)
		if err != nil {
			t.Fatal(err)
		}
		image.Layers = append(image.Layers, manifest.OCIBlob{MediaType: string(m.Layers[i].MediaType), Blob: f.blobs.add(b)})
	}
	f.lock.Targets[0].Image = image
	return img
}

// extracted writes a signed bundle with an image and takes it apart with tar.
func extracted(t *testing.T) (fix *fixture, img v1.Image, file, dir string) {
	t.Helper()
	fix = newFixture(t)
	img = fix.withImage(t)
	alice, _ := keyPair(t)
	top := t.TempDir()
	file = writeFile(t, filepath.Join(top, "a.satchel"), fix.write(t, alice))
	dir = filepath.Join(top, "taken")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool(t, "tar"), "-xf", file, "-C", dir).CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("tar: %v: %s", err, out)
	}
	return fix, img, file, dir
}

// TestTar: GNU tar and Go's reader list the entries in our order, and GNU tar
// makes the very same file of them.
func TestTar(t *testing.T) {
	_, _, file, dir := extracted(t)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("tar", "-tf", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(out))
	var goNames []string
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Mode != 0o644 || h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" || h.ModTime.Unix() != 0 || h.Typeflag != tar.TypeReg || h.Format != tar.FormatUSTAR {
			t.Errorf("%s: got header %+v", h.Name, h)
		}
		goNames = append(goNames, h.Name)
	}
	if strings.Join(names, " ") != strings.Join(goNames, " ") || names[0] != layoutName || names[1] != indexName {
		t.Errorf("tar lists %q, Go lists %q", names, goNames)
	}
	again := filepath.Join(t.TempDir(), "again.tar")
	cmd := exec.Command("tar", append([]string{"-cf", again, "--format=ustar", "-b1", "--mode=0644", "--owner=0", "--group=0",
		"--numeric-owner", "--mtime=@0", "-C", dir, "--no-recursion"}, names...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v: %s", err, out)
	}
	remade, err := os.ReadFile(again)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(remade, data) {
		t.Error("stock tar makes another file of the same entries")
	}
}

// TestLayout reads the bundle with go-containerregistry.
func TestLayout(t *testing.T) {
	fix, img, file, dir := extracted(t)
	f, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	index, err := ocilayout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Manifests) != 3 {
		t.Fatalf("index.json names %d manifests, want bundle, image and signature", len(m.Manifests))
	}
	if got := m.Manifests[0]; got.Digest.String() != f.Identity().String() || got.ArtifactType != MediaTypeBundle || got.Annotations[annotationRef] != refBundle {
		t.Errorf("the first manifest is %+v", got)
	}
	bundled, err := index.Image(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	bm, err := bundled.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(bm.Layers) != len(fix.blobs) || bm.Config.MediaType != MediaTypeLock {
		t.Errorf("the manifest has %d layers and config %s, want %d and the lock", len(bm.Layers), bm.Config.MediaType, len(fix.blobs))
	}
	for _, y := range bm.Layers {
		layer, err := bundled.LayerByDigest(y.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := layer.Size(); err != nil || n != y.Size || y.Annotations[annotationTitle] == "" {
			t.Errorf("layer %s: size %d, %v, annotations %v", y.Digest, n, err, y.Annotations)
		}
	}
	base, err := index.Image(m.Manifests[1].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(base); err != nil {
		t.Errorf("the base image is not valid: %v", err)
	}
	want, _ := img.Digest()
	if got, err := base.Digest(); err != nil || got != want || m.Manifests[1].Annotations[annotationRef] != "bookworm-amd64" {
		t.Errorf("got base image %s (%v), want %s", got, m.Manifests[1].Annotations, want)
	}
	sig, err := index.Image(m.Manifests[2].Digest)
	if err != nil {
		t.Fatal(err)
	}
	sm, err := sig.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if sm.Subject == nil || sm.Subject.Digest != m.Manifests[0].Digest || sm.Subject.Size != m.Manifests[0].Size || m.Manifests[2].ArtifactType != MediaTypeSSHSig {
		t.Errorf("the signature's manifest has subject %+v", sm.Subject)
	}
}

func TestSkopeo(t *testing.T) {
	skopeo := tool(t, "skopeo")
	_, img, file, dir := extracted(t)
	want, _ := img.Digest()
	for _, from := range []string{"oci-archive:" + file + ":bookworm-amd64", "oci:" + dir + ":bookworm-amd64"} {
		out, err := exec.Command(skopeo, "inspect", "--format", "{{.Digest}}", from).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want.String() {
			t.Errorf("skopeo inspect %s: got %s, %v; want %s", from, got, err, want)
		}
		to := t.TempDir()
		if out, err := exec.Command(skopeo, "--insecure-policy", "copy", "-q", from, "dir:"+to).CombinedOutput(); err != nil {
			t.Errorf("skopeo copy %s: %v: %s", from, err, out)
		}
	}
	raw, err := exec.Command(skopeo, "inspect", "--raw", "oci-archive:"+file+":"+refBundle).Output()
	if err != nil {
		t.Fatal(err)
	}
	if f, err := Open(file); err != nil || !bytes.Equal(raw, f.Manifest()) {
		t.Errorf("skopeo gives another manifest of the bundle (%v)", err)
	}
}

// TestImage: what the image's own manifest says must be what the lock says.
func TestImage(t *testing.T) {
	zero := manifest.Sum([]byte("not listed"))
	tests := map[string]struct {
		change func(*fixture)
		ok     bool
	}{
		"untouched":    {func(f *fixture) {}, true},
		"layer less":   {func(f *fixture) { i := &f.lock.Targets[0].Image; i.Layers = i.Layers[:1] }, false},
		"layers moved": {func(f *fixture) { i := &f.lock.Targets[0].Image; i.Layers[0], i.Layers[1] = i.Layers[1], i.Layers[0] }, false},
		"layer twice":  {func(f *fixture) { i := &f.lock.Targets[0].Image; i.Layers = append(i.Layers, i.Layers[0]) }, false},
		"another layer": {func(f *fixture) {
			f.lock.Targets[0].Image.Layers[0].Blob = f.blobs.add([]byte("evil"))
		}, false},
		"another config": {func(f *fixture) {
			f.lock.Targets[0].Image.Config.Blob = f.blobs.add([]byte(`{"os":"linux","architecture":"amd64"}`))
		}, false},
		"manifest is none": {func(f *fixture) {
			f.lock.Targets[0].Image.Manifest.Blob = f.blobs.add([]byte("evil"))
		}, false},
		"another architecture": {func(f *fixture) { f.lock.Targets[0].Architecture = "i386" }, false},
		"installed": {func(f *fixture) {
			d := f.lock.Targets[0].Packages[2].SHA256
			f.lock.Targets[0].Installed = []manifest.InstalledPin{{Name: "aaa", Version: "1", Architecture: "amd64"},
				{Name: "tzdata", Version: "2024a", Architecture: "all", SHA256: &d}}
		}, true},
		"installed, and no index lists it": {func(f *fixture) {
			f.lock.Targets[0].Installed = []manifest.InstalledPin{{Name: "tzdata", Version: "2024a", Architecture: "all", SHA256: &zero}}
		}, false},
	}
	for name, tt := range tests {
		fix := newFixture(t)
		fix.withImage(t)
		tt.change(fix)
		_, _, err := open(t, fix.write(t)).Verify(t.Context(), Policy{Unsigned: true}, nil)
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrArchive) {
			t.Errorf("%s: got %v, want ok: %v", name, err, tt.ok)
		}
	}
}

// TestImageNames: two images of one suite and architecture have two names.
func TestImageNames(t *testing.T) {
	target := func(content string) manifest.Target {
		return manifest.Target{Suite: "noble", Architecture: "amd64", Image: manifest.Image{
			Manifest: &manifest.OCIBlob{MediaType: mediaTypeOCI, Blob: blobOf([]byte(content))}}}
	}
	got, err := baseImages(&manifest.Lock{Targets: []manifest.Target{target("a"), target("b"), target("a"), {Suite: "x"}}})
	if err != nil {
		t.Fatal(err)
	}
	b := blobOf([]byte("b"))
	if len(got) != 2 || got[0].ref != "noble-amd64" || got[1].ref != "noble-amd64-"+b.SHA256.Hex()[:12] {
		t.Errorf("got %+v", got)
	}
}

// TestHugeBlobHeader: for a size that ustar cannot say there is one PAX
// record, and Go's reader understands it as we mean it.
func TestHugeBlobHeader(t *testing.T) {
	for _, size := range []int64{0, 1, 511, 512, ustarMax - 1, ustarMax, ustarMax + 1, 10_000_000_000, 99_999_999_999, 100_000_000_000, maxBlobSize} {
		b := appendHeader(nil, blobName(manifest.Sum(nil)), size)
		if int64(len(b)) != headerSize(size) {
			t.Fatalf("size %d: the header has %d bytes, headerSize says %d", size, len(b), headerSize(size))
		}
		h, err := tar.NewReader(bytes.NewReader(b)).Next()
		if err != nil || h.Size != size || h.Name != blobName(manifest.Sum(nil)) || h.Mode != 0o644 {
			t.Errorf("size %d: Go reads %+v, %v", size, h, err)
		}
	}
}

// sparse is a reader of a bundle with one blob of more than 8 GiB of zeros.
type sparse struct {
	head, tail []byte
	size       int64
}

func (s sparse) ReadAt(p []byte, at int64) (int, error) {
	n := 0
	for n < len(p) && at < s.size {
		switch tail := s.size - int64(len(s.tail)); {
		case at < int64(len(s.head)):
			p[n] = s.head[at]
			n, at = n+1, at+1
		case at >= tail:
			p[n] = s.tail[at-tail]
			n, at = n+1, at+1
		default:
			k := int(min(int64(len(p)-n), tail-at))
			clear(p[n : n+k])
			n, at = n+k, at+int64(k)
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// TestHugeBlob verifies a bundle with a blob of 8 GiB, of zeros, which is never
// written anywhere.
func TestHugeBlob(t *testing.T) {
	if !full() {
		t.Skip("hashes 24 GiB: set SATCHEL_FULL=1")
	}
	fix := newFixture(t)
	const size = ustarMax + 1
	zero := io.LimitReader(zeroes{}, size)
	h := sha256.New()
	if _, err := io.Copy(h, zero); err != nil {
		t.Fatal(err)
	}
	big := manifest.Blob{SHA256: manifest.Digest(h.Sum(nil)), Size: size}
	fix.lock.Descriptors[0].Files = append(fix.lock.Descriptors[0].Files, manifest.FilePin{Name: "big", Blob: big, Private: true})
	l, err := newLayout(fix.lock, mustMarshal(t, fix.lock), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := sparse{head: l.front(), size: l.size}
	past := false
	for _, e := range l.bulk {
		b := appendHeader(nil, blobName(e.blob.SHA256), e.blob.Size)
		if e.blob == big {
			s.head, past = append(s.head, b...), true
			continue
		}
		b = append(append(b, fix.blobs[e.blob.SHA256]...), make([]byte, pad(e.blob.Size))...)
		if past {
			s.tail = append(s.tail, b...)
		} else {
			s.head = append(s.head, b...)
		}
	}
	s.tail = append(s.tail, make([]byte, endSize)...)
	f, err := New("big", s, s.size)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Verify(t.Context(), Policy{Unsigned: true}, nil); err != nil {
		t.Error(err)
	}
	report := &Report{}
	if err := f.explain(t.Context(), l, report); err != nil || len(report.Faults) != 1 || !strings.Contains(fmt.Sprint(report.Faults), "differently") {
		t.Errorf("the reader for pipes finds faults: %v, %v", err, report.Faults)
	}
	s.size++
	if f, err = New("big", s, s.size); err == nil {
		_, _, err = f.Verify(t.Context(), Policy{Unsigned: true}, nil)
	}
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("one byte more: got %v", err)
	}
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }
