package imagestore

import (
	"errors"
	"fmt"
)

// Whiteouts, as the OCI image specification (layer.md) has them from AUFS.
const (
	whiteoutPrefix = ".wh."
	whiteoutMeta   = ".wh..wh."     // AUFS's own files; without meaning to anybody else
	whiteoutOpaque = ".wh..wh..opq" // hides all that lower layers have in the directory
)

// maxWork bounds the nodes that whiteouts may visit.
const maxWork = 32 * maxEntries

// whiteout removes what lower layers have at dirs and base, an entry that
// begins with whiteoutPrefix. What the layer itself has put there stays, in
// whichever order it did so.
func (t *tree) whiteout(dirs []string, base string) error {
	parent, err := t.dir(dirs, false)
	if err != nil || parent == nil {
		return err
	}
	if base == whiteoutOpaque {
		return t.pruneKids(parent)
	}
	if len(base) >= len(whiteoutMeta) && base[:len(whiteoutMeta)] == whiteoutMeta {
		return nil
	}
	name := base[len(whiteoutPrefix):]
	if name == "" || name == "." || name == ".." {
		return errors.New("a whiteout of nothing that can be")
	}
	n := parent.kids[name]
	if n == nil {
		return nil
	}
	keep, err := t.prune(n)
	if !keep {
		delete(parent.kids, name)
	}
	return err
}

func (t *tree) pruneKids(n *node) error {
	for name, kid := range n.kids {
		keep, err := t.prune(kid)
		if err != nil {
			return err
		}
		if !keep {
			delete(n.kids, name)
		}
	}
	return nil
}

// prune removes lower layers' nodes from n down, and says whether n is still
// needed: because this layer made it, or something in it.
func (t *tree) prune(n *node) (keep bool, err error) {
	if t.work++; t.work > maxWork {
		return true, fmt.Errorf("too many whiteouts of large directories: %w", ErrUnsupported)
	}
	if err := t.pruneKids(n); err != nil {
		return true, err
	}
	if n.layer == t.layer {
		return true, nil
	}
	if len(n.kids) == 0 {
		return false, nil
	}
	n.ino, n.layer = t.implied(nil, "").ino, t.layer
	return true, nil
}
