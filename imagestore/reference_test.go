package imagestore

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"satchel/manifest"
)

// treeOf is what unpacking a tar would give, as tar itself would do it: a line
// for each name, with the name that sorts first of those linked to it.
func treeOf(t testing.TB, r io.Reader) map[string]string {
	t.Helper()
	type inode struct {
		text  string
		names []string
	}
	at := map[string]*inode{}
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := path.Clean("/" + h.Name)[1:]
		var ino *inode
		if h.Typeflag == tar.TypeLink {
			if ino = at[path.Clean("/" + h.Linkname)[1:]]; ino == nil {
				t.Fatalf("%s is a hard link to %s, which is not there", name, h.Linkname)
			}
		} else {
			sum := sha256.New()
			n, err := io.Copy(sum, tr)
			if err != nil {
				t.Fatal(err)
			}
			ino = &inode{text: fmt.Sprintf("%c %o %d:%d %q %d:%d %d %x", h.Typeflag, h.Mode&0o7777, h.Uid, h.Gid, h.Linkname, h.Devmajor, h.Devminor, n, sum.Sum(nil)[:6])}
			if h.Typeflag == tar.TypeReg {
				ino.text += fmt.Sprint(" ", h.ModTime.Unix())
			}
		}
		at[name] = ino
	}
	out := map[string]string{}
	for name, ino := range at {
		ino.names = append(ino.names, name)
		slices.Sort(ino.names)
	}
	for name, ino := range at {
		out[name] = ino.text
		if len(ino.names) > 1 {
			out[name] += " = " + ino.names[0]
		}
	}
	return out
}

func compareTrees(t testing.TB, got, want map[string]string) {
	t.Helper()
	bad := 0
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s: got %s, want %s", name, got[name], want[name])
			bad++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if want[name] == "" {
			t.Errorf("%s: got %s, want nothing", name, got[name])
			bad++
		}
		if bad > 20 {
			return
		}
	}
}

// randomLayers makes layers as a builder would: each is a change to what the
// ones below have, with the directories that lead there. With links set there
// are hard links too.
func randomLayers(rng *rand.Rand, links bool) [][]file {
	type kind map[string]byte // name → type
	all := kind{"": dir}
	entries := map[string]file{} // as last written
	pick := func(want byte) string {
		var names []string
		for _, n := range slices.Sorted(maps.Keys(all)) {
			if all[n] == want {
				names = append(names, n)
			}
		}
		if len(names) == 0 {
			return ""
		}
		return names[rng.IntN(len(names))]
	}
	remove := func(name string) {
		maps.DeleteFunc(all, func(n string, _ byte) bool { return n == name || strings.HasPrefix(n, name+"/") })
	}
	var layers [][]file
	for l := range 2 + rng.IntN(4) {
		var files []file
		mine := map[string]bool{}
		touched := func(name string) bool {
			for n := range mine {
				if n == name || strings.HasPrefix(n, name+"/") || strings.HasPrefix(name, n+"/") && all[n] != dir {
					return true
				}
			}
			return false
		}
		written := map[string]bool{".": true}
		var parents func(name string)
		parents = func(name string) {
			if up := path.Dir(name); !written[up] {
				parents(up)
				written[up] = true
				files = append(files, entries[up])
			}
		}
		add := func(f file, name string) {
			parents(name)
			f.name = name
			if f.typ != hard {
				f.mtime = 1_000_000 + int64(rng.IntN(1000))
			}
			if f.typ == dir {
				f.name += "/"
			}
			files = append(files, f)
			all[name] = max(f.typ, '0')
			mine[name], written[name], entries[name] = true, true, f
		}
		for range 25 {
			parent := pick(dir)
			name := path.Join(parent, string("abcdef"[rng.IntN(6)])+fmt.Sprint(rng.IntN(4)))
			old, there := all[name]
			switch op := rng.IntN(12); {
			case touched(name):
			case op < 4 && (!there || old != dir):
				add(file{body: strings.Repeat(fmt.Sprint(rng.Uint32()), rng.IntN(50)), mode: int64(0o400 + rng.IntN(0o377))}, name)
			case op < 6 && (!there || old == dir):
				add(file{typ: dir, mode: int64(0o700 + rng.IntN(0o77))}, name)
			case op == 6 && !there:
				add(file{typ: sym, link: "x/" + name, mode: 0o777}, name)
			case op == 7 && !there && links:
				var to []string
				for n := range mine {
					if all[n] == tar.TypeReg {
						to = append(to, n)
					}
				}
				if slices.Sort(to); len(to) > 0 {
					f := entries[to[rng.IntN(len(to))]] // whose name may be a link itself
					add(file{typ: hard, link: f.name, mode: f.mode, mtime: f.mtime}, name)
					all[name] = tar.TypeReg
				}
			case op == 8 && there && l > 0:
				remove(name)
				parents(name)
				files = append(files, file{name: path.Join(path.Dir(name), ".wh."+path.Base(name)), mtime: 1})
				mine[name] = true
			case op == 9 && there && old == dir && l > 0:
				remove(name)
				add(file{typ: dir, mode: 0o755}, name)
				files = append(files, file{name: name + "/.wh..wh..opq", mtime: 1})
			}
		}
		layers = append(layers, files)
	}
	return layers
}

