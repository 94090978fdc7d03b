package why

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"satchel/aptmirror"
	"satchel/manifest"
)

// indexReader finds the stanzas of pinned packages in the indexes of a lock.
type indexReader struct {
	lock *manifest.Lock
	open Blobs
	read map[string]aptmirror.Package // by hash and path; nil until the first target wants them
}

// solution is what a target consists of, with the reasons between.
func (x *indexReader) solution(ctx context.Context, t manifest.Target) (*aptmirror.Solution, error) {
	if x.read == nil {
		if err := x.all(ctx); err != nil {
			return nil, err
		}
	}
	here := map[string]bool{}
	for _, p := range t.Packages {
		here[p.Name] = true
	}
	var packages []aptmirror.Package
	var why []string
	for _, p := range t.Packages {
		k, ok := x.read[key(p.Blob, p.Path)]
		if p.Vouched != "" {
			var err error
			if k, err = x.deb(p); err != nil {
				return nil, err
			}
		} else if !ok {
			return nil, fmt.Errorf("no index of the lock has %s %s %s", p.Name, p.Version, p.Architecture)
		}
		packages = append(packages, k)
		parent, dependency := strings.CutPrefix(p.Why, "dependency of ")
		switch bare, _, _ := strings.Cut(parent, ":"); {
		case !dependency:
			why = append(why, p.Why)
		case here[bare]:
			why = append(why, "")
		default: // of a package that the image keeps
			why = append(why, p.Why+", which is in the base image")
		}
	}
	return aptmirror.Chosen(t.DpkgArchitecture(), packages, why)
}

// deb reads a package that no index lists.
func (x *indexReader) deb(p manifest.PackagePin) (aptmirror.Package, error) {
	r, err := x.open(p.Blob)
	if err != nil {
		return aptmirror.Package{}, err
	}
	defer r.Close()
	return aptmirror.ReadDeb(p.Path, r, p.Path, p.Blob)
}

func key(b manifest.Blob, path string) string { return b.SHA256.Hex() + " " + path }

// all reads every Packages index, and keeps what is pinned.
func (x *indexReader) all(ctx context.Context) error {
	want := map[string]bool{}
	for _, t := range x.lock.Targets {
		for _, p := range t.Packages {
			want[key(p.Blob, p.Path)] = true
		}
	}
	x.read = map[string]aptmirror.Package{}
	for _, a := range x.lock.Archives {
		for _, f := range a.Indexes {
			if !strings.HasPrefix(path.Base(f.Path), "Packages") {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := x.one(a.ID()+" "+f.Path, f, want); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *indexReader) one(name string, f manifest.ArchiveFile, want map[string]bool) error {
	if err := x.check(f.Blob); err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	raw, err := x.open(f.Blob)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	defer raw.Close()
	text, err := aptmirror.Decompress(f.Path, raw)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	defer text.Close()
	list, err := aptmirror.ReadPackages(name, io.LimitReader(text, maxIndex), 0)
	if err != nil {
		return err
	}
	for _, k := range list {
		if at := key(k.Blob, k.Filename); want[at] {
			x.read[at] = k
		}
	}
	return nil
}

// maxIndex bounds what a decoder gives, in bytes; all of Debian's main is 50 MB.
const maxIndex = 2 << 30

// check reads a blob to its end, so that no decoder sees a byte that is wrong.
func (x *indexReader) check(b manifest.Blob) error {
	r, err := x.open(b)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}
