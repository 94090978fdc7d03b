package source

import (
	"fmt"
)

// item is an object on its way into a pack.
type item struct {
	id   oid
	kind kind
	path uint32 // hash of the path where it was met first; 0 for commits and tags
	size int64  // of its content
}

// walker finds what some objects reach, in the order that the package comment
// promises.
type walker struct {
	b       *batch
	seen    map[oid]kind
	commits []item // and tags
	trees   []item
	blobs   []item
}

// walk lists everything that roots reach, each once.
func walk(b *batch, roots []oid) (*walker, error) {
	w := &walker{b: b, seen: map[oid]kind{}}
	for _, id := range roots {
		if err := w.add(item{id: id}); err != nil { // of whichever kind
			return nil, err
		}
	}
	if err := w.read(&w.commits, w.commit); err != nil {
		return nil, err
	}
	if err := w.read(&w.trees, w.tree); err != nil {
		return nil, err
	}
	return w, w.sizes()
}

// sizes finds out how large the blobs are, which nobody has read yet.
func (w *walker) sizes() error {
	check, err := w.b.g.batch(w.b.ctx, "--batch-check")
	if err != nil {
		return err
	}
	asked := 0
	for i := range w.blobs {
		for asked < len(w.blobs) && asked-i < maxAsked {
			if err := check.ask(w.blobs[asked].id); err != nil {
				return err
			}
			asked++
		}
		id, k, size, err := check.next()
		if err == nil && k != kindBlob {
			err = fmt.Errorf("object %s is a %s, want a blob: %w", id, k, ErrPack)
		}
		if err != nil {
			check.close()
			return err
		}
		w.blobs[i].size = size
	}
	return check.close()
}

// add queues an object unless it is there already.
func (w *walker) add(it item) error {
	if old, ok := w.seen[it.id]; ok {
		if old != 0 && it.kind != 0 && old != it.kind {
			return fmt.Errorf("object %s is used as %s and as %s: %w", it.id, old, it.kind, ErrPack)
		}
		return nil
	}
	if len(w.seen) >= maxObjects {
		return fmt.Errorf("more than %d objects: %w", maxObjects, ErrRefused)
	}
	w.seen[it.id] = it.kind
	switch it.kind {
	case kindTree:
		w.trees = append(w.trees, it)
	case kindBlob:
		w.blobs = append(w.blobs, it)
	default:
		w.commits = append(w.commits, it)
	}
	return nil
}

// read takes the objects of a queue, which grows meanwhile, in order.
func (w *walker) read(queue *[]item, fn func(it *item, content []byte) error) error {
	asked := 0
	for done := 0; done < len(*queue); done++ {
		for asked < len(*queue) && asked-done < maxAsked {
			if err := w.b.ask((*queue)[asked].id); err != nil {
				return err
			}
			asked++
		}
		id, k, size, err := w.b.next()
		if err != nil {
			return err
		}
		it := &(*queue)[done]
		if it.kind != 0 && it.kind != k || size > maxParsed {
			return fmt.Errorf("object %s is a %s of %d bytes, want a %s: %w", id, k, size, it.kind, ErrPack)
		}
		it.kind, it.size = k, size
		content, err := w.b.bytes(size)
		if err != nil {
			return err
		}
		one := *it // the queue may move
		if err := fn(&one, content); err != nil {
			return fmt.Errorf("%s %s: %w", k, id, err)
		}
	}
	return nil
}

func (w *walker) commit(it *item, content []byte) error {
	switch it.kind {
	case kindTag:
		target, k, err := parseTag(content)
		if err != nil {
			return err
		}
		if k != kindTag && k != kindCommit {
			return fmt.Errorf("it names a %s: %w", k, ErrRefused)
		}
		return w.add(item{id: target, kind: k})
	case kindCommit:
		c, err := parseCommit(content)
		if err != nil {
			return err
		}
		for _, p := range c.parents {
			if err := w.add(item{id: p, kind: kindCommit}); err != nil {
				return err
			}
		}
		return w.add(item{id: c.tree, kind: kindTree})
	}
	return fmt.Errorf("want a commit or tag: %w", ErrRefused)
}

func (w *walker) tree(it *item, content []byte) error {
	return parseTree(content, func(e treeEntry) error {
		if e.kind == 0 {
			return nil
		}
		path := it.path
		if path != 0 {
			path = pathHash(path, '/')
		}
		for _, c := range e.name {
			path = pathHash(path, c)
		}
		return w.add(item{id: e.id, kind: e.kind, path: path})
	})
}

// pathHash adds a character. The last sixteen weigh the most, and the very
// last most of all, so that equal names and endings come to stand together;
// it is the idea of git's pack_name_hash.
func pathHash(h uint32, c byte) uint32 {
	if c == ' ' || c == '\t' {
		return h
	}
	return h>>2 + uint32(c)<<24
}
