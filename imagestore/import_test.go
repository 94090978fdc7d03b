package imagestore

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"satchel/manifest"
)

// file is a tar entry in short.
type file struct {
	name, body string
	typ        byte // TypeReg if 0
	link       string
	mode       int64
	xattrs     map[string]string
	major      int64
	mtime      int64
}

// tarOf writes a tar as the list says.
func tarOf(t testing.TB, files ...file) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Typeflag: f.typ, Linkname: f.link, Mode: f.mode, PAXRecords: f.xattrs,
			Devmajor: f.major, Devminor: f.major, ModTime: time.Unix(f.mtime, 0)}
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(f.body))
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, f.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

const dir = tar.TypeDir

func smallRoot(t testing.TB) []byte {
	return tarOf(t,
		file{name: "./", typ: dir, mode: 0o755},
		file{name: "./etc/", typ: dir, mode: 0o755},
		file{name: "./etc/os-release", typ: tar.TypeSymlink, link: "../usr/lib/os-release"},
		file{name: "./usr/", typ: dir, mode: 0o755},
		file{name: "./usr/lib/", typ: dir, mode: 0o755},
		file{name: "./usr/lib/os-release", body: "ID=debian\nVERSION_CODENAME=bookworm\n"},
		file{name: "./bin", typ: tar.TypeSymlink, link: "usr/bin"},
		file{name: "./var/lib/dpkg/status", body: "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n"},
		file{name: "./var/lib/dpkg/arch", body: "amd64\ni386\n"},
		file{name: "./usr/bin/ping", body: "x", mode: 0o755, xattrs: map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02"}},
		file{name: "./dev/null", typ: tar.TypeChar, major: 3},
	)
}

// compressed pipes b through a program.
func compressed(t testing.TB, b []byte, argv ...string) []byte {
	t.Helper()
	if len(argv) == 0 {
		return b
	}
	cmd := exec.Command(need(t, argv[0]), argv[1:]...)
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", argv, err)
	}
	return out
}

var compressors = [][]string{{}, {"gzip", "-9n"}, {"xz", "-9e"}, {"zstd", "-19", "-q"}, {"zstd", "--long=27", "-q"}, {"bzip2"}, {"lz4", "-q"}}

