package why

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"satchel/manifest"
)

// TestExplain: chains through several targets, foreign architectures and what
// an image holds already.
func TestExplain(t *testing.T) {
	blobs := map[manifest.Blob][]byte{}
	pin := func(data string) manifest.Blob {
		b := manifest.Blob{SHA256: manifest.Sum([]byte(data)), Size: int64(len(data))}
		blobs[b] = []byte(data)
		return b
	}
	index := ""
	deb := func(name, arch, fields, why string) manifest.PackagePin {
		b := manifest.Blob{SHA256: manifest.Sum([]byte(name + arch)), Size: 1}
		path := "pool/" + name + "_" + arch + ".deb"
		index += fmt.Sprintf("Package: %s\nVersion: 1\nArchitecture: %s\nMulti-Arch: same\n%sFilename: %s\nSize: 1\nSHA256: %s\n\n", name, arch, fields, path, b.SHA256.Hex())
		return manifest.PackagePin{Name: name, Version: "1", Architecture: arch, Archive: "debian/bookworm", Path: path, Blob: b, Why: why}
	}
	lock := &manifest.Lock{
		Targets: []manifest.Target{
			{Descriptor: "a", Suite: "bookworm", Architecture: "linux64", Packages: []manifest.PackagePin{
				deb("lib", "amd64", "", "dependency of tool"), deb("lib", "i386", "", "dependency of old:i386"),
				deb("old", "i386", "Depends: lib\n", "asked for"), deb("tool", "all", "Depends: lib, base\n", "asked for"),
			}},
			{Descriptor: "b", Suite: "bookworm", Architecture: "amd64", Packages: []manifest.PackagePin{
				deb("extra", "amd64", "", "dependency of kept"), deb("newer", "amd64", "", "upgrade"),
			}, Installed: []manifest.InstalledPin{{Name: "kept", Version: "7", Architecture: "amd64"}, {Name: "lib", Version: "0", Architecture: "amd64"}}},
		},
	}
	lock.Archives = []manifest.ArchivePin{{Name: "debian", Suite: "bookworm", Indexes: []manifest.ArchiveFile{{Path: "main/binary-amd64/Packages", Blob: pin(index)}}}}
	open := func(b manifest.Blob) (io.ReadCloser, error) {
		data, ok := blobs[b]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return io.NopCloser(b.Verify(bytes.NewReader(data))), nil
	}
	for name, want := range map[string]string{
		"tool":       "a tool all: tool: asked for",
		"tool:amd64": "a tool all: tool: asked for",
		"lib": "a lib amd64: tool: asked for; tool depends on lib\n" +
			"a lib i386: old:i386: asked for; old:i386 depends on lib:i386\n" +
			"b lib amd64: lib: in the base image",
		"lib:i386": "a lib i386: old:i386: asked for; old:i386 depends on lib:i386",
		"extra":    "b extra amd64: extra: dependency of kept, which is in the base image",
		"newer":    "b newer amd64: newer: upgrade",
		"kept":     "b kept amd64: kept: in the base image",
	} {
		answers, err := Explain(context.Background(), lock, open, name)
		var got []string
		for _, a := range answers {
			got = append(got, fmt.Sprintf("%s %s %s: %s", a.Descriptor, a.Package, a.Of, strings.Join(a.Chain, "; ")))
		}
		if diff := cmp.Diff(want, strings.Join(got, "\n")); diff != "" || err != nil {
			t.Errorf("%s: (-want +got)\n%s%v", name, diff, err)
		}
	}
	var absent *AbsentError
	if _, err := Explain(context.Background(), lock, open, "tol"); !errors.As(err, &absent) || !cmp.Equal(absent.Near, []string{"tool"}) {
		t.Errorf("got %v", err)
	}
	if _, err := Explain(context.Background(), lock, open, ""); !errors.As(err, &absent) {
		t.Errorf("got %v", err)
	}
	for b := range blobs {
		blobs[b] = bytes.Replace(blobs[b], []byte("old"), []byte("odd"), 1)
	}
	if _, err := Explain(context.Background(), lock, open, "tool"); !errors.Is(err, manifest.ErrDigest) {
		t.Errorf("a changed index: got %v", err)
	}
	clear(blobs)
	if _, err := Explain(context.Background(), lock, open, "tool"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no index: got %v", err)
	}
}
