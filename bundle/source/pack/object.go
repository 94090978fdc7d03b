package pack

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// CommitObject is what is read of a commit.
type CommitObject struct {
	Tree    ID
	Parents []ID
	Date    string // author date in UTC, "YYYY-MM-DD HH:MM:SS"; "" if it cannot be read
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

// ParseCommit reads the content of a commit.
func ParseCommit(b []byte) (c CommitObject, err error) {
	v, rest, ok := header(b, "tree")
	if !ok {
		return c, fmt.Errorf("reading commit: it begins without a tree: %w", ErrUnsound)
	}
	if c.Tree, err = ParseID(v); err != nil {
		return c, err
	}
	for {
		var p ID
		if v, rest, ok = header(rest, "parent"); !ok {
			break
		}
		if p, err = ParseID(v); err != nil {
			return c, err
		}
		c.Parents = append(c.Parents, p)
	}
	if v, _, ok = header(rest, "author"); !ok {
		return c, fmt.Errorf("reading commit: no author after its parents: %w", ErrUnsound)
	}
	c.Date = authorDate(v)
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
func parseTag(b []byte) (target ID, k Kind, err error) {
	v, rest, ok := header(b, "object")
	if !ok {
		return target, 0, fmt.Errorf("reading tag: it begins without an object: %w", ErrUnsound)
	}
	if target, err = ParseID(v); err != nil {
		return target, 0, err
	}
	if v, _, ok = header(rest, "type"); !ok {
		return target, 0, fmt.Errorf("reading tag: no type after its object: %w", ErrUnsound)
	}
	k, err = ParseKind(v)
	return target, k, err
}

// Entry is one line of a tree.
type Entry struct {
	Kind Kind // Tree, Blob, or 0 for a submodule
	Name []byte
	ID   ID
}

// ParseTree calls fn for each entry of a tree, in order. Names that no
// checkout could take safely, an order that git does not write, doubles and
// unknown modes are refused.
func ParseTree(b []byte, fn func(e Entry) error) error {
	var last []byte
	lastTree := false
	for len(b) > 0 {
		sp := bytes.IndexByte(b[:min(len(b), 8)], ' ')
		if sp < 0 {
			return fmt.Errorf("reading tree: an entry without a mode: %w", ErrUnsound)
		}
		mode := b[:sp]
		nul := bytes.IndexByte(b[sp:], 0)
		if nul < 0 || len(b)-sp-nul-1 < len(ID{}) {
			return fmt.Errorf("reading tree: its last entry is cut short: %w", ErrUnsound)
		}
		e := Entry{Name: b[sp+1 : sp+nul]}
		copy(e.ID[:], b[sp+nul+1:])
		b = b[sp+nul+1+len(e.ID):]
		var err error
		if e.Kind, err = modeKind(string(mode)); err != nil {
			return err
		}
		if err := checkTreeName(e.Name); err != nil {
			return err
		}
		tree := e.Kind == Tree
		if last != nil && (bytes.Equal(last, e.Name) || compareTree(last, lastTree, e.Name, tree) >= 0) {
			return fmt.Errorf("reading tree: %.200q is not sorted after %.200q: %w", e.Name, last, ErrUnsound)
		}
		last, lastTree = e.Name, tree
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

func modeKind(mode string) (Kind, error) {
	switch strings.TrimLeft(mode, "0") { // old tools padded with zeros
	case "40000":
		return Tree, nil
	case "100644", "100755", "100664", "120000":
		return Blob, nil
	case "160000":
		return 0, nil
	}
	return 0, fmt.Errorf("reading tree: unknown mode %q: %w", mode, ErrUnsound)
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
		return fmt.Errorf("reading tree: the name %.200q: %w", name, ErrUnsound)
	}
	return nil
}
