//go:build linux

package guest

import (
	"fmt"
	"strings"

	"pault.ag/go/debian/version"

	"satchel/aptmirror/deb"
)

// relation is one alternative of a dependency field: a package and what its
// version must be.
type relation struct{ name, op, version string }

// parseRelation reads "name[:arch] [(op version)]".
func parseRelation(s string) (relation, error) {
	s = strings.TrimSpace(s)
	name, rest, versioned := strings.Cut(s, "(")
	name = strings.TrimSpace(name)
	if i := strings.IndexAny(name, " ["); i >= 0 {
		name = name[:i]
	}
	name, _, _ = strings.Cut(name, ":")
	r := relation{name: name}
	if !deb.IsPackageName(name) {
		return r, fmt.Errorf("reading relation %q: no package name", clip(s, 80))
	}
	if versioned {
		cond, _, ok := strings.Cut(rest, ")")
		cond = strings.TrimSpace(cond)
		v := strings.TrimLeft(cond, "<>=")
		r.op, r.version = cond[:len(cond)-len(v)], strings.TrimSpace(v)
		if !ok || r.op == "" || r.version == "" {
			return r, fmt.Errorf("reading relation %q: malformed version", clip(s, 80))
		}
	}
	return r, nil
}

// admits tells whether v satisfies the relation's version; one that cannot be
// read satisfies nothing.
func (r relation) admits(v string) bool {
	if r.op == "" {
		return true
	}
	have, err := version.Parse(v)
	if err != nil {
		return false
	}
	want, err := version.Parse(r.version)
	if err != nil {
		return false
	}
	c := version.Compare(have, want)
	switch r.op {
	case "<<":
		return c < 0
	case "<=", "<":
		return c <= 0
	case "=":
		return c == 0
	case ">=", ">":
		return c >= 0
	case ">>":
		return c > 0
	}
	return false
}

// relations reads a whole field into its alternatives, one after another:
// what matters here is only which packages are named.
func relations(field string) []relation {
	var rs []relation
	for clause := range strings.SplitSeq(field, ",") {
		for alt := range strings.SplitSeq(clause, "|") {
			if r, err := parseRelation(alt); err == nil {
				rs = append(rs, r)
			}
		}
	}
	return rs
}
