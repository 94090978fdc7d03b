package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"satchel/bundle/sigs"
	"satchel/manifest/compare"
)

// keys reads the keyrings; nil if there are none.
func (f sigsFlags) keys() (*sigs.Keys, error) {
	var files []sigs.KeyFile
	for _, name := range f.Keyring {
		some, err := keyFiles(name)
		if err != nil {
			return nil, err
		}
		files = append(files, some...)
	}
	if len(f.Keyring) == 0 {
		return nil, nil
	}
	return sigs.ReadKeys(files)
}

// keyFiles reads a file of keys, or those of a folder, each called by its owner.
func keyFiles(name string) ([]sigs.KeyFile, error) {
	entries, err := os.ReadDir(name)
	if err != nil {
		data, err := readBounded(name, maxKeyFile)
		return []sigs.KeyFile{{Name: name, Data: data}}, err
	}
	var files []sigs.KeyFile
	for _, e := range entries {
		switch strings.ToLower(filepath.Ext(e.Name())) {
		case ".gpg", ".asc", ".pgp", ".pub", ".key":
		default:
			continue
		}
		data, err := readBounded(filepath.Join(name, e.Name()), maxKeyFile)
		if err != nil {
			return nil, err
		}
		files = append(files, sigs.KeyFile{Name: filepath.Join(name, e.Name()), Owner: sigs.OwnerOf(e.Name()), Data: data})
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("reading keys: %s holds no .gpg, .asc, .pgp, .key or .pub file", name)
	}
	return files, nil
}

// sets finds what is compared with what: the sets of a tree, and with each, or
// alone, the results and asserts that were named.
func (c *compareCmd) sets(reader *sigs.Reader) (sets []sigs.Set, done func() error, err error) {
	done = func() error { return nil }
	var loose []compare.Statement
	for _, what := range slices.Compact(slices.Sorted(slices.Values(c.What))) {
		files, isTree, err := statementFiles(what)
		if err != nil {
			return nil, done, err
		}
		for _, file := range files {
			s, err := c.loose(*reader, file)
			if err != nil {
				return nil, done, err
			}
			loose = append(loose, s)
		}
		if !isTree {
			continue
		}
		if reader.FS != nil {
			return nil, done, fmt.Errorf("%w: one gitian.sigs tree at a time", errUsage)
		}
		root, err := os.OpenRoot(what)
		if err != nil {
			return nil, done, err
		}
		reader.FS, done = root.FS(), root.Close
		if sets, err = sigs.List(reader.FS, filepath.Base(what)); err != nil {
			return nil, done, err
		}
	}
	return with(sets, loose), done, nil
}

// with puts loose statements beside the sets of their name; where there is no
// tree, they are a set, or one for each name if there are several of each.
func with(sets []sigs.Set, loose []compare.Statement) []sigs.Set {
	names := map[string]int{}
	for _, s := range loose {
		names[s.Result.Name]++
	}
	if len(sets) == 0 && len(names) == len(loose) {
		return []sigs.Set{{More: loose}} // of one name, or each of another: not comparable, and said so
	}
	for _, s := range loose {
		found := false
		for i := range sets {
			if sets[i].Name == s.Result.Name {
				sets[i].More = append(sets[i].More, s)
				found = true
			}
		}
		if !found {
			sets = append(sets, sigs.Set{Name: s.Result.Name, More: []compare.Statement{s}})
		}
	}
	return sets
}

// statementFiles tells what an argument is: a file, a result folder with its
// files, or a tree.
func statementFiles(what string) (files []string, isTree bool, err error) {
	fi, err := os.Stat(what)
	if err != nil || !fi.IsDir() {
		return []string{what}, false, err
	}
	for _, pattern := range []string{"*-res.yml", "*/*-res.yml"} {
		if files, err = filepath.Glob(filepath.Join(what, pattern)); err != nil || len(files) > 0 {
			return files, false, err
		}
	}
	return nil, true, nil
}

// loose reads a statement that was named. What cannot be read is an error here.
func (c *compareCmd) loose(reader sigs.Reader, file string) (compare.Statement, error) {
	reader.FS = os.DirFS(filepath.Dir(file))
	e := sigs.Entry{Signer: file, File: filepath.Base(file)}
	for _, ext := range []string{".sig", ".asc"} {
		if _, err := os.Stat(file + ext); err == nil {
			e.Sig = e.File + ext
			break
		}
	}
	s := reader.Entry(e)
	s.File = file
	if s.Problem != "" {
		return s, errors.New(s.Problem)
	}
	origin, err := provenanceOf(file, s.Result)
	if err == nil && origin != nil {
		s.Environments = origin.statement.Environments()
	}
	return s, err
}
