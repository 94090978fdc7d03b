package imagestore

import (
	"archive/tar"
	"errors"
	"fmt"
	"strings"
	"time"
)

// tree is the names and headers of a root file system while layers are applied
// to it; it holds no content.
type tree struct {
	root  *node
	layer int // the one being applied, from 0
	seen  int // entries so far
	bytes int64
	size  int64 // of all files so far, replaced ones included
	work  int   // nodes visited by whiteouts, against quadratic input
}

// inode is a file; several nodes share one when they are hard links. Its
// content is that of entry number index of layer.
type inode struct {
	entry
	layer, index int
}

// node is a name. Directories have kids and an inode of their own.
type node struct {
	name   string
	parent *node
	kids   map[string]*node // not nil for directories
	ino    *inode
	layer  int // that put it there last
}

func newTree() *tree {
	t := &tree{layer: -1}
	t.root = t.implied(nil, "")
	return t
}

// implied makes a directory that no entry of its own describes: as tar makes
// missing parents, but with nothing of the machine in it.
func (t *tree) implied(parent *node, name string) *node {
	e := entry{typ: tar.TypeDir, mode: 0o755, mtime: time.Unix(0, 0)}
	return &node{name: name, parent: parent, kids: map[string]*node{}, layer: t.layer, ino: &inode{entry: e, layer: -1}}
}

// apply takes in entry number index of the layer being applied.
func (t *tree) apply(index int, h *tar.Header) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	parts, err := splitName(h.Name)
	if err != nil {
		return err
	}
	e, err := newEntry(h)
	if err != nil {
		return fmt.Errorf("entry %.200q: %w", h.Name, err)
	}
	t.seen++
	t.bytes += int64(len(h.Name)) + e.weight()
	if t.size += e.size; t.size > maxBytes {
		return fmt.Errorf("files of more than %d bytes together: %w", int64(maxBytes), ErrUnsupported)
	}
	if t.seen > maxEntries || t.bytes > maxNames {
		return fmt.Errorf("more than %d entries or %d bytes of names: %w", maxEntries, maxNames, ErrUnsupported)
	}
	if err := t.place(parts, e, index); err != nil {
		return fmt.Errorf("entry %.200q: %w", h.Name, err)
	}
	return nil
}

func (t *tree) place(parts []string, e entry, index int) error {
	if len(parts) == 0 {
		if e.typ != tar.TypeDir {
			return errors.New("the root must be a directory")
		}
		t.root.ino = &inode{entry: e, layer: t.layer, index: index}
		return nil
	}
	dirs, base := parts[:len(parts)-1], parts[len(parts)-1]
	for _, part := range dirs {
		if strings.HasPrefix(part, whiteoutMeta) {
			return nil
		}
		if strings.HasPrefix(part, whiteoutPrefix) {
			return errors.New("a whiteout with something in it")
		}
	}
	if strings.HasPrefix(base, whiteoutPrefix) {
		return t.whiteout(dirs, base)
	}
	parent, err := t.dir(dirs, true)
	if err != nil {
		return err
	}
	old := parent.kids[base]
	ino := &inode{entry: e, layer: t.layer, index: index}
	switch {
	case e.typ == tar.TypeDir && old != nil && old.kids != nil:
		old.ino, old.layer = ino, t.layer
		return nil
	case e.typ == tar.TypeLink:
		if ino, err = t.linked(e.link, old); err != nil {
			return err
		}
	}
	n := &node{name: base, parent: parent, ino: ino, layer: t.layer}
	if e.typ == tar.TypeDir {
		n.kids = map[string]*node{}
	}
	parent.kids[base] = n
	return nil
}

// linked finds the inode that a hard link to target shares.
func (t *tree) linked(target string, old *node) (*inode, error) {
	parts, err := splitName(target)
	if err != nil {
		return nil, fmt.Errorf("a hard link: %w", err)
	}
	if len(parts) == 0 {
		return nil, errors.New("a hard link to the root")
	}
	parent, err := t.dir(parts[:len(parts)-1], false)
	if err != nil {
		return nil, fmt.Errorf("a hard link to %.200q: %w", target, err)
	}
	var n *node
	if parent != nil {
		n = parent.kids[parts[len(parts)-1]]
	}
	switch {
	case n == nil:
		return nil, fmt.Errorf("a hard link to %.200q, which is not there before it", target)
	case n.kids != nil:
		return nil, fmt.Errorf("a hard link to the directory %.200q", target)
	case n == old:
		return nil, errors.New("a hard link to itself")
	}
	return n.ino, nil
}

// maxLinks is how many symbolic links one name may lead through, as in Linux.
const maxLinks = 40

// dir finds the directory named by parts, following the image's own symbolic
// links within its root. Missing ones are made if create is set, otherwise the
// answer is nil.
func (t *tree) dir(parts []string, create bool) (*node, error) {
	return t.dirFrom(t.root, parts, create)
}

// dirFrom is dir from a directory other than the root.
func (t *tree) dirFrom(at *node, parts []string, create bool) (*node, error) {
	links := 0
	for len(parts) > 0 {
		part := parts[0]
		parts = parts[1:]
		if part == ".." { // only from symbolic links; above the root is the root
			if at.parent != nil {
				at = at.parent
			}
			continue
		}
		next := at.kids[part]
		switch {
		case next == nil && !create:
			return nil, nil
		case next == nil:
			next = t.implied(at, part)
			at.kids[part] = next
		case next.ino.typ == tar.TypeSymlink:
			if links++; links > maxLinks {
				return nil, errors.New("too many symbolic links on the way")
			}
			if strings.HasPrefix(next.ino.link, "/") {
				at = t.root
			}
			parts = append(linkParts(next.ino.link), parts...)
			continue
		case next.kids == nil:
			return nil, fmt.Errorf("%.200q on the way is not a directory", next.path())
		}
		at = next
	}
	return at, nil
}

// linkParts takes a symbolic link's target apart, keeping "..".
func linkParts(target string) []string {
	var parts []string
	for part := range strings.SplitSeq(target, "/") {
		if part != "" && part != "." {
			parts = append(parts, part)
		}
	}
	return parts
}

// path is the clean, relative name of n; "." for the root.
func (n *node) path() string {
	if n.parent == nil {
		return "."
	}
	var parts []string
	for ; n.parent != nil; n = n.parent {
		parts = append(parts, n.name)
	}
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		b.WriteString(parts[i])
		if i > 0 {
			b.WriteByte('/')
		}
	}
	return b.String()
}
