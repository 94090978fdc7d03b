package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"

	"satchel/bundle/gather"
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

// takeFrom takes what is wanted out of folders, discs, caches and older bundles.
func (o *online) takeFrom(ctx context.Context, wanted []manifest.NeededBlob, from []string) error {
	if len(from) == 0 {
		return nil
	}
	f := gather.NewFinder(o.store, wanted, o.ui.Step)
	f.Progress = o.ui.progress("taking")
	for _, name := range from {
		if err := f.In(ctx, name); err != nil {
			return err
		}
	}
	return nil
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
