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

// An Addition is an assert, or a list of sums, on its way into a tree.
type Addition struct {
	File   string // RELEASE/SIGNER/NAME-build.assert, or …/KIND.SHA256SUMS
	Doc    []byte
	Exists bool // the very same is there already
	Signed bool // and a signature beside it
}

// SigFile is where a signature belongs: beside an assert as .sig, as gsign puts
// it, beside a list of sums as .asc, as guix-attest does, but an SSH signature,
// which no gpg reads, as .sig.
func (a *Addition) SigFile(sig []byte) string {
	if strings.HasSuffix(a.File, ".assert") || bytes.HasPrefix(sig, []byte("-----BEGIN SSH")) {
		return a.File + ".sig"
	}
	return a.File + ".asc"
}

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
	return addition(tree, path.Join(release, signer, r.Name+"-build.assert"), doc)
}

// PlanSums is Plan for a list of sums of all outputs of several results, by their
// base names, as guix.sigs holds it. kind is "all" or "noncodesigned".
func PlanSums(tree fs.FS, kind string, results []*manifest.Result, release, signer string) (*Addition, error) {
	for what, name := range map[string]string{"kind": kind, "release": release, "signer": signer} {
		if err := manifest.CheckName(name); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
	}
	var sums []manifest.FileSum
	have := map[string]manifest.Digest{}
	for _, r := range results {
		for _, o := range r.Out {
			name := path.Base(o.Path)
			old, twice := have[name]
			if twice && old != o.SHA256 {
				return nil, fmt.Errorf("two outputs are called %q and are not the same: a list of sums has base names alone", name)
			}
			if !twice {
				sums = append(sums, manifest.FileSum{SHA256: o.SHA256, Path: name})
			}
			have[name] = o.SHA256
		}
	}
	doc, err := manifest.FormatSums(sums)
	if err != nil {
		return nil, err
	}
	return addition(tree, path.Join(release, signer, kind+".SHA256SUMS"), doc)
}

// addition finds the place of doc in the tree.
func addition(tree fs.FS, file string, doc []byte) (*Addition, error) {
	a := &Addition{File: file, Doc: doc}
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
	for _, ext := range signatureExtensions {
		if _, err := fs.Stat(tree, a.File+ext); err == nil {
			a.Signed = true
		}
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
	name := a.SigFile(sig)
	if strings.HasSuffix(name, ".asc") {
		var err error
		if sig, err = armour(sig); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
	}
	return writeWhole(root, name, sig)
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
