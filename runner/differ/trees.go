package differ

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
)

// Trees explains how two folders differ, path by path, sorted: which files only one has,
// their kinds, modes, links, contents. Dates and owners of the files themselves are no part of
// a result and are not looked at, nor are the modes of folders. The first Limits.Files
// contents that differ are looked into, the others are told.
func (e *Explainer) Trees(ctx context.Context, first, second string) ([]Difference, error) {
	ra, err := os.OpenRoot(first)
	if err != nil {
		return nil, fmt.Errorf("comparing results: %w", err)
	}
	defer ra.Close()
	rb, err := os.OpenRoot(second)
	if err != nil {
		return nil, fmt.Errorf("comparing results: %w", err)
	}
	defer rb.Close()
	t := trees{work: e.begin(ctx), a: ra, b: rb}
	defer t.close()
	la, ea := list(ctx, ra)
	lb, eb := list(ctx, rb)
	if err := errors.Join(ea, eb); err != nil {
		return nil, fmt.Errorf("comparing results: %w", err)
	}
	names := maps.Clone(la)
	maps.Copy(names, lb)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if err := t.path(name, la[name], lb[name]); err != nil {
			return nil, fmt.Errorf("comparing results: %s: %w", name, err)
		}
	}
	return t.found, nil
}

type trees struct {
	*work
	a, b   *os.Root
	found  []Difference
	looked int
}

// list are all paths below a root, but itself.
func list(ctx context.Context, root *os.Root) (map[string]fs.FileInfo, error) {
	all := map[string]fs.FileInfo{}
	err := fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || p == "." {
			return err
		}
		all[p], err = root.Lstat(p)
		return err
	})
	return all, err
}

func (t *trees) path(name string, a, b fs.FileInfo) error {
	switch {
	case b == nil:
		t.add(Difference{Where: name, Kind: Presence, Text: "only in the first"})
	case a == nil:
		t.add(Difference{Where: name, Kind: Presence, Text: "only in the second"})
	case a.Mode().Type() != b.Mode().Type():
		t.add(Difference{Where: name, Kind: Type, Text: "another kind of file", First: kindOf(a.Mode()), Second: kindOf(b.Mode())})
	case a.Mode()&fs.ModeSymlink != 0:
		x, ea := t.a.Readlink(name)
		y, eb := t.b.Readlink(name)
		if x != y {
			t.add(Difference{Where: name, Kind: Link, Text: "it leads elsewhere", First: clip(x), Second: clip(y), Hint: t.hint(x, y)})
		}
		return errors.Join(ea, eb)
	case a.Mode().IsRegular():
		if a.Mode().Perm() != b.Mode().Perm() {
			t.add(Difference{Where: name, Kind: Mode, Text: "mode", First: a.Mode().Perm().String(), Second: b.Mode().Perm().String()})
		}
		return t.contents(name, a.Size(), b.Size())
	}
	return nil
}

func (t *trees) add(d Difference) { t.found = append(t.found, d) }

// contents explains one file; after so many, it only tells that it differs.
func (t *trees) contents(name string, sizeA, sizeB int64) error {
	fa, err := t.a.Open(name)
	if err != nil {
		return err
	}
	defer fa.Close()
	fb, err := t.b.Open(name)
	if err != nil {
		return err
	}
	defer fb.Close()
	a, b := part{io.ReaderAt(fa), sizeA}, part{io.ReaderAt(fb), sizeB}
	if t.looked >= t.Files {
		at, err := t.firstDifference(a, b)
		if err == nil && at >= 0 {
			t.add(Difference{Where: name, Kind: Limit, Text: fmt.Sprintf("it differs, first at byte %#x; only %d files are looked into", at, t.Files)})
		}
		return err
	}
	t.left = t.Unpacked // each file has all of it
	d, err := t.file(name, 0, a, b)
	if d != nil {
		t.looked++
		t.add(*d)
	}
	return err
}

// kindOf names what a path is.
func kindOf(m fs.FileMode) string {
	switch {
	case m.IsRegular():
		return "file"
	case m.IsDir():
		return "folder"
	case m&fs.ModeSymlink != 0:
		return "link"
	}
	return m.Type().String()
}
