package runner

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"syscall"
	"time"

	"satchel/manifest"
)

// resultName is what gitian takes as the name of a result; others could not
// stand in a manifest.
var errResultName = errors.New("its name has a character that a gitian manifest cannot hold (allowed: letters, digits and @ _ / . : + -); rename it in the script")

// maxResultPath bounds a result's path, in bytes: with the folder that it is put
// into it must stay below the 4096 that Linux takes at a time.
const maxResultPath = 3072

var errResultPath = fmt.Errorf("its path must be no longer than %d bytes", maxResultPath)

// collector unpacks the results that guests send into one folder. What comes
// from a container is hostile: names are checked, nothing is written through a
// link or over anything, and a second target may bring a file again only if it
// is the same.
type collector struct {
	root  *os.Root // result folder; "out" and "cache" are made below it
	names *regexp.Regexp
	sums  map[string]manifest.Digest // of regular files, by name
	from  map[string]string          // target that wrote it; of links and folders, too
	links map[string]string          // symbolic links → target
	cache *collector                 // takes what is below "cache"; nil: nobody does

	cacheCommon, cachePackage []manifest.FileSum // of the cache; of several targets' over each other
}

// newCollector writes below dir, which must be there.
func newCollector(dir string) (*collector, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening result folder: %w", err)
	}
	return &collector{
		root: root, names: regexp.MustCompile(`^[@\w/.:+-]+$`),
		sums: map[string]manifest.Digest{}, from: map[string]string{}, links: map[string]string{},
	}, nil
}

// Close closes the folder.
func (c *collector) Close() error { return c.root.Close() }

// take unpacks one guest's tar stream to its end.
func (c *collector) take(target string, r io.Reader) error {
	end := &tarEnd{r: r}
	tr := tar.NewReader(end)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			if _, err := io.Copy(io.Discard, end); err != nil {
				return err
			}
			return end.check(target)
		}
		if err != nil {
			return fmt.Errorf("reading results of %s: %w", target, err)
		}
		if err := c.entry(target, h, tr); err != nil {
			return fmt.Errorf("keeping result %q of %s: %w", h.Name[:min(len(h.Name), 200)], target, err)
		}
	}
}

// tarEnd notices whether a tar stream has its end marker, two blocks of zeros:
// archive/tar takes one that merely stops for whole.
type tarEnd struct {
	r     io.Reader
	n     int64 // bytes read
	zeros int64 // of them, zeros at the end
}

func (e *tarEnd) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.n += int64(n)
	bare := len(bytes.TrimRight(p[:n], "\x00"))
	if bare > 0 {
		e.zeros = 0
	}
	e.zeros += int64(n - bare)
	return n, err
}

func (e *tarEnd) check(target string) error {
	if e.n%512 != 0 || e.zeros < 1024 {
		return fmt.Errorf("reading results of %s: they break off after %d bytes", target, e.n)
	}
	return nil
}

func (c *collector) entry(target string, h *tar.Header, r io.Reader) error {
	name := strings.TrimSuffix(h.Name, "/")
	if path.Clean(name) != name || !fs.ValidPath(name) {
		return errors.New("its path is not a plain one below the folder")
	}
	if len(name) > maxResultPath {
		return errResultPath
	}
	top, _, below := strings.Cut(name, "/")
	if top == "cache" && c.cache != nil && c.cache != c {
		return c.cache.entry(target, h, r)
	}
	if top != "out" && (top != "cache" || c.cache == nil) || !below && h.Typeflag != tar.TypeDir {
		return errors.New("it is outside out and cache")
	}
	if top == "out" && !c.names.MatchString(name) {
		return errResultName
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return c.folder(target, name)
	case tar.TypeReg:
		return c.file(target, name, h, r)
	case tar.TypeSymlink:
		return c.link(target, name, h.Linkname)
	}
	return fmt.Errorf("a tar entry of type %q is no result", h.Typeflag)
}

// folder makes a directory; it may be there already as one.
func (c *collector) folder(target, name string) error {
	if err := c.plainParents(name); err != nil {
		return err
	}
	err := c.root.Mkdir(name, 0o755)
	if !errors.Is(err, fs.ErrExist) {
		c.from[name] = target
		return err
	}
	fi, err := c.root.Lstat(name)
	if err == nil && !fi.IsDir() {
		return c.otherKind(name)
	}
	return err
}

// file writes a regular file, or checks that it is the one that is there.
func (c *collector) file(target, name string, h *tar.Header, r io.Reader) error {
	if err := c.plainParents(name); err != nil {
		return err
	}
	if old, ok := c.sums[name]; ok {
		sum, err := copyHashed(io.Discard, r)
		if err != nil {
			return err
		}
		if sum != old {
			return c.clash(name)
		}
		return nil
	}
	f, err := c.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	sum, err := copyHashed(f, r)
	if err != nil { // a disk that is full gets its room back
		return errors.Join(err, f.Close(), c.root.Remove(name))
	}
	err = errors.Join(f.Chmod(fs.FileMode(h.Mode)&0o755|0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	c.sums[name], c.from[name] = sum, target
	return c.root.Chtimes(name, time.Time{}, h.ModTime)
}

// link makes a symbolic link that stays below its first folder.
func (c *collector) link(target, name, to string) error {
	if err := c.plainParents(name); err != nil {
		return err
	}
	top, _, _ := strings.Cut(name, "/")
	inside := path.Join(path.Dir(name), to)
	if path.IsAbs(to) || !strings.HasPrefix(inside, top+"/") {
		return fmt.Errorf("it is a link to %q, outside the folder", to)
	}
	if old, ok := c.links[name]; ok {
		if old != to {
			return fmt.Errorf("%s wrote another link of that name", c.from[name])
		}
		return nil
	}
	if _, err := c.root.Lstat(name); err == nil {
		return c.otherKind(name)
	}
	c.links[name], c.from[name] = to, target
	return c.root.Symlink(to, name)
}

// plainParents refuses a path that leads through anything but folders.
func (c *collector) plainParents(name string) error {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		fi, err := c.root.Lstat(dir)
		if err != nil {
			return err
		}
		if !fi.IsDir() {
			return fmt.Errorf("it leads through %q, which %s wrote and which is no folder", dir, c.from[dir])
		}
	}
	return nil
}
