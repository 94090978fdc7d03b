package runner

import (
	"testing"

	"satchel/manifest"
)

func TestReckon(t *testing.T) {
	pin := func(name string, size int64) manifest.PackagePin {
		return manifest.PackagePin{Name: name, Blob: manifest.Blob{SHA256: manifest.Sum([]byte(name)), Size: size}}
	}
	target := func(descriptor, arch string, packages ...manifest.PackagePin) manifest.Target {
		return manifest.Target{Descriptor: descriptor, Distro: "debian", Suite: "bookworm", Architecture: arch, Packages: packages}
	}
	libc, gcc := pin("libc", 100), pin("gcc", 1000)
	lock := &manifest.Lock{
		Descriptors: []manifest.DescriptorPin{
			{Name: "a", Sources: []manifest.SourcePin{{Pack: manifest.Blob{Size: 10}, Submodules: []manifest.SubmodulePin{{Pack: manifest.Blob{Size: 1}}}}}},
			{Name: "b", Files: []manifest.FilePin{{Blob: manifest.Blob{Size: 70}}}},
		},
		Targets: []manifest.Target{
			target("a", "amd64", libc, gcc), target("a", "linux64", libc, gcc), target("a", "i386", libc), target("b", "amd64", libc, gcc),
		},
	}
	known := map[manifest.Digest]int64{libc.SHA256: 1 << 20}
	// An environment of libc, one of both, with what there is besides.
	one, both := int64(1<<20+1<<20/10), int64(1<<20+5000+(1<<20+5000)/10)
	for name, c := range map[string]struct {
		only []string
		want Demand
	}{
		// linux64 is amd64, and b has a's packages: two environments
		"all":    {nil, Demand{Environments: one + both, Preparing: 1100, Inputs: 70, Inodes: (one + both) >> 15, Estimated: 1}},
		"only b": {[]string{"b"}, Demand{Environments: both, Preparing: 1100, Inputs: 70, Inodes: both >> 15, Estimated: 1}},
		"only a": {[]string{"a"}, Demand{Environments: one + both, Preparing: 1100, Inputs: 55, Inodes: (one + both) >> 15, Estimated: 1}},
	} {
		if got := Reckon(lock, c.only, known); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
	// An image is flattened beside the environment, and unpacked into it.
	lock.Targets[2].Image.Layers = []manifest.OCIBlob{{Blob: manifest.Blob{Size: 1000}}}
	if d := Reckon(lock, nil, known); d.Environments != both+1<<20+5000+(1<<20+5000)/10 || d.Preparing != 5100 {
		t.Errorf("with an image: %+v", d)
	}
}
