package source

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
	case kindTree:
		err = parseTree(p.content, func(e treeEntry) error {
			if e.kind == 0 {
				return nil // a submodule's commit is in another pack
			}
			return c.mark(e.id, e.kind, named)
		})
	case kindCommit:
		err = c.parseCommit(id, p.content)
	case kindTag:
		var k kind
		var target oid
		if target, k, err = parseTag(p.content); err == nil {
			c.tags[id] = target
			err = c.mark(target, k, named)
		}
	}
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, ErrPack):
		return bad("%s %s: %v", p.kind, id, err)
	}
	return fmt.Errorf("%s %s: %w", p.kind, id, err)
}

func (c *checker) parseCommit(id oid, content []byte) error {
	commit, err := parseCommit(content)
	if err != nil {
		return err
	}
	if id == c.commit {
		c.date = commit.date
	}
	for _, parent := range commit.parents {
		if err := c.mark(parent, kindCommit, named); err != nil {
			return err
		}
	}
	return c.mark(commit.tree, kindTree, named)
}

// mark notes that an object has been seen or named, as one of kind k.
func (c *checker) mark(id oid, k kind, how use) error {
	old, ok := c.uses[id]
	switch {
	case !ok && len(c.uses) >= c.count:
		return bad("%s %s is one more than the pack holds", k, id)
	case ok && kind(old&kindMask) != k:
		return bad("%s is used as %s and as %s", id, kind(old&kindMask), k)
	case how == seen && old&seen != 0:
		return bad("%s %s comes twice", k, id)
	}
	c.uses[id] = old | use(k) | how
	return nil
}

// complete compares what is there with what has to be.
func (c *checker) complete(root oid) error {
	at := root
	for hops := 0; at != c.commit; hops++ {
		next, ok := c.tags[at]
		if !ok || hops > 100 {
			return bad("tag %s does not lead to the commit", root)
		}
		at = next
	}
	if c.uses[root]&seen == 0 || c.uses[c.commit]&seen == 0 || kind(c.uses[c.commit]&kindMask) != kindCommit {
		return bad("the commit or the tag is not in it")
	}
	for id, u := range c.uses {
		switch {
		case u&seen == 0:
			return bad("%s %s is missing", kind(u&kindMask), id)
		case u&named == 0 && id != root:
			return bad("%s %s does not belong there", kind(u&kindMask), id)
		}
	}
	return nil
}
