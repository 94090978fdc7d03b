package runner

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"satchel/manifest"
)

// finishedDir is the folder of a failed run, below its result's, with a folder
// for each build that was finished: DESCRIPTOR/SUITE-ARCHITECTURE/out and record.json.
const finishedDir = "finished"

// finished is what a build made; record.json holds it.
type finished struct {
	// Key is the digest of everything that the build was made from.
	Key         manifest.Digest            `json:"key"`
	Target      string                     `json:"target"` // SUITE-ARCHITECTURE
	Environment Environment                `json:"environment"`
	Files       map[string]manifest.Digest `json:"files"` // below out, by path from the build's folder
	Links       map[string]string          `json:"links"` // path → target
	Folders     []string                   `json:"folders"`

	CacheCommon  []manifest.FileSum `json:"cacheCommon,omitempty"`
	CachePackage []manifest.FileSum `json:"cachePackage,omitempty"`
}

// finish records what a build that ended well has made.
func (b *build) finish(stage string, env Environment, c *collector) (*finished, error) {
	key, err := b.key(env)
	if err != nil {
		return nil, err
	}
	f := &finished{Key: key, Target: b.name, Environment: env, Files: c.sums, Links: c.links, CacheCommon: c.cacheCommon, CachePackage: c.cachePackage}
	err = filepath.WalkDir(b.dir(stage), func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || p == b.dir(stage) {
			return err
		}
		rel, err := filepath.Rel(b.dir(stage), p)
		f.Folders = append(f.Folders, rel)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("recording the results of %s: %w", b.name, err)
	}
	return f, f.write(filepath.Join(b.dir(stage), recordName))
}

// merge takes a finished build's files, which are in folder out, into c's. A
// file that another build has brought already must be the same.
func (c *collector) merge(f *finished, out string) error {
	bad := func(name string, err error) error {
		return fmt.Errorf("keeping result %q of %s: %w", name, f.Target, err)
	}
	for _, name := range f.Folders {
		if err := c.folder(f.Target, name); err != nil {
			return bad(name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Files)) {
		if err := c.adopt(f, name, filepath.Join(filepath.Dir(out), name)); err != nil {
			return bad(name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Links)) {
		if err := c.link(f.Target, name, f.Links[name]); err != nil {
			return bad(name, err)
		}
	}
	c.cacheCommon, c.cachePackage = over(c.cacheCommon, f.CacheCommon), over(c.cachePackage, f.CachePackage)
	return nil
}

// over puts a later target's sums over those of earlier ones: gitian has one cache for
// all targets, each of which adds to it, and lists what is in it at the end.
func over(earlier, later []manifest.FileSum) []manifest.FileSum {
	byPath := map[string]manifest.FileSum{}
	for _, s := range slices.Concat(earlier, later) {
		byPath[s.Path] = s
	}
	return slices.SortedFunc(maps.Values(byPath), func(a, b manifest.FileSum) int { return strings.Compare(a.Path, b.Path) })
}

// adopt moves the file at path to name.
func (c *collector) adopt(f *finished, name, path string) error {
	if err := c.plainParents(name); err != nil {
		return err
	}
	if old, ok := c.sums[name]; ok {
		if old != f.Files[name] {
			return c.clash(name)
		}
		return nil
	}
	to := filepath.Join(c.root.Name(), name)
	if _, err := os.Lstat(to); err == nil {
		return c.otherKind(name)
	}
	if err := os.Rename(path, to); err != nil {
		return err
	}
	c.sums[name], c.from[name] = f.Files[name], f.Target
	return nil
}

// clash is the error of a second file of one name.
func (c *collector) clash(name string) error {
	return fmt.Errorf("%s wrote another file of that name: results of one descriptor go into one folder, so give them different names", c.from[name])
}

// otherKind is the error of a file, folder or link in place of another of these.
func (c *collector) otherKind(name string) error {
	return fmt.Errorf("%s wrote something else of that name, neither of which can be in the other's place: give them different names", c.from[name])
}

// beside is an error if o's build brings another file of the same name.
func (f *finished) beside(o *finished) error {
	for _, name := range slices.Sorted(maps.Keys(f.Files)) {
		if sum, ok := o.Files[name]; ok && sum != f.Files[name] {
			c := collector{from: map[string]string{name: o.Target}}
			return fmt.Errorf("keeping result %q of %s: %w", name, f.Target, c.clash(name))
		}
	}
	return nil
}

// copyChecked copies a file of a known digest.
func copyChecked(from, to string, sum manifest.Digest) (err error) {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	fi, err := r.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		return errors.Join(err, errors.New("it is no file"))
	}
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if _, err := io.Copy(w, manifest.Blob{SHA256: sum, Size: fi.Size()}.Verify(r)); err != nil {
		return err
	}
	if err := errors.Join(w.Chmod(fi.Mode().Perm()), w.Sync()); err != nil {
		return err
	}
	return os.Chtimes(to, fi.ModTime(), fi.ModTime())
}

// copyLog copies a log of an earlier run; nothing depends on it.
func copyLog(from, to string) error {
	text, err := os.Open(from)
	if err != nil {
		return err
	}
	defer text.Close()
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, text)
	return errors.Join(err, w.Close())
}

// inOut tells whether a path is a plain one below out.
func inOut(name string) bool { return fs.ValidPath(name) && strings.HasPrefix(name, "out/") }
