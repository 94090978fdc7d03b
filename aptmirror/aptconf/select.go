package aptconf

import (
	"slices"
	"strings"
)

// Select returns those names of a folder of parts, such as apt.conf.d, that apt
// reads, in its order: of letters, digits, "-", "_", ":" and ".", with the
// ending .conf or none.
func Select(names []string) []string {
	var out []string
	for _, n := range names {
		i := strings.LastIndexByte(n, '.')
		good := n != "" && n[0] != '.' && (i < 0 || n[i+1:] == "conf")
		for _, c := range []byte(n) {
			good = good && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_:.", c) >= 0)
		}
		if good {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}