func importOf(t testing.TB, store *memStore, b []byte, opts Options) manifest.Image {
	t.Helper()
	image, err := Import(t.Context(), "some/dir/base.tar", opener(b), store, opts)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// TestImportRoot checks that every compression of a tar is one image, whose
// digests are the ones written here, whatever the machine.
func TestImportRoot(t *testing.T) {
	root := smallRoot(t)
	for _, c := range compressors {
		t.Run(strings.Join(append([]string{"as"}, c...), " "), func(t *testing.T) {
			store := newStore()
			image := importOf(t, store, compressed(t, root, c...), Options{Architecture: "amd64"})
			if got, want := image.Manifest.SHA256.Hex(), "8b450793fa4d8962ed943f89520488e1971f132181f839d531af9511d4580333"; got != want {
				t.Errorf("manifest %s, want %s", got, want)
			}
			if got := store.blobs[image.Layers[0].SHA256]; !bytes.Equal(got, root) {
				t.Errorf("the layer is not the tar: %d bytes, want %d", len(got), len(root))
			}
			if image.From != "base.tar" {
				t.Errorf("From %q", image.From)
			}
			status, release, arch, err := Status(t.Context(), image, store)
			if err != nil || !strings.HasPrefix(string(status), "Package: dpkg") || !strings.HasPrefix(string(release), "ID=debian") || arch != "amd64" {
				t.Errorf("Status: %q %q %q %v", status, release, arch, err)
			}
			if got := flat(t, image, store); !slices.Contains(got, "-755 usr/bin/ping x security.capability=\x01\x00\x00\x02") {
				t.Errorf("flattened: %q", got)
			}
		})
	}
}

// flat flattens image and writes each entry as a line.
func flat(t testing.TB, image manifest.Image, store Source) []string {
	t.Helper()
	var buf bytes.Buffer
	if err := Flatten(context.Background(), image, store, &buf); err != nil {
		t.Fatal(err)
	}
	promises(t, buf.Bytes())
	return lines(t, &buf)
}

// promises checks what the package comment says of a flattened tar.
func promises(t testing.TB, b []byte) {
	t.Helper()
	tr := tar.NewReader(bytes.NewReader(b))
	kinds := map[string]byte{}
	phase := 0 // directories, files, the rest
	for i := 0; ; i++ {
		h, err := tr.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(h.Name, "/")
		if i == 0 != (name == ".") || path.Clean(name) != name || path.IsAbs(name) || strings.HasPrefix(name, "..") {
			t.Errorf("entry %d is called %q", i, h.Name)
		}
		if _, twice := kinds[name]; twice {
			t.Errorf("%q comes twice", name)
		}
		if i > 0 && kinds[path.Dir(name)] != dir {
			t.Errorf("%q comes before its directory", name)
		}
		now := 2
		switch h.Typeflag {
		case dir:
			now = 0
		case tar.TypeReg:
			now = 1
		case hard:
			now = phase
			if k := kinds[h.Linkname]; k == 0 || k == dir {
				t.Errorf("%q is a hard link to %q, which is not before it", name, h.Linkname)
			}
		}
		if now < phase {
			t.Errorf("%q comes too late", name)
		}
		phase = now
		kinds[name] = h.Typeflag
		if h.Uname != "" || h.Gname != "" || !h.AccessTime.IsZero() {
			t.Errorf("%q: %+v", name, h)
		}
	}
}

// TestCut cuts the tarball short at many places, in every compression.
func TestCut(t *testing.T) {
	root := tarOf(t, file{name: "etc/", typ: dir}, file{name: "usr/", typ: dir}, file{name: "usr/a", body: strings.Repeat("text 123 ", 3000)}, file{name: "usr/b", body: "b"})
	for _, c := range compressors {
		whole := compressed(t, root, c...)
		end := len(whole)
		if len(c) == 0 {
			end -= 1024 // the end marker may miss its second half
		}
		want := importOf(t, newStore(), whole, Options{Architecture: "amd64"})
		for k := 0; k < end; k += max(1, end/41) {
			store := newStore()
			if image, err := Import(t.Context(), "x", opener(whole[:k]), store, Options{Architecture: "amd64"}); err == nil {
				if *image.Manifest == *want.Manifest {
					continue // only the compression's own end is missing, which lz4's decoder does not mind
				}
				t.Errorf("%v: %d of %d bytes were taken", c, k, len(whole))
			} else if len(store.blobs) > 0 {
				t.Errorf("%v: %d of %d bytes left a blob", c, k, len(whole))
			}
		}
		if len(c) > 0 {
			if _, err := Import(t.Context(), "x", opener(append(slices.Clone(whole), "garbage"...)), newStore(), Options{Architecture: "amd64"}); err == nil {
				t.Errorf("%v: trailing bytes were taken", c)
			}
		}
	}
}

func TestImportRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty":             {},
		"text":              []byte("hello\n"),
		"zeros":             make([]byte, 10240),
		"a tar of anything": tarOf(t, file{name: "README", body: "x"}),
		"only usr":          tarOf(t, file{name: "usr/bin/x", body: "x"}),
		"one directory":     tarOf(t, file{name: "rootfs/etc/passwd", body: "x"}, file{name: "rootfs/usr/x", body: "x"}),
		"escaping":          tarOf(t, file{name: "etc/", typ: dir}, file{name: "usr/", typ: dir}, file{name: "../x", body: "x"}),
		"a whiteout":        tarOf(t, file{name: "etc/", typ: dir}, file{name: "usr/", typ: dir}, file{name: "etc/.wh.passwd"}),
	} {
		store := newStore()
		if _, err := Import(t.Context(), name, opener(b), store, Options{Architecture: "amd64"}); err == nil || len(store.blobs) > 0 {
			t.Errorf("%s: got %v and %d blobs", name, err, len(store.blobs))
		}
	}
	if _, err := Import(t.Context(), "x", opener(smallRoot(t)), newStore(), Options{}); err == nil {
		t.Error("no architecture was taken for any")
	}
	if _, err := Import(t.Context(), "x", opener(smallRoot(t)), newStore(), Options{Architecture: "amd64", Ref: "x"}); err == nil {
		t.Error("a root tarball has no #x")
	}
	store := newStore()
	store.full = 3000
	if _, err := Import(t.Context(), "x", opener(smallRoot(t)), store, Options{Architecture: "amd64"}); err == nil || len(store.blobs) > 0 {
		t.Errorf("a full store: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Import(ctx, "x", opener(smallRoot(t)), newStore(), Options{Architecture: "amd64"}); err == nil {
		t.Error("a cancelled import went on")
	}
}

// FuzzImport checks that whatever is taken can be flattened as promised, and
// comes out the same twice.
func FuzzImport(f *testing.F) {
	f.Add(smallRoot(f))
	f.Add(savedArchive(f, "a:1", [][]byte{tarOf(f, file{name: "a", body: "1"}), tarOf(f, file{name: ".wh.a"})}))
	f.Add(tarOf(f, file{name: "etc/", typ: dir}, file{name: "usr/", typ: dir}, file{name: "a", typ: sym, link: "usr"}, file{name: "a/b", body: "x"}, file{name: "c", typ: hard, link: "a/b"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		one, two := newStore(), newStore()
		opts := Options{Architecture: "amd64"}
		image, err := Import(t.Context(), "x", opener(b), one, opts)
		if err != nil {
			return
		}
		again, err := Import(t.Context(), "x", opener(b), two, opts)
		if err != nil || *again.Manifest != *image.Manifest {
			t.Fatalf("the second time: %v, %v", again.Manifest, err)
		}
		var out bytes.Buffer
		if err := Flatten(t.Context(), image, one, &out); err != nil {
			t.Skip(err) // layers of archives are not looked into by Import
		}
		promises(t, out.Bytes())
		Status(t.Context(), image, one)
	})
}
