package manifest

import (
	"fmt"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// DateForm is how a reference time is written: UTC, without saying so.
const DateForm = "2006-01-02 15:04:05"

// word reports whether s is not empty and holds nothing but ASCII letters,
// digits, underscores and the characters of more.
func word(s, more string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || strings.IndexByte(more, c) >= 0) {
			return false
		}
	}
	return s != ""
}

// hexDigits reports whether s is n lower-case hexadecimal digits.
func hexDigits(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

// clean reports whether s is valid UTF-8, printable, and not absurdly long.
func clean(s string) bool {
	if len(s) > 4096 {
		return false
	}
	odd := false
	for i := 0; i < len(s) && !odd; i++ {
		odd = s[i] < ' ' || s[i] > '~'
	}
	if !odd { // as nearly all is
		return true
	}
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// element reports whether s may stand alone as the name of a file or directory.
func element(s, more string) bool {
	return word(s, more) && s != "." && s != ".." && s[0] != '-' && len(s) <= 255
}

// CheckName refuses what cannot be a descriptor's, suite's or directory's name:
// gitian's [\w.-]+, and not ".", ".." or a leading "-".
func CheckName(s string) error {
	if !element(s, ".-") {
		return fmt.Errorf("%q may hold only letters, digits, _ . and -, and must not begin with -", shorten(s))
	}
	return nil
}

// CheckFileName refuses what cannot be an entry of files: a name without any
// path, of gitian's characters and the @ + ~ that Tor's descriptors need.
func CheckFileName(s string) error {
	if !element(s, ".-@+~") {
		return fmt.Errorf("%q may hold only letters, digits and _ . - @ + ~, no path, and must not begin with -", shorten(s))
	}
	return nil
}

// CheckCommit refuses what git could take for anything but one tag, branch or
// commit. It is wider than gitian by "/" and "+", which branch names have.
func CheckCommit(s string) error {
	bad := !word(s, "./+-") || len(s) > 255 || s[0] == '-' || s[0] == '/' || s[0] == '.' ||
		strings.HasSuffix(s, "/") || strings.HasSuffix(s, ".") || strings.HasSuffix(s, ".lock") ||
		strings.Contains(s, "..") || strings.Contains(s, "//") || strings.Contains(s, "/.")
	if bad {
		return fmt.Errorf("%q names no tag, branch or commit: letters, digits and _ . - / + may stand there", shorten(s))
	}
	return nil
}

// CheckURL refuses what is not a plain URL or path of a git repository. It is
// wider than gitian by ~ % = ? & and refuses git's "helper::address" form,
// which runs programs.
func CheckURL(s string) error {
	if !word(s, "@/.:+-~%=?&") || len(s) > 2048 || s[0] == '-' || strings.Contains(s, "::") {
		return fmt.Errorf("%q is no URL that can be used: letters, digits and _ @ / . : + - ~ %% = ? & may stand there", shorten(s))
	}
	return nil
}

// checkWebURL refuses what is not an http(s) URL without a user in it.
func checkWebURL(s string) error {
	rest, ok := strings.CutPrefix(s, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(s, "http://")
	}
	host, _, _ := strings.Cut(rest, "/")
	if !ok || host == "" || !clean(s) || len(s) > 2048 || strings.ContainsAny(s, " \"'<>\\^`{|}#") || strings.Contains(host, "@") {
		return fmt.Errorf("%q is no URL that can be used: want http:// or https://, a host, no user and no spaces", shorten(s))
	}
	return nil
}

// checkPath refuses a path that is not relative, clean and printable.
func checkPath(s string) error {
	if s == "" || !clean(s) || strings.Contains(s, "\\") || path.Clean(s) != s || path.IsAbs(s) || s == "." || s == ".." || strings.HasPrefix(s, "../") {
		return fmt.Errorf("%q is no clean relative path", shorten(s))
	}
	return nil
}

// checkDate refuses what is not a real time written as DateForm.
func checkDate(s string) error {
	if t, err := time.Parse(DateForm, s); err != nil || t.Format(DateForm) != s {
		return fmt.Errorf("%q is no time: write it as \"YYYY-MM-DD HH:MM:SS\"", shorten(s))
	}
	return nil
}

// packageName reports whether s is a Debian package's name.
func packageName(s string) bool {
	return len(s) >= 2 && len(s) <= 255 && s[0] != '+' && s[0] != '.' && s[0] != '-' &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789+.-") == ""
}

// packageVersion reports whether s is spelled as a Debian version.
func packageVersion(s string) bool {
	return len(s) <= 255 && word(s, ".+~:-") && !strings.Contains(s, "_") && word(s[:1], "")
}

// architecture reports whether s is spelled as a Debian architecture.
func architecture(s string) bool {
	return s != "" && len(s) <= 64 && s[0] != '-' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// checkWish refuses what apt-get would not take for one package: NAME,
// NAME:ARCHITECTURE, either with =VERSION.
func checkWish(s string) error {
	rest, version, pinned := strings.Cut(s, "=")
	name, arch, foreign := strings.Cut(rest, ":")
	switch {
	case !packageName(name), foreign && !architecture(arch), pinned && !packageVersion(version):
		return fmt.Errorf("package %q: want a name of a-z 0-9 + . -, and after it :ARCHITECTURE or =VERSION if need be", shorten(s))
	case strings.HasSuffix(name, "-"):
		return fmt.Errorf("package %q: apt-get would remove it because of the trailing -", shorten(s))
	}
	return nil
}
