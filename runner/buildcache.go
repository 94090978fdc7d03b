package runner

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"satchel/bundle/stage"
	"satchel/manifest"
)

// buildCache is gitian's cache of one target: cache/common, which all
// descriptors share, and cache/NAME. It is kept per distribution, suite and
// architecture, so that what one of them compiled never gets into another. A nil one
// is that of a descriptor without enable_cache.
type buildCache struct {
	dir     string // holds common and NAME
	name    string
	stage   string   // new content until save
	held    *os.File // the stage's lock
	results *collector
	own     *collector
}

// cacheKey names the caches of a target: what one compiler made is of no use to another.
func cacheKey(t manifest.Target) string { return t.Distro + "-" + t.Suite + "-" + t.Architecture }

// openCache prepares the cache of a target and lets results put what comes
// below "cache" there.
func (r *Run) openCache(d *manifest.Descriptor, t manifest.Target, results *collector) (*buildCache, error) {
	if !d.EnableCache {
		return nil, nil
	}
	c, err := r.readCache(d, t)
	if err != nil {
		return nil, err
	}
	c.results = results
	if c.stage, c.held, err = stage.Folder(r.Cache, ".new-"); err != nil {
		return nil, fmt.Errorf("making the build cache: %w", err)
	}
	if c.own, err = newCollector(c.stage); err != nil {
		return nil, errors.Join(err, os.RemoveAll(c.stage), c.held.Close())
	}
	c.own.cache = c.own
	results.cache = c.own
	return c, nil
}

// readCache is the cache of a target for somebody who only reads it.
func (r *Run) readCache(d *manifest.Descriptor, t manifest.Target) (*buildCache, error) {
	if !d.EnableCache {
		return nil, nil
	}
	c := &buildCache{dir: filepath.Join(r.Cache, cacheKey(t)), name: d.Name}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the build cache: %w", err)
	}
	return c, nil
}

// folders are those that are kept; a descriptor may be called "common".
func (c *buildCache) folders() []string { return slices.Compact([]string{"common", c.name}) }

// send writes what is kept as entries "cache/…". Links are left out: the guest
// takes files and folders alone.
func (c *buildCache) send(tw *tar.Writer) error {
	if c == nil {
		return nil
	}
	root, err := os.OpenRoot(c.dir)
	if err != nil {
		return fmt.Errorf("reading the build cache: %w", err)
	}
	defer root.Close()
	for _, top := range c.folders() {
		err := fs.WalkDir(root.FS(), top, func(p string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) && p == top { // nothing is kept yet; the folder is there all the same
				if err := tw.WriteHeader(&tar.Header{Name: "cache/" + top + "/", Mode: 0o755, Typeflag: tar.TypeDir}); err != nil {
					return err
				}
				return fs.SkipDir
			}
			if err != nil {
				return err
			}
			return sendCacheEntry(tw, root, p, d)
		})
		if err != nil {
			return fmt.Errorf("reading the build cache: %w", err)
		}
	}
	return nil
}

func sendCacheEntry(tw *tar.Writer, root *os.Root, p string, d fs.DirEntry) error {
	fi, err := d.Info()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: path.Join("cache", p), Mode: int64(fi.Mode().Perm()), Typeflag: tar.TypeDir}
	if fi.IsDir() {
		h.Name += "/"
		return tw.WriteHeader(h)
	}
	if !fi.Mode().IsRegular() {
		return nil
	}
	f, err := root.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	h.Typeflag, h.Size = tar.TypeReg, fi.Size()
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.CopyN(tw, f, fi.Size())
	return err
}

// save puts the new content in the old one's place, folder by folder, and tells
// results what it is. Only a script that ended well saves.
func (c *buildCache) save() error {
	if c == nil {
		return nil
	}
	var err error
	if c.results.cacheCommon, err = c.own.list("cache/common"); err != nil {
		return err
	}
	if c.results.cachePackage, err = c.own.list("cache/" + c.name); err != nil {
		return err
	}
	for _, top := range c.folders() {
		from, to := filepath.Join(c.stage, "cache", top), filepath.Join(c.dir, top)
		if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		old := filepath.Join(c.stage, "old-"+top)
		if err := os.Rename(to, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("keeping the build cache: %w", err)
		}
		if err := os.Rename(from, to); err != nil {
			return fmt.Errorf("keeping the build cache: %w", err)
		}
	}
	return nil
}

// Close removes what was not saved.
func (c *buildCache) Close() error {
	if c == nil {
		return nil
	}
	c.results.cache = nil
	return errors.Join(c.own.Close(), os.RemoveAll(c.stage), c.held.Close())
}
