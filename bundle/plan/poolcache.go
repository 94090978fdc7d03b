package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"satchel/aptmirror"
	"satchel/manifest"
)

// A PoolCache keeps package pools in a folder, one file for each list of
// indexes that a lock has read:
//
//	DIR/0123….pool    named by the SHA-256 of what it was made of
//	DIR/….new         on its way in
//
// and beside them what sources were asked for, see sourcecache.go.
// A file that is missing, damaged, of another program or made of something else
// is as good as none: the indexes are read again, and it is replaced. Any
// number of processes may use one folder. The zero PoolCache keeps nothing.
type PoolCache struct {
	Dir string
	// Program tells this program from others, older ones above all, that may
	// read indexes in another way.
	Program string
}

const (
	poolSuffix  = ".pool"
	newSuffix   = ".new"
	maxPools    = 8         // the oldest go first
	abandonedIn = time.Hour // a .new so much older than the newest pool is nobody's
)

// poolKey says what a pool is made of: the signed hashes of the indexes in
// their order, and how they are to be understood.
func poolKey(arches []string, infos []aptmirror.ArchiveInfo, indexes []index) string {
	var b strings.Builder
	fmt.Fprintf(&b, "architectures %q\n", arches)
	for _, a := range infos {
		fmt.Fprintf(&b, "archive %+q\n", fmt.Sprintf("%#v", a))
	}
	for _, x := range indexes {
		fmt.Fprintf(&b, "index %d %q %s %d\n", x.number, x.name(), x.SHA256.Hex(), x.Size)
	}
	return b.String()
}

func (c PoolCache) key(key string) string { return fmt.Sprintf("program %q\n%s", c.Program, key) }

func (c PoolCache) file(key string) string {
	return filepath.Join(c.Dir, manifest.Sum([]byte(key)).Hex()+poolSuffix)
}

// open returns the pool of a key, if there is a sound one.
func (c PoolCache) open(key string) (*aptmirror.Pool, bool) {
	if c.Dir == "" {
		return nil, false
	}
	key = c.key(key)
	f, err := os.OpenFile(c.file(key), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		return nil, false
	}
	pool, err := openPool(f, fi.Size(), key)
	return pool, err == nil
}

// create makes a file for a pool on its way in.
func (c PoolCache) create() (*os.File, error) {
	if c.Dir == "" {
		return nil, fs.ErrNotExist
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	return os.CreateTemp(c.Dir, "*"+newSuffix)
}

// save keeps a pool that b has built in the memory of file, or elsewhere. It does
// not sync: what a power cut spoils is made anew.
func (c PoolCache) save(key string, pool *aptmirror.Pool, b *aptmirror.PoolBuilder, file *poolFile) error {
	if c.Dir == "" {
		return nil
	}
	key = c.key(key)
	name, err := c.write(key, pool, b, file)
	if err == nil {
		err = os.Rename(name, c.file(key))
	}
	if err != nil {
		if name != "" {
			os.Remove(name)
		}
		return fmt.Errorf("keeping what the indexes say: %w", err)
	}
	return c.trim()
}

// write puts a pool into a file on its way in, and returns its name.
func (c PoolCache) write(key string, pool *aptmirror.Pool, b *aptmirror.PoolBuilder, file *poolFile) (name string, err error) {
	if ok, err := file.seal(b, pool, key); ok || err != nil {
		return file.file.Name(), err
	}
	f, err := c.create()
	if err != nil {
		return "", err
	}
	return f.Name(), errors.Join(aptmirror.WritePool(f, pool, key), f.Close())
}

// trim removes the oldest files beyond the most of their kind, and what killed
// writers left.
func (c PoolCache) trim() error {
	all, err := c.Files()
	if err != nil || len(all) == 0 {
		return err
	}
	kinds := map[string]int{}
	for _, f := range all {
		kinds[filepath.Ext(f.Name)]++
	}
	var errs []error
	newest := all[len(all)-1].Made
	for _, f := range all {
		kind := filepath.Ext(f.Name)
		switch {
		case !f.Whole && newest.Sub(f.Made) > abandonedIn:
			errs = append(errs, c.Remove(f))
		case f.Whole && kinds[kind] > f.most():
			errs = append(errs, c.Remove(f))
			kinds[kind]--
		}
	}
	return errors.Join(errs...)
}

// CachedFile is a file of a PoolCache.
type CachedFile struct {
	Name  string // in the folder
	Size  int64  // bytes
	Made  time.Time
	Whole bool // not one that is on its way in
}

// Files lists what is kept, the oldest first, and nothing else that may be in
// the folder.
func (c PoolCache) Files() ([]CachedFile, error) {
	entries, err := os.ReadDir(c.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing what is kept of indexes: %w", err)
	}
	var all []CachedFile
	for _, e := range entries {
		fi, err := e.Info()
		if ext := filepath.Ext(e.Name()); err == nil && fi.Mode().IsRegular() && slices.Contains([]string{poolSuffix, sourceSuffix, newSuffix}, ext) {
			all = append(all, CachedFile{e.Name(), fi.Size(), fi.ModTime(), ext != newSuffix})
		}
	}
	slices.SortStableFunc(all, func(a, b CachedFile) int { return a.Made.Compare(b.Made) })
	return all, nil
}

// Remove removes a file that Files has listed. That it is gone already is no error.
func (c PoolCache) Remove(f CachedFile) error {
	if err := os.Remove(filepath.Join(c.Dir, f.Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing what is kept of indexes: %w", err)
	}
	return nil
}
