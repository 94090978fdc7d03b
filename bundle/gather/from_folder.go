package gather

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"satchel/manifest"
)

// Bounds of one folder; the last two are those of Finder.Budget.
const (
	maxFiles   = 8 << 20 // looked at, in one folder
	maxMatches = 1 << 20 // of a size that is wanted
	extraRatio = 16
	extraBytes = 4 << 30
)

// folder looks at the paths that an archive has, for a mirror or a disc may be
// large, and then through the whole tree, if anything is still wanted.
func (f *Finder) folder(ctx context.Context, dir string) error {
	if err := f.atPaths(ctx, dir); err != nil || f.left() == 0 {
		return err
	}
	matches, err := f.walk(ctx, dir)
	if err != nil {
		return err
	}
	return f.tryAll(ctx, matches)
}

// atPaths tries each wanted file where an archive has it, with the folder as the
// archive's top, or the folder of its name in it.
func (f *Finder) atPaths(ctx context.Context, dir string) error {
	f.mu.Lock()
	var names []string
	for _, b := range f.want {
		if b.Archive == "" {
			continue
		}
		archive, _, _ := strings.Cut(b.Archive, "/")
		for _, top := range []string{dir, filepath.Join(dir, archive)} {
			if filepath.IsLocal(b.Path) {
				names = append(names, filepath.Join(top, filepath.FromSlash(b.Path)))
			}
		}
	}
	f.mu.Unlock()
	slices.Sort(names)
	return f.parallel(ctx, names, func(name string) error {
		_, err := f.tryFile(ctx, name)
		return err
	})
}

// match is a file that has the size of something wanted.
type match struct {
	name  string
	size  int64
	named bool // and its name, too
}

// walk lists the files of wanted sizes below dir. It follows links to files and
// not to folders, so that it ends; it passes over what cannot be read, and apt's
// folders of unfinished downloads.
func (f *Finder) walk(ctx context.Context, dir string) ([]match, error) {
	f.mu.Lock()
	sizes, names := map[int64]bool{}, map[string]bool{}
	for _, b := range f.want {
		sizes[b.Size] = true
		for _, h := range f.hints[b.SHA256] {
			names[h] = true
		}
	}
	f.mu.Unlock()
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	var found []match
	files, unread := 0, 0
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if e := ctx.Err(); e != nil {
			return e
		}
		if files++; files > maxFiles || len(found) == maxMatches {
			f.Story(fmt.Sprintf("%s: there are more files than are looked at; name a folder in it", dir))
			return fs.SkipAll
		}
		switch {
		case err != nil && name == dir:
			return err
		case err != nil:
			unread++
			return fs.SkipDir
		case d.IsDir() && name != dir && d.Name() == "partial":
			return fs.SkipDir
		case !d.Type().IsRegular() && d.Type()&fs.ModeSymlink == 0:
			return nil
		}
		fi, err := os.Stat(name) // through a link
		if err != nil || !fi.Mode().IsRegular() || !sizes[fi.Size()] {
			return nil
		}
		found = append(found, match{name: name, size: fi.Size(), named: fits(d.Name(), func(n string) bool { return names[n] })})
		return nil
	})
	if unread > 0 {
		f.Story(fmt.Sprintf("%s: %d folders in it cannot be read", dir, unread))
	}
	return found, err
}

// fits tells whether a file's name is a hint, or ends in one as the names of
// apt's lists do.
func fits(name string, hint func(string) bool) bool {
	name = plainName(name)
	if hint(name) {
		return true
	}
	i := strings.Index(name, "_dists_")
	return i >= 0 && hint(name[i+1:])
}