// TestAgainstExtract compares with go-containerregistry's flattening, on
// images without hard links, which it leaves as it finds them.
func TestAgainstExtract(t *testing.T) {
	for seed := range uint64(150) {
		layers := randomLayers(rand.New(rand.NewPCG(seed, 1)), false)
		store := newStore()
		var raw [][]byte
		img := empty.Image
		for _, files := range layers {
			b := tarOf(t, files...)
			raw = append(raw, b)
			l, err := tarball.LayerFromOpener(opener(b), tarball.WithMediaType(types.OCILayer))
			if err != nil {
				t.Fatal(err)
			}
			if img, err = mutate.AppendLayers(img, l); err != nil {
				t.Fatal(err)
			}
		}
		want := treeOf(t, mutate.Extract(img))
		var got bytes.Buffer
		if err := Flatten(t.Context(), imageOf(t, store, raw...), store, &got); err != nil {
			t.Fatal(err)
		}
		tree := treeOf(t, &got)
		for name, line := range tree {
			if _, ok := want[name]; !ok && strings.HasPrefix(line, "5 755 0:0") {
				delete(tree, name) // a parent that has no entry of its own
			}
		}
		compareTrees(t, tree, want)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// docker runs the docker client, or skips.
func docker(t testing.TB, stdin io.Reader, args ...string) []byte {
	t.Helper()
	need(t, "docker")
	if err := exec.Command("docker", "version").Run(); err != nil {
		t.Skip("skipped: no Docker engine answers")
	}
	cmd := exec.Command("docker", args...)
	cmd.Stdin = stdin
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker %v: %v: %s", args, err, stderr.String())
	}
	return out
}

// dockerTree is what Docker itself makes of an image.
func dockerTree(t testing.TB, image string) map[string]string {
	t.Helper()
	id := strings.TrimSpace(string(docker(t, nil, "create", "--network=none", "--label=satchel.test=1", image, "/none")))
	defer docker(t, nil, "rm", "-f", id)
	tree := treeOf(t, bytes.NewReader(docker(t, nil, "export", id)))
	for _, own := range []string{".dockerenv", "dev", "dev/console", "dev/pts", "dev/shm", "etc", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf", "proc", "sys"} {
		delete(tree, own)
	}
	return tree
}

// savedArchive is what docker save wrote until version 25.
func savedArchive(t testing.TB, tag string, layers [][]byte) []byte {
	t.Helper()
	c := config{Architecture: "amd64", OS: "linux"}
	c.RootFS.Type = "layers"
	var files []file
	s := saved{Config: "config.json", RepoTags: []string{tag}}
	for i, l := range layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", sha256.Sum256(l))}.String())
		name := fmt.Sprintf("%d/layer.tar", i)
		s.Layers = append(s.Layers, name)
		files = append(files, file{name: name, body: string(l)})
	}
	rawConfig, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	rawManifest, err := json.Marshal([]saved{s})
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, file{name: "config.json", body: string(rawConfig)}, file{name: "manifest.json", body: string(rawManifest)})
	return tarOf(t, files...)
}

func unlinked(tree map[string]string) map[string]string {
	out := map[string]string{}
	for name, line := range tree {
		out[name], _, _ = strings.Cut(line, " = ")
	}
	return out
}

// TestAgainstTar unpacks what Flatten writes with GNU tar, and compares what
// tar sees then, hard links included.
func TestAgainstTar(t *testing.T) {
	gnu := need(t, "tar")
	for seed := range uint64(10) {
		var raw [][]byte
		for _, files := range randomLayers(rand.New(rand.NewPCG(seed, 3)), true) {
			raw = append(raw, tarOf(t, files...))
		}
		store := newStore()
		var flattened bytes.Buffer
		if err := Flatten(t.Context(), imageOf(t, store, raw...), store, &flattened); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		unpack := exec.Command(gnu, "-xpf", "-", "--numeric-owner", "--no-same-owner", "-C", dir)
		unpack.Stdin = bytes.NewReader(flattened.Bytes())
		if out, err := unpack.CombinedOutput(); err != nil {
			t.Fatalf("tar: %v: %s", err, out)
		}
		out, err := exec.Command(gnu, "-cf", "-", "--numeric-owner", "--owner=0", "--group=0", "-C", dir, ".").Output()
		if err != nil {
			t.Fatal(err)
		}
		compareTrees(t, treeOf(t, &flattened), treeOf(t, bytes.NewReader(out)))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestAgainstDocker lets Docker load random images, and compares with what it
// exports; and what it saves, with what it was loaded from.
func TestAgainstDocker(t *testing.T) {
	for seed := range uint64(6) {
		var raw [][]byte
		for _, files := range randomLayers(rand.New(rand.NewPCG(seed, 2)), true) {
			raw = append(raw, tarOf(t, files...))
		}
		tag := fmt.Sprintf("satchel-test-imagestore:%d", seed)
		archive := savedArchive(t, tag, raw)
		docker(t, bytes.NewReader(archive), "load", "-q")
		defer docker(t, nil, "rmi", "-f", tag)
		want := dockerTree(t, tag)

		store := newStore()
		image := importOf(t, store, archive, Options{Architecture: "amd64"})
		var got bytes.Buffer
		if err := Flatten(t.Context(), image, store, &got); err != nil {
			t.Fatal(err)
		}
		tree := treeOf(t, &got)
		delete(tree, "")
		// Which names are linked is left out: it depends on Docker's storage
		// driver (fuse-overlayfs shows some links as separate files).
		compareTrees(t, unlinked(tree), unlinked(want))

		again := importOf(t, newStore(), docker(t, nil, "save", tag), Options{Architecture: "amd64"})
		if len(again.Layers) != len(image.Layers) || *again.Config != *image.Config {
			t.Errorf("saved again: %+v, want %+v", again, image)
		}
		for i, l := range again.Layers {
			if l.SHA256 != manifest.Sum(raw[i]) {
				t.Errorf("layer %d was saved as %s, loaded as %s", i, l.SHA256, manifest.Sum(raw[i]))
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
