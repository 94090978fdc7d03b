package sigs

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"satchel/manifest/compare"
)

// maxEntries bounds the files of one tree.
const maxEntries = 1 << 20

// Set is all statements of a tree about one build: one release, one name.
type Set struct {
	Release string
	Name    string // of the descriptor; of a list of sums its own, "all"
	Entries []Entry
	More    []compare.Statement // from elsewhere, compared with them
}

// Entry is one statement of a tree.
type Entry struct {
	Signer string
	File   string // from the top of the tree, slash-separated
	Sig    string // likewise; "" if there is none
	Odd    string // why it cannot be read: a link, say
}

// List finds the statements of a tree: asserts and lists of sums, in folders of
// releases and signers. top is the name of the tree's folder: when the tree
// itself is one release, or one signer's folder, top is that release or signer.
// Sets are sorted by release and name, entries by file. .git is left out.
func List(fsys fs.FS, top string) ([]Set, error) {
	found := map[[2]string]*Set{}
	files := map[string]fs.FileMode{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case !d.IsDir():
			files[name] = d.Type()
		}
		if len(files) > maxEntries {
			return fmt.Errorf("more than %d files", maxEntries)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading tree %s: %w", top, err)
	}
	for file, mode := range files {
		name, ok := statementName(path.Base(file))
		if !ok {
			continue
		}
		e := Entry{File: file, Sig: signatureOf(file, files)}
		release, signer := whose(file, top)
		e.Signer = signer
		if !mode.IsRegular() {
			e.Odd = "it is no regular file"
		}
		key := [2]string{release, name}
		if found[key] == nil {
			found[key] = &Set{Release: release, Name: name}
		}
		found[key].Entries = append(found[key].Entries, e)
	}
	var all []Set
	for _, s := range found {
		slices.SortFunc(s.Entries, func(a, b Entry) int { return strings.Compare(a.File, b.File) })
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b Set) int {
		if d := strings.Compare(a.Release, b.Release); d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	return all, nil
}

// statementName is the name of the build that a file is about, by its own name.
func statementName(base string) (name string, ok bool) {
	if stem, ok := strings.CutSuffix(base, ".assert"); ok {
		return strings.TrimSuffix(stem, "-build"), true
	}
	if stem, ok := strings.CutSuffix(base, "SHA256SUMS"); ok {
		return strings.TrimSuffix(stem, ".") + sumsMark, true
	}
	return "", false
}

// sumsMark ends the name of a set of lists of sums. No descriptor's name has a space.
const sumsMark = " (sums)"

// signatureExtensions are what a signature's file may add to the name.
var signatureExtensions = []string{".sig", ".asc", ".gpg"}

func signatureOf(file string, files map[string]fs.FileMode) string {
	for _, ext := range signatureExtensions {
		if _, ok := files[file+ext]; ok {
			return file + ext
		}
	}
	return ""
}

// whose takes a path apart: RELEASE/SIGNER/FILE, less what top is already.
func whose(file, top string) (release, signer string) {
	parts := strings.Split(path.Dir(file), "/")
	switch {
	case path.Dir(file) == ".":
		return "", top
	case len(parts) == 1:
		return top, parts[0]
	}
	return strings.Join(parts[:len(parts)-1], "/"), parts[len(parts)-1]
}
