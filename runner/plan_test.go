package runner

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"satchel/manifest"
	"satchel/runner/guest"
)

// goldenScript is what gbuild's code writes for the descriptor below, line by
// line (bin/gbuild, build_one_configuration).
const goldenScript = `#!/bin/bash
set -e
export LANG='en_US.UTF-8'
export LC_ALL='en_US.UTF-8'
umask 002
export OUTDIR=$HOME/out
GBUILD_BITS=32
GBUILD_CACHE_ENABLED=1
GBUILD_PACKAGE_CACHE=$HOME/cache/tool
GBUILD_COMMON_CACHE=$HOME/cache/common
MAKEOPTS=(-j3)
NUM_PROCS=3
NUM_MEM=2000

(cd build/tool && git reset -q --hard && git clean -q -f -d)
(cd build/other && git reset -q --hard && git clean -q -f -d)

REFERENCE_DATETIME='2020-02-03 04:05:06'
REFERENCE_DATE='2020-02-03'
REFERENCE_TIME='04:05:06'

cd build
echo hello
`

func buildInput() (manifest.DescriptorPin, *manifest.Descriptor, manifest.Target) {
	blob := manifest.Blob{SHA256: manifest.Sum([]byte("x")), Size: 1}
	pin := manifest.DescriptorPin{
		Name: "tool", File: "tool.yml", Blob: blob, Reference: "2020-02-03 04:05:06",
		Sources: []manifest.SourcePin{
			{Dir: "tool", URL: "https://example.org/tool.git", Ref: "v1", Commit: strings.Repeat("a", 40), Tag: strings.Repeat("b", 40), Pack: blob},
			{Dir: "other", URL: "https://example.org/other.git", Ref: "main", Commit: strings.Repeat("c", 40), Pack: blob},
		},
		Files: []manifest.FilePin{{Name: "sdk.tar.gz", Blob: blob}},
	}
	d := &manifest.Descriptor{Name: "tool", Distro: "ubuntu", EnableCache: true, Script: "echo hello"}
	return pin, d, manifest.Target{Descriptor: "tool", Distro: "ubuntu", Suite: "bionic", Architecture: "i386"}
}

func TestBuildPlan(t *testing.T) {
	pin, d, target := buildInput()
	got, err := BuildPlan(pin, d, target, Options{Jobs: 3, Memory: 2000})
	if err != nil {
		t.Fatal(err)
	}
	want := guest.Build{
		User: "ubuntu", Home: "/home/ubuntu", Personality: "i386", Umask: 0o022, CPUs: 3, Script: goldenScript, Cache: true, Log: "bionic-i386-build.log",
		Sources: []guest.Source{
			{Dir: "tool", URL: "https://example.org/tool.git", Ref: "v1", Commit: strings.Repeat("a", 40), Tag: strings.Repeat("b", 40), Pack: pin.Blob},
			{Dir: "other", URL: "https://example.org/other.git", Ref: "main", Commit: strings.Repeat("c", 40), Pack: pin.Blob},
		},
		Files: []guest.File{{Name: "sdk.tar.gz", Blob: pin.Blob}},
		Env: []string{
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"HOME=/home/ubuntu", "USER=ubuntu", "LOGNAME=ubuntu", "SHELL=/bin/bash", "SOURCE_DATE_EPOCH=1580702706",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("BuildPlan (-want +got):\n%s", diff)
	}
}

func TestBuildPlanRefuses(t *testing.T) {
	pin, d, target := buildInput()
	target.Architecture = "sparc"
	if _, err := BuildPlan(pin, d, target, Options{}); err == nil {
		t.Error("an unknown architecture was planned")
	}
	pin, d, target = buildInput()
	pin.Reference = "yesterday"
	if _, err := BuildPlan(pin, d, target, Options{}); err == nil {
		t.Error("a bad reference time was planned")
	}
}

// TestKey: the key must change with everything that an environment depends on,
// and with nothing else.
func TestKey(t *testing.T) {
	lock := &manifest.Lock{Archives: []manifest.ArchivePin{
		{Name: "ubuntu", Suite: "bionic", Date: "2020-01-01T00:00:00Z"},
		{Name: "ubuntu", Suite: "unused", Date: "2030-01-01T00:00:00Z"},
	}}
	_, d, target := buildInput()
	target.Packages = []manifest.PackagePin{{
		Name: "bash", Version: "5", Architecture: "i386", Archive: "ubuntu/bionic",
		Blob: manifest.Blob{SHA256: manifest.Sum([]byte("deb")), Size: 3}, Why: "essential",
	}}
	key := func() manifest.Digest {
		t.Helper()
		p, err := PreparePlan(lock, d, target)
		if err != nil {
			t.Fatal(err)
		}
		if p.Epoch != 1577836800 {
			t.Errorf("epoch %d is not that of the archive in use", p.Epoch)
		}
		k, err := Key(p)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	first := key()
	target.Packages[0].Why = "base"
	d.Script = "another"
	if key() != first {
		t.Error("the key changed with something that the environment does not depend on")
	}
	for name, change := range map[string]func(){
		"package":     func() { target.Packages[0].SHA256 = manifest.Sum([]byte("other")) },
		"merged /usr": func() { target.Image.MergedUsr = !target.Image.MergedUsr },
		"foreign":     func() { d.Multiarch = append(d.Multiarch, "armhf") },
		"alternative": func() { d.Alternatives = []manifest.Alternative{{Package: "cc", Path: "/usr/bin/gcc"}} },
		"suite":       func() { target.Suite += "x" },
	} {
		before := key()
		change()
		if key() == before {
			t.Errorf("the key does not change with the %s", name)
		}
	}
}
