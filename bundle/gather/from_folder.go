package gather

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
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
	sizes, names, unsized := map[int64]bool{}, map[string]bool{}, false
	for _, b := range f.want {
		sizes[b.Size] = true
		unsized = unsized || Unsized(b)
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
		named := fits(d.Name(), func(n string) bool { return names[n] })
		if err != nil || !fi.Mode().IsRegular() || !sizes[fi.Size()] && !(unsized && named) {
			return nil
		}
		found = append(found, match{name: name, size: fi.Size(), named: named})
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
		if len(f.sized(size[name], filepath.Base(name))) == 0 {
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
