package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"satchel/manifest"
)

// results reads what is to be attested and the provenance beside it, and checks
// output files that are at hand.
func (c *attestCmd) results() (all []*manifest.Result, origins []*origin, err error) {
	names := map[string]string{}
	for _, what := range c.Result {
		files, isTree, err := statementFiles(what)
		if err != nil {
			return nil, nil, err
		}
		if isTree {
			return nil, nil, fmt.Errorf("reading %s: it holds no NAME-res.yml", what)
		}
		for _, file := range files {
			data, err := readBounded(file, maxStatement)
			if err != nil {
				return nil, nil, err
			}
			r, err := manifest.ParseResult(file, data)
			if err != nil {
				return nil, nil, err
			}
			if old, ok := names[r.Name]; ok {
				return nil, nil, fmt.Errorf("%w: %s and %s are both results of %s", errUsage, old, file, r.Name)
			}
			names[r.Name] = file
			if err := checkOutputs(filepath.Join(filepath.Dir(file), "out"), r.Out); err != nil {
				return nil, nil, err
			}
			o, err := provenanceOf(file, r)
			if err != nil {
				return nil, nil, err
			}
			all, origins = append(all, r), append(origins, o)
		}
	}
	return all, origins, nil
}

// checkOutputs compares a result with the output files beside it, if they are
// there: nobody should sign for files that are others.
func checkOutputs(dir string, sums []manifest.FileSum) error {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at the outputs: %w", err)
	}
	defer root.Close()
	for _, s := range sums {
		if !filepath.IsLocal(s.Path) {
			return fmt.Errorf("checking %s: %q leads out of it", dir, s.Path)
		}
		got, err := hashFile(root.FS(), s.Path)
		if err != nil {
			return fmt.Errorf("checking %s: %w", filepath.Join(dir, s.Path), err)
		}
		if got != s.SHA256 {
			return fmt.Errorf("%w: %s has sha256 %s, and the result says %s", errDiffer, filepath.Join(dir, s.Path), got.Hex(), s.SHA256.Hex())
		}
	}
	return nil
}
