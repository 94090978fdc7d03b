package gather

import (
	"slices"
	"strings"
	"testing"
	"time"

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
	g := &Gatherer{Now: time.Date(2024, 1, 3, 3, 4, 5, 0, time.UTC), Mirrors: aptmirror.Mirrors{GivenOnly: true, Given: map[string][]string{
		"debian": {"http://m/debian/", "file:///disc", "http://snap/@SNAPSHOTID@/"},
	}}}
	byHash := "dists/bookworm/main/binary-amd64/by-hash/SHA256/" + blob("index").SHA256.Hex()
	plain := "dists/bookworm/main/binary-amd64/Packages.gz"
	now := []string{"http://m/debian", "file:///disc"}
	six, day := "http://snap/20240102T090405Z", "http://snap/20240103T030405Z"
	then := "http://snap/20240202T030405Z"
	for _, c := range []struct{ moment, release, index, pool string }{
		{"", "http://snap/20240102T040405Z " + six + " http://snap/20240102T033405Z http://snap/20240102T060405Z http://snap/20240102T150405Z " + day, six + " " + day, six + " " + day},
		{"2024-02-02T03:04:05Z", then, then, then},
	} {
		lock.Archives[0].Date, lock.Archives[0].Snapshot = "2024-01-02T03:04:05Z", c.moment
		tops := func(snapshots string, first bool) []string {
			if first && c.moment != "" {
				return append(strings.Fields(snapshots), now...)
			}
			return append(slices.Clone(now), strings.Fields(snapshots)...)
		}
		below := func(tops []string, path string) (all []string) {
			for _, top := range tops {
				all = append(all, top+"/"+path)
			}
			return all
		}
		want := map[manifest.Digest][]string{
			blob("sdk").SHA256:     {"https://example.org/sdk"},
			blob("orig").SHA256:    below(tops(c.pool, false), "pool/o/orig.tar.gz"),
			blob("release").SHA256: below(tops(c.release, true), "dists/bookworm/InRelease"),
			blob("index").SHA256:   append(below(tops(c.index, true), byHash), below(tops(c.release, true), plain)...),
			blob("deb").SHA256:     below(tops(c.pool, false), "pool/b/bash.deb"),
		}
		got, err := g.addresses(lock)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("moment %q: addresses (-want +got):\n%s", c.moment, diff)
		}
	}
	lock.Archives[0].Date, lock.Archives[0].Snapshot = "2024-01-03T03:00:00Z", ""
	if got, err := g.addresses(lock); err != nil || len(got[blob("deb").SHA256]) != 2 {
		t.Errorf("the future is asked for: %q, %v", got[blob("deb").SHA256], err)
	}
	lock.Archives[0].Date = "yesterday"
	lock.Archives[0].Snapshot = ""
	if _, err := g.addresses(lock); err == nil {
		t.Error("a lock without a date passes")
	}
}
