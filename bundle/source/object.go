package source

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// commitObject is what is read of a commit.
type commitObject struct {
	tree    oid
	parents []oid
	date    string // author date in UTC, "YYYY-MM-DD HH:MM:SS"
}

// header takes the first line of b, which must be key, a space and a value.
func header(b []byte, key string) (value string, rest []byte, ok bool) {
	line, rest, found := bytes.Cut(b, []byte{'\n'})
	v, has := strings.CutPrefix(string(line), key+" ")
	if !found || !has {
		return "", b, false
	}
	return v, rest, true
}

func parseCommit(b []byte) (c commitObject, err error) {
	v, rest, ok := header(b, "tree")
	if !ok {
		return c, fmt.Errorf("reading commit: it begins without a tree: %w", ErrPack)
	}
	if c.tree, err = parseOID(v); err != nil {
		return c, err
	}
	for {
		var p oid
		if v, rest, ok = header(rest, "parent"); !ok {
			break
		}
		if p, err = parseOID(v); err != nil {
			return c, err
		}
		c.parents = append(c.parents, p)
	}
	if v, _, ok = header(rest, "author"); !ok {
		return c, fmt.Errorf("reading commit: no author after its parents: %w", ErrPack)
	}
	c.date = authorDate(v)
	return c, nil
}

// authorDate reads "NAME <MAIL> SECONDS ZONE"; "" if it is not of that form.
// As in git, the last ">" ends the mail address.
func authorDate(v string) string {
	fields := strings.Fields(v[strings.LastIndexByte(v, '>')+1:])
	if len(fields) == 0 {
		return ""
	}
	sec, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || sec < 0 || sec > 253402300799 { // the year 9999
		return ""
	}
	return time.Unix(sec, 0).UTC().Format("2006-01-02 15:04:05")
}

// parseTag reads what a tag object names.
func parseTag(b []byte) (target oid, k kind, err error) {
	v, rest, ok := header(b, "object")
	if !ok {
		return target, 0, fmt.Errorf("reading tag: it begins without an object: %w", ErrPack)
	}
	if target, err = parseOID(v); err != nil {
		return target, 0, err
	}
	if v, _, ok = header(rest, "type"); !ok {
		return target, 0, fmt.Errorf("reading tag: no type after its object: %w", ErrPack)
	}
	k, err = parseKind(v)
	return target, k, err
}

// treeEntry is one line of a tree.
type treeEntry struct {
	kind kind // kindTree, kindBlob, or 0 for a submodule
	name []byte
	id   oid
}

// parseTree calls fn for each entry of a tree, in order. Names that no
// checkout could take safely, an order that git does not write, doubles and
// unknown modes are refused.
func parseTree(b []byte, fn func(e treeEntry) error) error {
	var last []byte
	lastTree := false
	for len(b) > 0 {
		sp := bytes.IndexByte(b[:min(len(b), 8)], ' ')
		if sp < 0 {
			return fmt.Errorf("reading tree: an entry without a mode: %w", ErrPack)
		}
		mode := b[:sp]
		nul := bytes.IndexByte(b[sp:], 0)
		if nul < 0 || len(b)-sp-nul-1 < len(oid{}) {
			return fmt.Errorf("reading tree: its last entry is cut short: %w", ErrPack)
		}
		e := treeEntry{name: b[sp+1 : sp+nul]}
		copy(e.id[:], b[sp+nul+1:])
		b = b[sp+nul+1+len(e.id):]
		var err error
		if e.kind, err = modeKind(string(mode)); err != nil {
			return err
		}
		if err := checkTreeName(e.name); err != nil {
			return err
		}
		tree := e.kind == kindTree
		if last != nil && (bytes.Equal(last, e.name) || compareTree(last, lastTree, e.name, tree) >= 0) {
			return fmt.Errorf("reading tree: %.200q is not sorted after %.200q: %w", e.name, last, ErrPack)
		}
		last, lastTree = e.name, tree
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

func modeKind(mode string) (kind, error) {
	switch strings.TrimLeft(mode, "0") { // old tools padded with zeros
	case "40000":
		return kindTree, nil
	case "100644", "100755", "100664", "120000":
		return kindBlob, nil
	case "160000":
		return 0, nil
	}
	return 0, fmt.Errorf("reading tree: unknown mode %q: %w", mode, ErrPack)
}

// compareTree orders names as git does: those of trees as if they ended in a slash.
func compareTree(a []byte, aTree bool, b []byte, bTree bool) int {
	n := min(len(a), len(b))
	if c := bytes.Compare(a[:n], b[:n]); c != 0 {
		return c
	}
	end := func(s []byte, tree bool) int {
		switch {
		case len(s) > n:
			return int(s[n])
		case tree:
			return '/'
		}
		return 0
	}
	if c := end(a, aTree) - end(b, bTree); c != 0 {
		return c
	}
	return len(a) - len(b)
}

func checkTreeName(name []byte) error {
	if len(name) == 0 || len(name) > 4095 || bytes.IndexByte(name, '/') >= 0 ||
		string(name) == "." || string(name) == ".." || bytes.EqualFold(name, []byte(".git")) {
		return fmt.Errorf("reading tree: the name %.200q: %w", name, ErrPack)
	}
	return nil
}
