package sigs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"satchel/manifest"
)

// ExistsError says that a tree holds another assert where one was to be written.
type ExistsError struct {
	File string
	Diff string // unified, from what is there to what was to be written
}

// Error names the file; Diff shows what differs.
func (e *ExistsError) Error() string {
	return fmt.Sprintf("%s is there already and says something else: an assert is never replaced; if the old one is wrong, remove it first", e.File)
}

// An Addition is an assert on its way into a tree.
type Addition struct {
	File   string // RELEASE/SIGNER/NAME-build.assert
	Doc    []byte
	Exists bool // the very same assert is there already
	Signed bool // and a signature beside it
}

// SigFile is where the signature belongs.
func (a *Addition) SigFile() string { return a.File + ".sig" }

// Plan makes an assert of a result and finds its place in the tree; it writes
// nothing. Another assert in that place is an *ExistsError. Names that differ from
// one in the tree by upper and lower case alone are refused: elsewhere they would
// be one folder.
func Plan(tree fs.FS, r manifest.Result, release, signer string) (*Addition, error) {
	r.Release, r.Type = release, "build"
	if err := manifest.CheckName(signer); err != nil {
		return nil, fmt.Errorf("signer: %w", err)
	}
	doc, err := r.Marshal() // checks release and name
	if err != nil {
		return nil, err
	}
	a := &Addition{File: path.Join(release, signer, r.Name+"-build.assert"), Doc: doc}
	dir := "."
	for _, part := range strings.Split(a.File, "/") {
		if err := sameCase(tree, dir, part); err != nil {
			return nil, err
		}
		dir = path.Join(dir, part)
	}
	old, err := Reader{FS: tree}.bounded(a.File, maxStatement)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return a, nil
	case err != nil:
		return nil, err
	case !bytes.Equal(old, doc):
		return nil, &ExistsError{File: a.File, Diff: string(diff.Diff(a.File, old, "new", doc))}
	}
	a.Exists = true
	if _, err := fs.Stat(tree, a.SigFile()); err == nil {
		a.Signed = true
	}
	return a, nil
}

// sameCase refuses an entry of dir that is name in other letters.
func sameCase(tree fs.FS, dir, name string) error {
	entries, err := fs.ReadDir(tree, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at the tree: %w", err)
	}
	for _, e := range entries {
		if e.Name() != name && strings.EqualFold(e.Name(), name) {
			return fmt.Errorf("%q is there already: %q differs from it by upper and lower case alone", path.Join(dir, e.Name()), name)
		}
	}
	return nil
}

// Write puts the assert into the tree and, if sig is not nil, the signature
// beside it. What is there already stays as it is. Each file has its name only
// when it is whole; an interruption leaves at worst an assert without signature,
// and the same call again adds it.
func (a *Addition) Write(root *os.Root, sig []byte) error {
	if err := root.MkdirAll(path.Dir(a.File), 0o755); err != nil {
		return fmt.Errorf("writing %s: %w", a.File, err)
	}
	if !a.Exists {
		if err := writeWhole(root, a.File, a.Doc); err != nil {
			return err
		}
	}
	if sig == nil || a.Signed {
		return nil
	}
	return writeWhole(root, a.SigFile(), sig)
}

// writeWhole writes a file that is not there yet.
func writeWhole(root *os.Root, name string, data []byte) error {
	part := path.Join(path.Dir(name), ".satchel-"+path.Base(name)+".part")
	root.Remove(part) // of a run that was killed
	f, err := root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = root.Link(part, name) // unlike rename, it replaces nothing
		if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
			err = root.Rename(part, name) // a file system without links
		}
	}
	root.Remove(part)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
