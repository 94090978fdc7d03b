package aptmirror

import (
	"errors"
	"fmt"
	"strings"
)

// maxVersion bounds the length of a version, in bytes. The longest of Debian's
// is below 100.
const maxVersion = 256

// CompareVersions orders two Debian versions as dpkg does: it returns a
// negative number if a is older than b, zero if they are the same version
// ("1.0", "0:1.0" and "1.0-0" are), a positive number otherwise. It allocates
// nothing and gives a total order for any two strings, also for those that
// CheckVersion refuses. The rules are those of deb-version(7).
func CompareVersions(a, b string) int {
	if a == b {
		return 0
	}
	ea, ua, ra := splitVersion(a)
	eb, ub, rb := splitVersion(b)
	if d := comparePart(ea, eb); d != 0 {
		return d
	}
	if d := comparePart(ua, ub); d != 0 {
		return d
	}
	return comparePart(ra, rb)
}

// splitVersion cuts epoch:upstream-revision. What stands before the first
// colon is an epoch only if it is a number; a missing epoch or revision is
// empty, which compares as zero.
func splitVersion(s string) (epoch, upstream, revision string) {
	upstream = s
	if i := strings.IndexByte(s, ':'); i > 0 && allDigits(s[:i]) {
		epoch, upstream = s[:i], s[i+1:]
	}
	if i := strings.LastIndexByte(upstream, '-'); i >= 0 {
		upstream, revision = upstream[:i], upstream[i+1:]
	}
	return epoch, upstream, revision
}

// comparePart compares what is no number by weight and what is a number by
// value, in turns.
func comparePart(a, b string) int {
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		for i < len(a) && !isDigit(a[i]) || j < len(b) && !isDigit(b[j]) {
			if d := weight(a, i) - weight(b, j); d != 0 {
				return d
			}
			i++
			j++
		}
		for i < len(a) && a[i] == '0' {
			i++
		}
		for j < len(b) && b[j] == '0' {
			j++
		}
		first := 0
		for i < len(a) && j < len(b) && isDigit(a[i]) && isDigit(b[j]) {
			if first == 0 {
				first = int(a[i]) - int(b[j])
			}
			i++
			j++
		}
		switch {
		case i < len(a) && isDigit(a[i]):
			return 1
		case j < len(b) && isDigit(b[j]):
			return -1
		case first != 0:
			return first
		}
	}
	return 0
}

// weight orders the characters that are no digits: a tilde comes before the
// end of the part, letters before everything else.
func weight(s string, i int) int {
	if i >= len(s) {
		return 0
	}
	switch c := s[i]; {
	case isDigit(c):
		return 0
	case c == '~':
		return -1
	case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		return int(c)
	default:
		return int(c) + 256
	}
}

// CheckVersion reports why s is no version: it must have an epoch that is a
// number below 2^31 (or none), an upstream part, a revision if it has a dash,
// and no character but letters, digits and . + - ~ (and a colon after an
// epoch). A version that passes is safe to print and to put into a file name
// once its colons are escaped.
func CheckVersion(s string) error {
	if len(s) == 0 || len(s) > maxVersion {
		return fmt.Errorf("reading version %s: it must have 1 to %d characters", quote(s), maxVersion)
	}
	if err := checkVersion(s); err != nil {
		return fmt.Errorf("reading version %s: %w", quote(s), err)
	}
	return nil
}

func checkVersion(s string) error {
	rest := s
	if i := strings.IndexByte(s, ':'); i >= 0 {
		epoch := s[:i]
		if !allDigits(epoch) {
			return errors.New("what stands before the colon must be a number")
		}
		if e := strings.TrimLeft(epoch, "0"); len(e) > 10 || len(e) == 10 && e > "2147483647" {
			return errors.New("the epoch is too large")
		}
		rest = s[i+1:]
	}
	if i := strings.LastIndexByte(rest, '-'); i >= 0 {
		revision := rest[i+1:]
		if revision == "" {
			return errors.New("the revision after the last dash is empty")
		}
		if strings.IndexByte(revision, ':') >= 0 {
			return errors.New("the revision has a colon")
		}
		rest = rest[:i]
	}
	if rest == "" {
		return errors.New("the upstream part is empty")
	}
	if !isAlnum(rest[0]) {
		return errors.New("the upstream part must start with a letter or digit")
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isAlnum(c) && strings.IndexByte(".+-~:", c) < 0 {
			return fmt.Errorf("character %q is not allowed", c)
		}
	}
	return nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z'
}

// allDigits reports whether s is one or more digits.
func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// quote makes hostile text printable and short.
func quote(s string) string {
	if len(s) > 80 {
		return fmt.Sprintf("%+q…", s[:80])
	}
	return fmt.Sprintf("%+q", s)
}
