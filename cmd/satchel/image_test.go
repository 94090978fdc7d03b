package main

import (
	"archive/tar"
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"satchel/aptmirror/archivetest"
	"satchel/manifest"
)

// baseRoot is a small root with dpkg's status: base and an older libtool1.
func baseRoot(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	status := "Package: base\nStatus: install ok installed\nEssential: yes\nVersion: 1.0\nArchitecture: amd64\nMaintainer: T <t@example.org>\nDescription: t\n\n" +
		"Package: libtool1\nStatus: install ok installed\nVersion: 2.0\nArchitecture: amd64\nMaintainer: T <t@example.org>\nDescription: t\n\n" +
		"Package: local\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\nMaintainer: T <t@example.org>\nDescription: t\n\n"
	for _, f := range []struct{ name, content string }{
		{"etc/", ""}, {"etc/os-release", "ID=debian\n"}, {"var/", ""}, {"var/lib/", ""}, {"var/lib/dpkg/", ""}, {"var/lib/dpkg/status", status},
		{"bin/", ""}, {"bin/sh", "x"},
	} {
		h := &tar.Header{Name: f.name, Mode: 0o755, Size: int64(len(f.content)), Typeflag: tar.TypeReg}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestImage locks on top of the same root, given as a tarball and as a registry
// image behind a tag: the packages are resolved against what it has, the image
// is pinned by digest, and the bundle holds it.
func TestImage(t *testing.T) {
	dir := t.TempDir()
	a := newArchive(t, archivetest.Deb("base", "1.0", "Essential: yes\n"), archivetest.Deb("tool", "2.0-1", "Depends: libtool1 (>= 2), base\n"), archivetest.Deb("libtool1", "2.1", ""))
	write := func(name string, b []byte) string {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	key := write("archive.gpg", a.Keyring(t))
	desc := write("tool.yml", []byte(strings.TrimLeft(`
name: "tool"
distro: "debian"
suites: ["bookworm"]
architectures: ["amd64"]
packages: ["tool"]
reference_datetime: "2020-01-01 00:00:00"
remotes: []
files: []
script: |
  true
`, "\n")))
	root := write("root.tar", baseRoot(t))
	host := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer host.Close()
	ref, err := name.ParseReference(strings.TrimPrefix(host.URL, "http://") + "/base:latest")
	if err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromFile(root)
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err == nil {
		img, err = mutate.ConfigFile(img, &v1.ConfigFile{Architecture: "amd64", OS: "linux", RootFS: v1.RootFS{Type: "layers", DiffIDs: diffIDs(t, layer)}})
	}
	if err == nil {
		err = remote.Write(ref, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) {
		t.Helper()
		var out, story bytes.Buffer
		if !slices.Contains(args, "--cache") {
			args = append(args, "--cache", filepath.Join(dir, "cache"))
		}
		if code := command(args, &ui{out: &out, err: &story}); code != exitDone {
			t.Fatalf("satchel %v: exit status %d\n%s", args, code, story.String())
		}
	}
	for kind, from := range map[string]string{"file": root, "registry": ref.Name()} {
		t.Run(kind, func(t *testing.T) {
			file := filepath.Join(dir, kind+".lock")
			bundle := filepath.Join(dir, kind+".satchel")
			run("lock", desc, "-o", file, "--image", from, "--base-packages", "base", "--archive-keyring", key,
				"--mirror", "debian="+a.URL+"/debian", "--mirror", "debian-security="+a.URL+"/debian-security", "--mirrors-only")
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			lock, err := manifest.ParseLock(file, text)
			if err != nil {
				t.Fatal(err)
			}
			g := lock.Targets[0]
			if g.Image.Kind != manifest.ImageOCI || len(g.Image.Layers) != 1 {
				t.Errorf("the image is %+v", g.Image)
			}
			if kind == "registry" && (g.Image.Manifest.SHA256.String() != digest.String() || !strings.HasSuffix(g.Image.From, "@"+digest.String())) {
				t.Errorf("the image is %+v, want it pinned as %s", g.Image, digest)
			}
			var got []string
			for _, p := range g.Packages {
				got = append(got, p.Name+" "+p.Version+" "+p.Why)
			}
			for _, p := range g.Installed {
				got = append(got, p.Name+" "+p.Version+" installed, known "+map[bool]string{true: "yes", false: "no"}[p.SHA256 != nil])
			}
			const want = "libtool1 2.1 upgrade|tool 2.0-1 asked for|base 1.0 installed, known yes|local 1 installed, known no"
			if s := strings.Join(got, "|"); s != want {
				t.Errorf("packages %s, want %s", s, want)
			}
			gather := []string{"gather", "--lock", file, "-o", bundle, "--archive-keyring", key,
				"--mirror", "debian=" + a.URL + "/debian", "--mirror", "debian-security=" + a.URL + "/debian-security", "--mirrors-only"}
			run(gather...)
			run("verify", bundle, "--unsigned")
			// Elsewhere, with the lock alone: a tarball has to be given again.
			first, err := os.ReadFile(bundle)
			if err != nil {
				t.Fatal(err)
			}
			if kind == "file" {
				gather = append(gather, "--image", root)
			}
			run(append(gather, "--force", "--cache", filepath.Join(dir, kind+"-cache"))...)
			if again, err := os.ReadFile(bundle); err != nil || !bytes.Equal(first, again) {
				t.Errorf("gathered elsewhere the bundle is another: %v", err)
			}
		})
	}
}

func diffIDs(t *testing.T, l v1.Layer) []v1.Hash {
	t.Helper()
	h, err := l.DiffID()
	if err != nil {
		t.Fatal(err)
	}
	return []v1.Hash{h}
}
