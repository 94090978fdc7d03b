package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	"satchel/bundle"
	"satchel/manifest"
)

// takeFile puts the file name, in the folder of beside, into the store if it
// is the blob b. That it is not there, or another one, is no error: somebody
// else may have the blob.
func (o *online) takeFile(ctx context.Context, b manifest.Blob, beside, name string) error {
	if o.store.Has(b) {
		return nil
	}
	f, err := os.Open(filepath.Join(filepath.Dir(beside), name))
	if err != nil {
		return nil
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() || fi.Size() != b.Size {
		return nil
	}
	if err := o.store.Put(ctx, b, f); err != nil && !errors.Is(err, manifest.ErrDigest) {
		return err
	}
	return nil
}

// takeKeys puts the keys that an archive was signed with into the store, if this
// machine's keyrings hold them as they were when the lock was made.
func (o *online) takeKeys(ctx context.Context, a manifest.ArchivePin) error {
	if o.store.Has(a.Keyring) {
		return nil
	}
	keys, err := o.keyring.Subset(a.SignedBy)
	if err != nil || manifest.Sum(keys) != a.Keyring.SHA256 {
		return nil // an older bundle may have them
	}
	return o.store.Put(ctx, a.Keyring, bytes.NewReader(keys))
}

// takeFrom takes what is wanted out of folders and older bundles.
func (o *online) takeFrom(ctx context.Context, blobs []manifest.Blob, from []string) error {
	if len(from) == 0 {
		return nil
	}
	want := map[int64][]manifest.Blob{} // by size
	for _, b := range blobs {
		if !o.store.Has(b) {
			want[b.Size] = append(want[b.Size], b)
		}
	}
	for _, name := range from {
		fi, err := os.Stat(name)
		if err != nil {
			return err
		}
		if fi.IsDir() {
			err = o.takeFolder(ctx, name, want)
		} else {
			err = o.takeBundle(ctx, name, want)
		}
		if err != nil {
			return fmt.Errorf("taking content from %s: %w", name, err)
		}
	}
	return nil
}

// takeFolder tries every file whose size is wanted.
func (o *online) takeFolder(ctx context.Context, dir string, want map[int64][]manifest.Blob) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		for _, b := range want[fi.Size()] {
			if err := o.takeFile(ctx, b, path, d.Name()); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// takeBundle takes blobs out of an older bundle. Nobody need have signed it:
// what counts is the hash.
func (o *online) takeBundle(ctx context.Context, name string, want map[int64][]manifest.Blob) error {
	v, _, err := open(ctx, o.ui, name, trustFlags{Unsigned: true, Threshold: 1})
	if err != nil {
		return err
	}
	defer v.Close()
	have := map[manifest.Digest]bool{}
	for _, r := range v.Lock().Blobs() {
		have[r.SHA256] = true
	}
	for _, list := range want {
		for _, b := range list {
			if !have[b.SHA256] {
				continue
			}
			if err := o.takeBlob(ctx, v, b); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *online) takeBlob(ctx context.Context, v *bundle.Verified, b manifest.Blob) error {
	r, err := v.Open(b)
	if err != nil {
		return err
	}
	defer r.Close()
	return o.store.Put(ctx, b, r)
}

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return info.Main.Version
}
