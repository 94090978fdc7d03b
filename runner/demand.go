package runner

import (
	"fmt"
	"slices"
	"strings"

	"satchel/manifest"
)

// UnpacksTo is how a demand is reckoned where nothing better is known: a package
// unpacks to so many times its .deb (of 346 packages of bookworm: 463 MB, 2.1 GB),
// a pack of sources and a layer of an image likewise.
const UnpacksTo = 5

// An environment takes a tenth more than its packages say: files take whole
// blocks, and there are dpkg's own files, locales and caches (of 177 packages of
// bookworm: 581 MB, 609 MB). Its files take so many bytes on average, or more.
const (
	besides   = 10
	fileBytes = 32 << 10
)

// A Demand is what a run takes of a disk, as far as its lock tells. What the
// scripts themselves write is not in it: nobody knows it beforehand.
type Demand struct {
	Environments int64 `json:"environments"` // bytes: all that are prepared and kept
	Preparing    int64 `json:"preparing"`    // bytes: packages and images, while the largest is prepared
	Inputs       int64 `json:"inputs"`       // bytes: checkouts and files, of the target that has most
	Inodes       int64 `json:"inodes"`       // files and folders of the environments
	Estimated    int   `json:"estimated"`    // packages whose size is reckoned from their .deb
}

// Bytes is how much disk must be free.
func (d Demand) Bytes() int64 { return d.Environments + d.Preparing + d.Inputs }

// Reckon says what a run of the named descriptors takes (all, if none is named).
// installed are the unpacked sizes of packages in bytes, by their .deb's hash, as
// far as the archives' indexes tell. Targets with the same packages share an
// environment.
func Reckon(lock *manifest.Lock, only []string, installed map[manifest.Digest]int64) Demand {
	var d Demand
	seen := map[string]bool{}
	inputs := map[string]int64{}
	for _, p := range lock.Descriptors {
		n := int64(0)
		for _, s := range p.Sources {
			n += UnpacksTo * s.Pack.Size
			for _, m := range s.Submodules {
				n += UnpacksTo * m.Pack.Size
			}
		}
		for _, f := range p.Files {
			n += f.Size
		}
		inputs[p.Name] = n
	}
	for _, t := range lock.Targets {
		if len(only) > 0 && !slices.Contains(only, t.Descriptor) {
			continue
		}
		d.Inputs = max(d.Inputs, inputs[t.Descriptor])
		if key := environmentOf(t); !seen[key] {
			seen[key] = true
			d.add(t, installed)
		}
	}
	d.Inodes = d.Environments / fileBytes
	return d
}

// environmentOf tells targets apart that have different packages.
func environmentOf(t manifest.Target) string {
	var b strings.Builder
	fmt.Fprintln(&b, t.Distro, t.Suite, t.DpkgArchitecture(), t.Image.From)
	if t.Image.Manifest != nil {
		fmt.Fprintln(&b, t.Image.Manifest.SHA256)
	}
	for _, p := range t.Packages {
		fmt.Fprintln(&b, p.SHA256)
	}
	return b.String()
}

// add counts the environment of a target.
func (d *Demand) add(t manifest.Target, installed map[manifest.Digest]int64) {
	packed, unpacked := int64(0), int64(0)
	for _, l := range t.Image.Layers {
		packed += UnpacksTo * l.Size // flattened, and unpacked from there
		unpacked += UnpacksTo * l.Size
	}
	for _, p := range t.Packages {
		packed += p.Size
		n, ok := installed[p.SHA256]
		if !ok {
			d.Estimated++
			n = UnpacksTo * p.Size
		}
		unpacked += n
	}
	d.Environments += unpacked + unpacked/besides
	d.Preparing = max(d.Preparing, packed)
}
