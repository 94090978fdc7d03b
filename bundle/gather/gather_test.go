package gather

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"satchel/aptmirror"
	"satchel/manifest"
)

// TestAddresses: where each blob may come from, and that what only the user has
// comes from nowhere.
func TestAddresses(t *testing.T) {
	blob := func(s string) manifest.Blob {
		return manifest.Blob{SHA256: manifest.Sum([]byte(s)), Size: int64(len(s))}
	}
	lock := &manifest.Lock{
		Descriptors: []manifest.DescriptorPin{{
			Name: "tool", Blob: blob("descriptor"),
			Files: []manifest.FilePin{
				{Name: "sdk", Blob: blob("sdk"), URL: "https://example.org/sdk"},
				{Name: "orig", Blob: blob("orig"), Archive: "debian/bookworm", Path: "pool/o/orig.tar.gz"},
				{Name: "own", Blob: blob("own")},
			},
		}},
		Archives: []manifest.ArchivePin{{
			Name: "debian", Suite: "bookworm", Keyring: blob("keys"),
			Release: []manifest.ArchiveFile{{Path: "InRelease", Blob: blob("release")}},
			Indexes: []manifest.ArchiveFile{{Path: "main/binary-amd64/Packages.gz", Blob: blob("index")}},
		}},
		Targets: []manifest.Target{{
			Descriptor: "tool", Distro: "debian", Suite: "bookworm",
			Packages: []manifest.PackagePin{{Name: "bash", Archive: "debian/bookworm", Path: "pool/b/bash.deb", Blob: blob("deb")}},
		}},
	}
	var asked []string
	g := &Gatherer{Mirrors: func(p aptmirror.Pocket, closed bool) []string {
		asked = append(asked, p.Archive+" "+p.Suite)
		return []string{"http://m/debian/", "file:///disc"}
	}}
	got := g.addresses(lock)
	want := map[manifest.Digest][]string{
		blob("sdk").SHA256:     {"https://example.org/sdk"},
		blob("orig").SHA256:    {"http://m/debian/pool/o/orig.tar.gz", "file:///disc/pool/o/orig.tar.gz"},
		blob("release").SHA256: {"http://m/debian/dists/bookworm/InRelease", "file:///disc/dists/bookworm/InRelease"},
		blob("index").SHA256: {
			"http://m/debian/dists/bookworm/main/binary-amd64/by-hash/SHA256/" + blob("index").SHA256.Hex(),
			"file:///disc/dists/bookworm/main/binary-amd64/by-hash/SHA256/" + blob("index").SHA256.Hex(),
			"http://m/debian/dists/bookworm/main/binary-amd64/Packages.gz", "file:///disc/dists/bookworm/main/binary-amd64/Packages.gz",
		},
		blob("deb").SHA256: {"http://m/debian/pool/b/bash.deb", "file:///disc/pool/b/bash.deb"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"debian bookworm"}, asked); diff != "" {
		t.Errorf("mirrors asked for (-want +got):\n%s", diff)
	}
}
