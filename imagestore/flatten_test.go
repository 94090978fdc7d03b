package imagestore

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"satchel/manifest"
)

// lines writes every entry of a tar as a line, in order.
func lines(t testing.TB, r io.Reader) []string {
	t.Helper()
	kinds := map[byte]string{tar.TypeReg: "-", tar.TypeDir: "d", tar.TypeSymlink: "l", tar.TypeLink: "h", tar.TypeChar: "c", tar.TypeBlock: "b", tar.TypeFifo: "p"}
	var all []string
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%s%o %s", kinds[h.Typeflag], h.Mode, h.Name)
		if h.Linkname != "" {
			line += " > " + h.Linkname
		}
		if len(body) > 0 {
			line += " " + string(body)
		}
		for _, k := range slices.Sorted(maps.Keys(h.PAXRecords)) {
			if name, ok := strings.CutPrefix(k, xattrPrefix); ok {
				line += " " + name + "=" + h.PAXRecords[k]
			}
		}
		all = append(all, line)
	}
}

// squeeze compresses b as a layer of that media type.
func squeeze(t testing.TB, b []byte, mediaType types.MediaType) []byte {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser
	switch mediaType {
	case types.OCILayer, types.DockerLayer:
		w = gzip.NewWriter(&buf)
	case types.OCILayerZStd:
		w, _ = zstd.NewWriter(&buf)
	default:
		return b
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// imageOf stores an image with these layers, compressed in turn in each way.
func imageOf(t testing.TB, store *memStore, layers ...[]byte) manifest.Image {
	t.Helper()
	ways := []types.MediaType{types.OCILayer, types.OCIUncompressedLayer, types.OCILayerZStd}
	c := config{Architecture: "amd64", OS: "linux"}
	c.RootFS.Type = "layers"
	var blobs []manifest.OCIBlob
	for i, l := range layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, manifest.Sum(l).String())
		way := ways[i%len(ways)]
		b, err := store.Add(t.Context(), bytes.NewReader(squeeze(t, l, way)), maxBytes)
		if err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, manifest.OCIBlob{MediaType: string(way), Blob: b})
	}
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	image, err := makeImage(t.Context(), raw, blobs, store)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

const (
	sym  = tar.TypeSymlink
	hard = tar.TypeLink
)

