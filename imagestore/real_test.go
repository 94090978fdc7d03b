package imagestore

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"satchel/manifest"
)

// realRoot is a whole base system, made once with
//
//	mmdebstrap --variant=essential bookworm FILE
//
// which needs a mirror, and so is not done by a test.
const realRoot = "/var/cache/satchel-test/base-bookworm-essential.tar"

func openReal(t *testing.T) []byte {
	t.Helper()
	if os.Getenv("SATCHEL_FULL") != "1" {
		t.Skip("it flattens a whole base system: set SATCHEL_FULL=1")
	}
	raw, err := os.ReadFile(realRoot)
	if err != nil {
		if os.Getenv("SATCHEL_CI") == "1" {
			t.Fatal(err)
		}
		t.Skipf("skipped: %v; make it with mmdebstrap --variant=essential bookworm %s", err, realRoot)
	}
	return raw
}

// TestRealRoot imports a real Debian in every compression, and compares what
// comes out with what went in.
func TestRealRoot(t *testing.T) {
	raw := openReal(t)
	want := treeOf(t, bytes.NewReader(raw))
	var first manifest.Image
	for _, c := range [][]string{{}, {"gzip", "-1"}, {"xz", "-0"}, {"zstd", "-3"}} {
		packed := compressed(t, raw, c...)
		store := newStore()
		start := time.Now()
		image := importOf(t, store, packed, Options{Architecture: "amd64"})
		t.Logf("%v: imported %d bytes in %v", c, len(packed), time.Since(start))
		if first.Manifest == nil {
			first = image
		} else if *image.Manifest != *first.Manifest {
			t.Errorf("%v: another image", c)
		}
		if len(c) > 0 {
			continue
		}
		start = time.Now()
		var flattened bytes.Buffer
		if err := Flatten(t.Context(), image, store, &flattened); err != nil {
			t.Fatal(err)
		}
		t.Logf("flattened %d to %d bytes in %v", len(raw), flattened.Len(), time.Since(start))
		promises(t, flattened.Bytes())
		compareTrees(t, treeOf(t, &flattened), want)
		status, release, arch, err := Status(t.Context(), image, store)
		if err != nil || arch != "amd64" || !bytes.Contains(release, []byte("bookworm")) {
			t.Errorf("Status: %q %q %v", release, arch, err)
		}
		tool := exec.Command(need(t, "tar"), "-xOf", realRoot, "./var/lib/dpkg/status")
		if reference, err := tool.Output(); err != nil || !bytes.Equal(status, reference) {
			t.Errorf("status of %d bytes, tar reads %d (%v)", len(status), len(reference), err)
		}
	}
}

// TestRealSaved lets Docker import and save the same system.
func TestRealSaved(t *testing.T) {
	raw := openReal(t)
	const tag = "satchel-test-imagestore:real"
	docker(t, bytes.NewReader(raw), "import", "-", tag)
	defer docker(t, nil, "rmi", "-f", tag)
	archive := docker(t, nil, "save", tag)
	store := newStore()
	image := importOf(t, store, archive, Options{Architecture: "amd64"})
	var flattened bytes.Buffer
	if err := Flatten(t.Context(), image, store, &flattened); err != nil {
		t.Fatal(err)
	}
	got, want := treeOf(t, &flattened), dockerTree(t, tag)
	for _, own := range []string{"", "dev", "dev/console", "dev/pts", "dev/shm", "etc", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf", "proc", "sys"} {
		delete(got, own)
	}
	compareTrees(t, unlinked(got), unlinked(want))
}

// BenchmarkFlatten writes the real system to nowhere.
func BenchmarkFlatten(b *testing.B) {
	raw, err := os.ReadFile(realRoot)
	if err != nil {
		b.Skipf("skipped: %v", err)
	}
	store := newStore()
	image := importOf(b, store, raw, Options{Architecture: "amd64"})
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Flatten(b.Context(), image, store, io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
