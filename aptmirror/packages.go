package aptmirror

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"satchel/manifest"
)

// maxPackages bounds the stanzas of an index. Debian's largest has 70,000.
const maxPackages = 1 << 20

// ReadPackages reads a Packages index, plain, to its end. archive goes into
// every Package. The order and duplicates (several versions, or one version
// twice) are kept. It refuses, with name and line: whatever Stanzas refuses; a
// stanza without a sound Package, Version, Architecture, Filename, Size and
// SHA256; a Filename that leaves the archive; two stanzas that give one
// Filename different bytes. name is for errors only. Format: deb-control(5)
// and Debian's repository format.
//
// Memory: about 350 bytes a package and the text that it keeps. What recurs, and
// what is part of the Filename, is kept once. Debian's main of 50 MB, 63,440
// packages, keeps 37 MB.
func ReadPackages(name string, r io.Reader, archive int) ([]Package, error) {
	var list packageList
	files := make(map[string]*Package)
	err := readAll(name, r, newPackageReader(), func(p *packageReader, s *Stanza) error {
		pkg, err := list.grow()
		if err != nil {
			return err
		}
		if err := p.read(s, pkg); err != nil {
			return err
		}
		if err := checkIndexed(pkg); err != nil {
			return err
		}
		pkg.Archive = archive
		if first, ok := files[pkg.Filename]; !ok {
			files[pkg.Filename] = pkg
		} else if first.Blob != pkg.Blob {
			return fmt.Errorf("%s has other bytes here than in an earlier stanza (package %s)", pkg.Filename, first.Name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return slices.Concat(list.blocks...), nil
}

// packageList grows without copying.
type packageList struct {
	blocks [][]Package
}

// grow returns a new, empty package of the list.
func (l *packageList) grow() (*Package, error) {
	const block = 1024
	if len(l.blocks) == maxPackages/block {
		return nil, fmt.Errorf("%d packages or more: %w", maxPackages, ErrTooBig)
	}
	last := len(l.blocks) - 1
	if last < 0 || len(l.blocks[last]) == block {
		l.blocks = append(l.blocks, make([]Package, 0, block))
		last++
	}
	l.blocks[last] = append(l.blocks[last], Package{})
	return &l.blocks[last][len(l.blocks[last])-1], nil
}

// ReadStatus reads dpkg's status file to its end: every package that dpkg
// knows a version of, in any state; Package.Status says which. Filename and
// Blob are empty. Packages that were never installed have no version and are
// left out.
func ReadStatus(name string, r io.Reader) ([]Package, error) {
	var pkgs []Package
	err := readAll(name, r, newPackageReader(), func(p *packageReader, s *Stanza) error {
		var pkg Package
		if err := p.read(s, &pkg); err != nil {
			return err
		}
		if pkg.Status == "" {
			return fmt.Errorf("package %s has no Status", quote(pkg.Name))
		}
		if pkg.Version == "" && strings.HasSuffix(pkg.Status, " not-installed") {
			return checkPackageName(pkg.Name)
		}
		pkg.Filename, pkg.Blob = "", manifest.Blob{}
		if err := checkNamed(&pkg); err != nil {
			return err
		}
		if len(pkgs) == maxPackages {
			return fmt.Errorf("more than %d packages: %w", maxPackages, ErrTooBig)
		}
		pkgs = append(pkgs, pkg)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return pkgs, nil
}

// readAll calls take with p and every stanza of r; take's errors get name and line.
func readAll(name string, r io.Reader, p *packageReader, take func(*packageReader, *Stanza) error) error {
	stanzas := NewStanzas(name, r)
	for {
		s, err := stanzas.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := take(p, s); err != nil {
			return fmt.Errorf("%s:%d: %w", name, s.Line, err)
		}
	}
}
