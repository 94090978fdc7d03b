package source

import (
	"fmt"
	"strings"
)

// checkRef refuses what git check-ref-format would, and besides whatever is
// not a letter, a digit or one of ._/+@-, so that a ref can stand in a file, a
// message and a command without thought.
func checkRef(ref string) error {
	refused := func(why string) error { return fmt.Errorf("ref %.200q: %s: %w", ref, why, ErrRefused) }
	if ref == "" || len(ref) > 250 {
		return refused("its length")
	}
	for i := 0; i < len(ref); i++ {
		c := ref[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._/+@-", c) >= 0) {
			return refused(fmt.Sprintf("the character %q", c))
		}
	}
	for part := range strings.SplitSeq(ref, "/") {
		if part == "" || part[0] == '.' || part[0] == '-' || strings.HasSuffix(part, ".lock") || strings.HasSuffix(part, ".") {
			return refused(fmt.Sprintf("the part %q", part))
		}
	}
	if strings.Contains(ref, "..") || ref == "@" {
		return refused("git gives it another meaning")
	}
	return nil
}

// candidates are the full names that git tries for a short one, in its order.
func candidates(ref string) []string {
	full := []string{"refs/" + ref, "refs/tags/" + ref, "refs/heads/" + ref}
	if ref == "HEAD" || strings.HasPrefix(ref, "refs/") {
		full = append([]string{ref}, full...)
	}
	return full
}

// couldBeCommit tells whether ref may be a commit, whole or abbreviated.
func couldBeCommit(ref string) bool {
	return len(ref) >= 7 && len(ref) <= 40 && strings.Trim(ref, "0123456789abcdef") == ""
}
