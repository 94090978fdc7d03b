package imagestore

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os/exec"
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
	return lines(t, &buf)
}
