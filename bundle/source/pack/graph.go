package pack

import (
	"errors"
	"fmt"

	"github.com/pjbgf/sha1cd"
)

// parse names an object and notes which ones it names in turn.
//
// Objects may come in any order: since an object's name is a hash of what it
// names, there are no circles. So a pack is complete when all that is named is
// there, and holds nothing extra when all that is there, except the root, is
// named.
func (c *checker) parse(p plain) error {
	h := sha1cd.New()
	h.Write(objectHeader(p.kind, int64(len(p.content))))
	h.Write(p.content)
	id, err := sumOf(h)
	if err != nil {
		return err
	}
	if err := c.mark(id, p.kind, seen); err != nil {
		return err
	}
	switch p.kind {
	case Tree:
		err = ParseTree(p.content, func(e Entry) error {
			if e.Kind == 0 {
				return nil // a submodule's commit is in another pack
			}
			return c.mark(e.ID, e.Kind, named)
		})
	case Commit:
		err = c.parseCommit(id, p.content)
	case Tag:
		var k Kind
		var target ID
		if target, k, err = parseTag(p.content); err == nil {
			c.tags[id] = target
			err = c.mark(target, k, named)
		}
	}
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, ErrUnsound):
		return bad("%s %s: %v", p.kind, id, err)
	}
	return fmt.Errorf("%s %s: %w", p.kind, id, err)
}

func (c *checker) parseCommit(id ID, content []byte) error {
	commit, err := ParseCommit(content)
	if err != nil {
		return err
	}
	if id == c.commit {
		c.date = commit.Date
	}
	for _, parent := range commit.Parents {
		if err := c.mark(parent, Commit, named); err != nil {
			return err
		}
	}
	return c.mark(commit.Tree, Tree, named)
}

// mark notes that an object has been seen or named, as one of kind k.
func (c *checker) mark(id ID, k Kind, how use) error {
	old, ok := c.uses[id]
	switch {
	case !ok && len(c.uses) >= c.count:
		return bad("%s %s is one more than the pack holds", k, id)
	case ok && Kind(old&kindMask) != k:
		return bad("%s is used as %s and as %s", id, Kind(old&kindMask), k)
	case how == seen && old&seen != 0:
		return bad("%s %s comes twice", k, id)
	}
	c.uses[id] = old | use(k) | how
	return nil
}

// complete compares what is there with what has to be.
func (c *checker) complete(root ID) error {
	at := root
	for hops := 0; at != c.commit; hops++ {
		next, ok := c.tags[at]
		if !ok || hops > 100 {
			return bad("tag %s does not lead to the commit", root)
		}
		at = next
	}
	if c.uses[root]&seen == 0 || c.uses[c.commit]&seen == 0 || Kind(c.uses[c.commit]&kindMask) != Commit {
		return bad("the commit or the tag is not in it")
	}
	for id, u := range c.uses {
		switch {
		case u&seen == 0:
			return bad("%s %s is missing", Kind(u&kindMask), id)
		case u&named == 0 && id != root:
			return bad("%s %s does not belong there", Kind(u&kindMask), id)
		}
	}
	return nil
}
