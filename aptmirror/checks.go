package aptmirror

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// parseSize reads a decimal number without sign.
func parseSize(v []byte) (int64, error) {
	if len(v) == 0 || len(v) > 18 || !allDigits(string(v)) {
		return 0, fmt.Errorf("%s is no number of bytes", quoteBytes(v))
	}
	return strconv.ParseInt(string(v), 10, 64)
}

// checkNamed checks what every stanza of a package must have.
func checkNamed(pkg *Package) error {
	if err := checkPackageName(pkg.Name); err != nil {
		return err
	}
	if pkg.Version == "" {
		return fmt.Errorf("package %s has no Version", pkg.Name)
	}
	if err := CheckVersion(pkg.Version); err != nil {
		return fmt.Errorf("package %s: %w", pkg.Name, err)
	}
	if err := checkArchitecture(pkg.Architecture); err != nil {
		return fmt.Errorf("package %s: %w", pkg.Name, err)
	}
	if pkg.SourceVersion != "" {
		if err := CheckVersion(pkg.SourceVersion); err != nil {
			return fmt.Errorf("package %s: reading Source: %w", pkg.Name, err)
		}
	}
	if pkg.Source != "" {
		return checkPackageName(pkg.Source)
	}
	return nil
}

// checkIndexed checks what a stanza of a Packages index must have.
func checkIndexed(pkg *Package) error {
	if err := checkNamed(pkg); err != nil {
		return err
	}
	if err := checkPath(pkg.Filename); err != nil {
		return fmt.Errorf("package %s: reading Filename: %w", pkg.Name, err)
	}
	if pkg.Blob.Size <= 0 {
		return fmt.Errorf("package %s has no Size", pkg.Name)
	}
	if pkg.Blob.SHA256.IsZero() {
		return fmt.Errorf("package %s has no SHA256: this index cannot be trusted", pkg.Name)
	}
	return nil
}

// checkPackageName accepts letters, digits and + - . after a first letter or
// digit: what dpkg accepts but for the underscore, which separates the parts of
// a .deb's file name.
func checkPackageName(s string) error {
	if s == "" {
		return errors.New("a package without a name")
	}
	if len(s) > maxVersion || !isAlnum(s[0]) {
		return fmt.Errorf("%s is no package name", quote(s))
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isAlnum(c) && c != '+' && c != '-' && c != '.' {
			return fmt.Errorf("%s is no package name", quote(s))
		}
	}
	return nil
}

func checkArchitecture(s string) error {
	if s == "" {
		return errors.New("no Architecture is given")
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !(c >= 'a' && c <= 'z' || isDigit(c) || c == '-' && i > 0) || len(s) > 64 {
			return fmt.Errorf("%s is no architecture", quote(s))
		}
	}
	return nil
}

// checkPath accepts a relative, clean, slash-separated path of printable ASCII
// without spaces.
func checkPath(s string) error {
	if s == "" {
		return errors.New("no path is given")
	}
	if len(s) > 1024 {
		return fmt.Errorf("path %s is too long", quote(s))
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c > '~' || c == '\\' {
			return fmt.Errorf("path %s has the character %+q", quote(s), c)
		}
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("path %s is not a clean path below the archive", quote(s))
		}
	}
	return nil
}
