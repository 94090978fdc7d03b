package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"satchel/manifest"
)

// report writes NAME-res.yml, gitian's own result manifest, fills in what built
// says of the outputs, and returns what it wrote.
func (r *Run) report(built *Built, pin manifest.DescriptorPin, d *manifest.Descriptor, targets []manifest.Target, dir string, c *collector) ([]byte, error) {
	out, err := c.list("out")
	if err != nil {
		return nil, err
	}
	res := manifest.Result{Name: pin.Name, Out: out, In: inputSums(pin)}
	for _, t := range targets {
		res.Base = append(res.Base, manifest.BaseManifest{Target: t.Suite + "-" + t.Architecture, Sums: baseSums(t)})
	}
	if d.EnableCache {
		res.CacheCommon, res.CachePackage = c.cacheCommon, c.cachePackage
	}
	text, err := res.Marshal()
	if err != nil {
		return nil, err
	}
	name := pin.Name + "-res.yml"
	if err := writeNew(filepath.Join(dir, name), text); err != nil {
		return nil, fmt.Errorf("writing %s: %w", name, err)
	}
	built.Manifest = Output{SHA256: manifest.Sum(text), Path: name}
	for _, s := range out {
		built.Outputs = append(built.Outputs, Output{SHA256: s.SHA256, Path: s.Path})
	}
	return text, nil
}

// inputSums is what gitian calls the in_manifest.
func inputSums(pin manifest.DescriptorPin) manifest.Inputs {
	in := manifest.Inputs{Descriptor: manifest.FileSum{SHA256: pin.SHA256, Path: pin.Name + "-desc.yml"}}
	for _, f := range pin.Files {
		in.Files = append(in.Files, manifest.FileSum{SHA256: f.SHA256, Path: f.Name})
	}
	for _, s := range pin.Sources {
		in.Git = append(in.Git, manifest.GitCommit{Commit: s.Commit, Dir: s.Dir})
	}
	return in
}

// baseSums are the packages that an environment holds, by file name. What an
// image holds that no index of the lock lists has no known hash and is left
// out, as gitian's grab-packages leaves out what apt cannot download.
func baseSums(t manifest.Target) []manifest.FileSum {
	var sums []manifest.FileSum
	for _, p := range t.Packages {
		sums = append(sums, manifest.FileSum{SHA256: p.SHA256, Path: manifest.DebName(p.Name, p.Version, p.Architecture)})
	}
	for _, p := range t.Installed {
		if p.SHA256 != nil {
			sums = append(sums, manifest.FileSum{SHA256: *p.SHA256, Path: manifest.DebName(p.Name, p.Version, p.Architecture)})
		}
	}
	slices.SortFunc(sums, func(a, b manifest.FileSum) int { return strings.Compare(a.Path, b.Path) })
	return sums
}

// list returns the files below folder top with their sums, sorted by path as
// bytes; paths are from top. A symbolic link has the sum of what it leads to,
// as sha256sum gives it.
func (c *collector) list(top string) ([]manifest.FileSum, error) {
	sums := []manifest.FileSum{}
	below := top + "/"
	for name, sum := range c.sums {
		if path, ok := strings.CutPrefix(name, below); ok {
			sums = append(sums, manifest.FileSum{SHA256: sum, Path: path})
		}
	}
	for name := range c.links {
		path, ok := strings.CutPrefix(name, below)
		if !ok {
			continue
		}
		sum, folder, err := c.through(name)
		if err != nil {
			return nil, err
		}
		if !folder {
			sums = append(sums, manifest.FileSum{SHA256: sum, Path: path})
		}
	}
	slices.SortFunc(sums, func(a, b manifest.FileSum) int { return strings.Compare(a.Path, b.Path) })
	return sums, nil
}

// through returns the sum of the file that a link leads to, or that it is a folder.
func (c *collector) through(name string) (sum manifest.Digest, folder bool, err error) {
	f, err := c.root.Open(name)
	if err != nil {
		return sum, false, fmt.Errorf("following the link %s: %w", name, err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || fi.IsDir() {
		return sum, err == nil, err
	}
	sum, err = hashOf(f)
	return sum, false, err
}

// writeNew writes a file that is not there yet, to the disk.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(0o644))
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
