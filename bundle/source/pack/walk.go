package pack

import (
	"fmt"
	"io"
)

// item is an object on its way into a pack.
type item struct {
	id   ID
	kind Kind
	path uint32 // hash of the path where it was met first; 0 for commits and tags
	size int64  // of its content
}

// Objects reads the objects of a repository, as git cat-file --batch answers:
// in the order in which they were asked for.
type Objects interface {
	// Ask asks for an object. Not more than MaxAsked may be unanswered.
	Ask(id ID) error
	// Next begins the next answer. Its content must then be taken with Content,
	// unless the answers have none (--batch-check).
	Next() (id ID, k Kind, size int64, err error)
	// Content hands size bytes to fn, which must read them all.
	Content(size int64, fn func(r io.Reader) error) error
}

// MaxAsked is how many requests may be under way. Their lines together are
// smaller than any pipe, so that writing them never waits for git to be read.
const MaxAsked = 256

// ReadContent reads the content of a small object whole.
func ReadContent(from Objects, size int64) ([]byte, error) {
	buf := make([]byte, size)
	err := from.Content(size, func(r io.Reader) error {
		_, err := io.ReadFull(r, buf)
		return err
	})
	return buf, err
}

// List is what a pack is to hold.
type List struct {
	from    Objects
	seen    map[ID]Kind
	commits []item // and tags
	trees   []item
	blobs   []item
}

// Walk lists everything that roots reach, each once, in the order that the
// package comment promises. sizes answers without content.
func Walk(from, sizes Objects, roots []ID) (*List, error) {
	w := &List{from: from, seen: map[ID]Kind{}}
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
	return w, w.sizes(sizes)
}

// sizes finds out how large the blobs are, which nobody has read yet.
func (w *List) sizes(check Objects) error {
	asked := 0
	for i := range w.blobs {
		for asked < len(w.blobs) && asked-i < MaxAsked {
			if err := check.Ask(w.blobs[asked].id); err != nil {
				return err
			}
			asked++
		}
		id, k, size, err := check.Next()
		if err != nil {
			return err
		}
		if k != Blob {
			return fmt.Errorf("object %s is a %s, want a blob: %w", id, k, ErrUnsound)
		}
		w.blobs[i].size = size
	}
	return nil
}

// add queues an object unless it is there already.
func (w *List) add(it item) error {
	if old, ok := w.seen[it.id]; ok {
		if old != 0 && it.kind != 0 && old != it.kind {
			return fmt.Errorf("object %s is used as %s and as %s: %w", it.id, old, it.kind, ErrUnsound)
		}
		return nil
	}
	if len(w.seen) >= maxObjects {
		return fmt.Errorf("more than %d objects: %w", maxObjects, ErrRefused)
	}
	w.seen[it.id] = it.kind
	switch it.kind {
	case Tree:
		w.trees = append(w.trees, it)
	case Blob:
		w.blobs = append(w.blobs, it)
	default:
		w.commits = append(w.commits, it)
	}
	return nil
}

// read takes the objects of a queue, which grows meanwhile, in order.
func (w *List) read(queue *[]item, fn func(it *item, content []byte) error) error {
	asked := 0
	for done := 0; done < len(*queue); done++ {
		for asked < len(*queue) && asked-done < MaxAsked {
			if err := w.from.Ask((*queue)[asked].id); err != nil {
				return err
			}
			asked++
		}
		id, k, size, err := w.from.Next()
		if err != nil {
			return err
		}
		it := &(*queue)[done]
		if it.kind != 0 && it.kind != k || size > MaxParsed {
			return fmt.Errorf("object %s is a %s of %d bytes, want a %s: %w", id, k, size, it.kind, ErrUnsound)
		}
		it.kind, it.size = k, size
		content, err := ReadContent(w.from, size)
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

func (w *List) commit(it *item, content []byte) error {
	switch it.kind {
	case Tag:
		target, k, err := parseTag(content)
		if err != nil {
			return err
		}
		if k != Tag && k != Commit {
			return fmt.Errorf("it names a %s: %w", k, ErrRefused)
		}
		return w.add(item{id: target, kind: k})
	case Commit:
		c, err := ParseCommit(content)
		if err != nil {
			return err
		}
		for _, p := range c.Parents {
			if err := w.add(item{id: p, kind: Commit}); err != nil {
				return err
			}
		}
		return w.add(item{id: c.Tree, kind: Tree})
	}
	return fmt.Errorf("want a commit or tag: %w", ErrRefused)
}

func (w *List) tree(it *item, content []byte) error {
	return ParseTree(content, func(e Entry) error {
		if e.Kind == 0 {
			return nil
		}
		path := it.path
		if path != 0 {
			path = pathHash(path, '/')
		}
		for _, c := range e.Name {
			path = pathHash(path, c)
		}
		return w.add(item{id: e.ID, kind: e.Kind, path: path})
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