// tryAll reads matches side by side, those whose name fits first. Of the others
// it reads no more than the bounds allow.
func (f *Finder) tryAll(ctx context.Context, all []match) error {
	slices.SortStableFunc(all, func(a, b match) int { return strings.Compare(a.name, b.name) })
	var named, others []string
	size := map[string]int64{}
	for _, m := range all {
		size[m.name] = m.size
		if m.named {
			named = append(named, m.name)
		} else {
			others = append(others, m.name)
		}
	}
	try := func(name string) error {
		_, err := f.tryFile(ctx, name)
		return err
	}
	if err := f.parallel(ctx, named, try); err != nil {
		return err
	}
	var budget, skipped atomic.Int64
	budget.Store(f.budget())
	err := f.parallel(ctx, others, func(name string) error {
		if len(f.sized(size[name])) == 0 {
			return nil
		}
		if budget.Add(-size[name]) < 0 {
			skipped.Add(1)
			return nil
		}
		return try(name)
	})
	if n := skipped.Load(); n > 0 {
		f.Story(fmt.Sprintf("%d files of a wanted size, but with other names, were not read: there are too many", n))
	}
	return err
}

// budget is how many bytes of files with other names are read.
func (f *Finder) budget() int64 {
	if f.Budget != 0 {
		return f.Budget
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	wanted := int64(0)
	for _, b := range f.want {
		wanted += min(b.Size, (1<<62-wanted)/extraRatio)
	}
	return max(wanted*extraRatio, extraBytes)
}

// parallel does something with each name on all processors.
func (f *Finder) parallel(ctx context.Context, names []string, do func(string) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, name := range names {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error { return do(name) })
	}
	return errors.Join(g.Wait(), ctx.Err())
}

// tryFile takes a file if it is wanted. One that is not there, or cannot be read,
// is simply not it.
func (f *Finder) tryFile(ctx context.Context, name string) (bool, error) {
	r, size, err := openRegular(name)
	if err != nil {
		return false, nil
	}
	defer r.Close()
	list := f.sized(size)
	if b, ok := f.namesake(list, filepath.Base(name)); ok { // read once: it is copied while it is hashed
		found, err := f.put(ctx, b.Blob, r)
		if err == nil && !found && seek(r) == nil {
			found, err = f.tryHash(ctx, r, list)
		}
		return found, ours(ctx, err)
	}
	found, err := f.tryHash(ctx, r, list)
	return found, ours(ctx, err)
}

// namesake is the one of a list that a file's name fits.
func (f *Finder) namesake(list []manifest.NeededBlob, name string) (found manifest.NeededBlob, ok bool) {
	for _, b := range list {
		if !fits(name, func(n string) bool { return slices.Contains(f.hints[b.SHA256], n) }) {
			continue
		}
		if ok { // several: the hash will tell
			return found, false
		}
		found, ok = b, true
	}
	return found, ok
}

// tryHash takes a file if its hash is one of the list.
func (f *Finder) tryHash(ctx context.Context, r *os.File, list []manifest.NeededBlob) (bool, error) {
	if len(list) == 0 {
		return false, nil
	}
	h, size := sha256.New(), list[0].Size
	if _, err := io.CopyBuffer(h, io.LimitReader(contextReader{ctx, r}, size+1), make([]byte, min(size+1, 256<<10))); err != nil {
		return false, err
	}
	var sum manifest.Digest
	h.Sum(sum[:0])
	i := slices.IndexFunc(list, func(b manifest.NeededBlob) bool { return b.SHA256 == sum })
	if i < 0 || seek(r) != nil {
		return false, nil
	}
	return f.put(ctx, list[i].Blob, r)
}

// ours is err if it is the store's or that of ctx, and nil if it is that of a file
// that somebody has.
func ours(ctx context.Context, err error) error {
	if err != nil && isRead(err) {
		return ctx.Err()
	}
	return err
}

func seek(r *os.File) error {
	_, err := r.Seek(0, io.SeekStart)
	return err
}

// isRead tells whether it was the reading of somebody's file that failed, on a
// scratched disc perhaps, and not the store.
func isRead(err error) bool {
	var p *fs.PathError
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &p) && p.Op == "read"
}

// contextReader fails once its context has ended.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