func TestFlatten(t *testing.T) {
	for _, c := range []struct {
		name   string
		layers [][]file
		want   string
	}{
		{"whiteouts", [][]file{
			{{name: "a/", typ: dir, mode: 0o700}, {name: "a/x", body: "1"}, {name: "a/y", body: "2"}, {name: "b", body: "3"}, {name: "c/d/e", body: "4"}},
			{{name: "a/.wh.x"}, {name: ".wh.b"}, {name: ".wh.c"}, {name: ".wh.none"}, {name: "none/.wh.x"}, {name: ".wh..wh.plnk/1.2", body: "aufs"}},
		}, "d755 ./|d700 a/|-644 a/y 2"},
		{"whiteout and new in one layer, either order", [][]file{
			{{name: "a/x", body: "1"}, {name: "a/old", body: "1"}, {name: "b/x", body: "1"}, {name: "b/old", body: "1"}},
			{{name: "a/new", body: "2"}, {name: ".wh.a"}, {name: ".wh.b"}, {name: "b/new", body: "2"}},
		}, "d755 ./|d755 a/|d755 b/|-644 a/new 2|-644 b/new 2"},
		{"opaque", [][]file{
			{{name: "a/", typ: dir, mode: 0o700}, {name: "a/x", body: "1"}, {name: "a/s/y", body: "1"}},
			{{name: "a/", typ: dir, mode: 0o711}, {name: "a/z", body: "2"}, {name: "a/.wh..wh..opq"}, {name: "a/s/w", body: "2"}},
		}, "d755 ./|d711 a/|d755 a/s/|-644 a/z 2|-644 a/s/w 2"},
		{"replaced", [][]file{
			{{name: "a/x", body: "1"}, {name: "f", body: "1"}, {name: "l", typ: sym, link: "a"}},
			{{name: "a", body: "file now"}, {name: "f/", typ: dir, mode: 0o750}, {name: "l/", typ: dir, mode: 0o755}, {name: "l/y", body: "2"}},
		}, "d755 ./|d750 f/|d755 l/|-644 a file now|-644 l/y 2"},
		{"hard links", [][]file{
			{{name: "z", body: "1"}, {name: "a", typ: hard, link: "./z"}, {name: "m/n", typ: hard, link: "/a"}, {name: "q", body: "9"}, {name: "r", typ: hard, link: "q"}},
			{{name: ".wh.z"}, {name: "r", body: "new"}, {name: "k", typ: hard, link: "m/n"}},
		}, "d755 ./|d755 m/|-644 a 1|h644 k > a|h644 m/n > a|-644 q 9|-644 r new"},
		{"hard link to a symbolic link", [][]file{
			{{name: "s", typ: sym, link: "nowhere"}, {name: "a", typ: hard, link: "s"}},
		}, "d755 ./|l644 a > nowhere|h644 s > a"},
		{"symbolic links come last", [][]file{
			{{name: "lib", typ: sym, link: "usr/lib"}, {name: "lib/x", body: "1"}, {name: "abs", typ: sym, link: "/usr/lib"}, {name: "abs/y", body: "2"},
				{name: "up", typ: sym, link: "../../../usr"}, {name: "up/z", body: "3"}, {name: "usr/lib/", typ: dir, mode: 0o700}},
		}, "d755 ./|d755 usr/|d700 usr/lib/|-644 usr/lib/x 1|-644 usr/lib/y 2|-644 usr/z 3|l644 abs > /usr/lib|l644 lib > usr/lib|l644 up > ../../../usr"},
		{"devices", [][]file{
			{{name: "dev/sda", typ: tar.TypeBlock, major: 8}, {name: "dev/null", typ: tar.TypeChar, major: 1}, {name: "p", typ: tar.TypeFifo}},
		}, "d755 ./|d755 dev/|c644 dev/null|b644 dev/sda|p644 p"},
		{"names", [][]file{
			{{name: "/abs", body: "1"}, {name: "./dot/./x", body: "2"}, {name: strings.Repeat("long/", 60) + "x", body: "3"}, {name: "nonascii-\xff\xfe-ä", body: "4"},
				{name: "same", body: "old"}, {name: "same", body: "new"}},
		}, "d755 ./|d755 dot/|" + longDirs() + "-644 abs 1|-644 dot/x 2|-644 " + strings.Repeat("long/", 60) + "x 3|-644 nonascii-\xff\xfe-ä 4|-644 same new"},
		{"attributes and modes", [][]file{
			{{name: "ping", body: "x", mode: 0o4755, xattrs: map[string]string{"SCHILY.xattr.security.capability": "\x01\x00", "SCHILY.acl.access": "no"}},
				{name: "./", typ: dir, mode: 0o711}},
		}, "d711 ./|-4755 ping x security.capability=\x01\x00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var layers [][]byte
			for _, l := range c.layers {
				layers = append(layers, tarOf(t, l...))
			}
			store := newStore()
			image := imageOf(t, store, layers...)
			if got := strings.Join(flat(t, image, store), "|"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", strings.ReplaceAll(got, "|", "\n"), strings.ReplaceAll(c.want, "|", "\n"))
			}
			var one, two bytes.Buffer
			if err := errors.Join(Flatten(t.Context(), image, store, &one), Flatten(t.Context(), image, store, &two)); err != nil || !bytes.Equal(one.Bytes(), two.Bytes()) {
				t.Errorf("twice: %v, equal %v", err, bytes.Equal(one.Bytes(), two.Bytes()))
			}
		})
	}
}

func longDirs() (s string) {
	for i := range 60 {
		s += "d755 " + strings.Repeat("long/", i+1) + "|"
	}
	return s
}

// TestFlattenRefuses gives it what no image should hold.
func TestFlattenRefuses(t *testing.T) {
	for name, files := range map[string][]file{
		"dots":                    {{name: "../etc/passwd", body: "x"}},
		"dots within":             {{name: "a/../../etc/passwd", body: "x"}},
		"root is a file":          {{name: ".", typ: sym, link: "/tmp"}},
		"below a whiteout":        {{name: "a/.wh.b/c", body: "x"}},
		"hard link outside":       {{name: "a", typ: hard, link: "../../etc/passwd"}},
		"hard link to nothing":    {{name: "a", typ: hard, link: "b"}, {name: "b", body: "late"}},
		"hard link to itself":     {{name: "a", body: "x"}, {name: "a", typ: hard, link: "a"}},
		"hard link to directory":  {{name: "d/", typ: dir}, {name: "a", typ: hard, link: "d"}},
		"hard link to root":       {{name: "a", typ: hard, link: "/"}},
		"loop on the way":         {{name: "a", typ: sym, link: "b"}, {name: "b", typ: sym, link: "a"}, {name: "a/x", body: "1"}},
		"file on the way":         {{name: "a", body: "1"}, {name: "a/x", body: "1"}},
		"overlay whiteout device": {{name: "a", typ: tar.TypeChar}},
		"overlay attribute":       {{name: "a/", typ: dir, xattrs: map[string]string{"SCHILY.xattr.trusted.overlay.opaque": "y"}}},
		"whiteout of dots":        {{name: "a/.wh..."}},
		"whiteout of nothing":     {{name: "a/.wh."}, {name: ".wh."}},
		"long part":               {{name: strings.Repeat("x", 256), body: "1"}},
	} {
		store := newStore()
		image := imageOf(t, store, tarOf(t, file{name: "a/", typ: dir}, file{name: "a/k", body: "k"}, file{name: "d0", body: "x"}), tarOf(t, append([]file{{name: ".wh.a"}}, files...)...))
		if strings.HasPrefix(name, "whiteout of") {
			image = imageOf(t, store, tarOf(t, file{name: "a/", typ: dir}), tarOf(t, files...))
		}
		var out bytes.Buffer
		if err := Flatten(t.Context(), image, store, &out); err == nil {
			t.Errorf("%s: it was taken: %q", name, lines(t, &out))
		}
	}
}

