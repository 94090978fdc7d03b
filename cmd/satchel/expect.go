package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"satchel/aptmirror"
	"satchel/bundle/sigs"
	"satchel/manifest"
	"satchel/manifest/compare"
	"satchel/runner"
)

// expectation is what a run must come to: an assert, a result or a list of sums.
type expectation struct {
	file   string
	result *manifest.Result
}

// readExpectations reads what --expect names, before anything is built. names are
// the descriptors that will be built: an assert of another could never be met.
func readExpectations(files, names []string) ([]expectation, error) {
	var all []expectation
	for _, file := range files {
		text, err := readBounded(file, maxStatement)
		if err != nil {
			return nil, err
		}
		r, err := sigs.ParseStatement(file, text)
		if err != nil {
			return nil, err
		}
		if r.Name != "" && !slices.Contains(names, r.Name) {
			return nil, fmt.Errorf("%w: %s expects outputs of %s; what is built is %s", errUsage, file, r.Name, strings.Join(names, ", "))
		}
		all = append(all, expectation{file, r})
	}
	return all, nil
}

// meet compares what was built with what was expected, and prints why where they
// differ. Every output must be expected, and an assert's outputs must all be
// there; a list of sums may hold those of other builds.
func meet(ui *ui, all []expectation, built []runner.Built) error {
	for _, e := range all {
		met := false
		for _, b := range built {
			file := filepath.Join(b.Dir, b.Manifest.Path)
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			got, err := manifest.ParseResult(file, text)
			if err != nil {
				return err
			}
			if e.result.Name != "" && e.result.Name != got.Name {
				continue
			}
			met = true
			if err := e.check(ui, file, got); err != nil {
				return err
			}
		}
		if met {
			ui.Stepf("Reproduced: the outputs are those of %s", e.file)
		}
	}
	return nil
}

func (e expectation) check(ui *ui, file string, got *manifest.Result) error {
	want := *e.result
	if want.Name == "" {
		want.Out = of(want.Out, got.Out)
	}
	ours := compare.Statement{Signer: "this build", File: file, Result: got}
	origin, err := provenanceOf(file, got)
	if err != nil {
		return err
	}
	if origin != nil {
		ours.Environments = origin.statement.Environments()
	}
	theirs := compare.Statement{Signer: "expected", File: e.file, Result: &want}
	r := compare.Compare(want.Release, got.Name, []compare.Statement{theirs, ours}, aptmirror.CompareVersions)
	if r.Answer == compare.Agree {
		return nil
	}
	if err := reportTable(ui.err, r, true); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s is not reproduced; the result is kept in %s", errDiffer, e.file, filepath.Dir(file))
}

// of picks, from a list of sums, those that are meant for outputs: by path, or by
// base name, which is all that guix.sigs' lists have. They get the outputs' paths.
func of(sums, outputs []manifest.FileSum) []manifest.FileSum {
	byName := map[string]manifest.Digest{}
	for _, s := range sums {
		byName[s.Path] = s.SHA256
	}
	picked := []manifest.FileSum{}
	for _, o := range outputs {
		d, ok := byName[o.Path]
		if !ok {
			d, ok = byName[path.Base(o.Path)]
		}
		if ok {
			picked = append(picked, manifest.FileSum{SHA256: d, Path: o.Path})
		}
	}
	return picked
}