// TestFlattenChecks changes blobs behind Flatten's back.
func TestFlattenChecks(t *testing.T) {
	good := tarOf(t, file{name: "a", body: strings.Repeat("text ", 1000)})
	for name, spoil := range map[string]func(s *memStore, image *manifest.Image){
		"layer": func(s *memStore, i *manifest.Image) { s.blobs[i.Layers[0].SHA256][40] ^= 1 },
		"shorter": func(s *memStore, i *manifest.Image) {
			d := i.Layers[1].SHA256
			s.blobs[d] = s.blobs[d][:len(s.blobs[d])-1]
		},
		"longer":  func(s *memStore, i *manifest.Image) { d := i.Layers[1].SHA256; s.blobs[d] = append(s.blobs[d], 0) },
		"config":  func(s *memStore, i *manifest.Image) { d := i.Config.SHA256; s.blobs[d][3] ^= 1 },
		"missing": func(s *memStore, i *manifest.Image) { delete(s.blobs, i.Layers[1].SHA256) },
		"swapped": func(_ *memStore, i *manifest.Image) { i.Layers[0], i.Layers[1] = i.Layers[1], i.Layers[0] },
		"fewer":   func(_ *memStore, i *manifest.Image) { i.Layers = i.Layers[:1] },
		"type":    func(_ *memStore, i *manifest.Image) { i.Layers[0].MediaType = i.Layers[1].MediaType },
		"kind":    func(_ *memStore, i *manifest.Image) { i.Kind = "" },
	} {
		store := newStore()
		image := imageOf(t, store, good, tarOf(t, file{name: "b", body: "b"}))
		spoil(store, &image)
		if err := Flatten(t.Context(), image, store, io.Discard); err == nil {
			t.Errorf("%s: it was taken", name)
		}
		if _, _, _, err := Status(t.Context(), image, store); err == nil {
			t.Errorf("%s: Status took it", name)
		}
	}
}

// failWriter fails after some bytes.
type failWriter struct{ left int }

func (f *failWriter) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestFlattenWriterFails(t *testing.T) {
	store := newStore()
	image := imageOf(t, store, tarOf(t, file{name: "a", body: strings.Repeat("text ", 100_000)}, file{name: "b", typ: sym, link: "a"}))
	var whole bytes.Buffer
	if err := Flatten(t.Context(), image, store, &whole); err != nil {
		t.Fatal(err)
	}
	for k := 0; k < whole.Len(); k += whole.Len() / 50 {
		if err := Flatten(t.Context(), image, store, &failWriter{k}); err == nil {
			t.Errorf("a writer that fails after %d bytes was not noticed", k)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Flatten(ctx, image, store, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// TestBomb checks that a layer of many zeros is cut off by its limit.
func TestBomb(t *testing.T) {
	err := walkTar(t.Context(), io.MultiReader(bytes.NewReader(tarOf(t, file{name: "a"})[:1024]), zeros{}), 1<<20, false,
		func(int, *tar.Header, io.Reader) error { return nil })
	if !errors.Is(err, ErrUnsupported) {
		t.Errorf("got %v, want ErrUnsupported", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// FuzzFlatten lays two tars over one another: what is taken must come out as
// promised, the same twice.
func FuzzFlatten(f *testing.F) {
	f.Add(smallRoot(f), tarOf(f, file{name: "etc/.wh..wh..opq"}, file{name: ".wh.usr"}, file{name: "usr/x", body: "1"}))
	f.Add(tarOf(f, file{name: "a", typ: sym, link: "b/../c"}, file{name: "c/", typ: dir}), tarOf(f, file{name: "a/x", body: "1"}, file{name: "h", typ: hard, link: "a/x"}, file{name: "c/.wh.x"}))
	f.Fuzz(func(t *testing.T, lower, upper []byte) {
		store := newStore()
		image := imageOf(t, store, lower, upper)
		var one, two bytes.Buffer
		if err := Flatten(t.Context(), image, store, &one); err != nil {
			return
		}
		if err := Flatten(t.Context(), image, store, &two); err != nil || !bytes.Equal(one.Bytes(), two.Bytes()) {
			t.Errorf("not the same twice: %v", err)
		}
		promises(t, one.Bytes())
		if _, _, _, err := Status(t.Context(), image, store); err != nil && !errors.Is(err, ErrUnsupported) {
			t.Errorf("Status: %v", err)
		}
	})
}
