package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"satchel/bundle/sigs"
	"satchel/manifest/compare"
)

type compareCmd struct {
	What      []string `arg:"" type:"path" help:"Results, asserts or lists of sums; or the folder of a gitian.sigs tree, of one release or of all."`
	Threshold int      `help:"How many independent signers must have signed the same outputs; with a keyring, 1." placeholder:"N"`
	JSON      bool     `name:"json" help:"Print the comparison as JSON."`
	HTML      string   `name:"html" help:"Write the comparison to a page, too." placeholder:"FILE"`
	sigsFlags
}

// sigsFlags say whose signatures on asserts count.
type sigsFlags struct {
	Keyring []string `help:"Who may sign: OpenPGP keyrings, ssh allowed_signers, .pub keys; or a folder of them, each called by its owner." type:"path" placeholder:"FILE|DIR" sep:"none"`
}

// compared is what --json prints.
type compared struct {
	Answer    compare.Answer    `json:"answer"`    // the worst of all
	Threshold int               `json:"threshold"` // 0: signatures were not asked for
	Reports   []*compare.Report `json:"reports"`
}

// Run compares, prints, and ends with the exit code that says how it came out.
func (c *compareCmd) Run(ctx context.Context, ui *ui) error {
	switch {
	case c.Threshold != 0 && len(c.Keyring) == 0:
		return fmt.Errorf("%w: --threshold counts the signatures of a keyring: give one with --keyring", errUsage)
	case c.Threshold < 0:
		return fmt.Errorf("%w: --threshold must be 1 or more", errUsage)
	case c.Threshold == 0 && len(c.Keyring) > 0:
		c.Threshold = 1
	}
	keys, err := c.keys()
	if err != nil {
		return err
	}
	reader := sigs.Reader{Keys: keys, Now: time.Now()}
	sets, closeTree, err := c.sets(&reader)
	if err != nil {
		return err
	}
	defer closeTree()
	out := compared{Answer: compare.Agree, Threshold: c.Threshold, Reports: []*compare.Report{}}
	err = reader.Compare(ctx, sets, runtime.GOMAXPROCS(0), func(r *compare.Report) error {
		out.Reports = append(out.Reports, r)
		if !c.JSON {
			return reportTable(ui.out, r, len(sets) == 1 || r.Answer == compare.Differ)
		}
		return nil
	})
	if err != nil {
		return err
	}
	out.Answer = worst(out.Reports)
	if c.JSON {
		if err := ui.json(out); err != nil {
			return err
		}
	}
	if c.HTML != "" {
		if err := writePage(c.HTML, out.Reports); err != nil {
			return err
		}
	}
	if len(c.Keyring) == 0 {
		ui.Step("No keyring was given: who signed was not checked.")
	}
	return verdict(out)
}

// worst is the answer that matters most.
func worst(reports []*compare.Report) compare.Answer {
	for _, a := range []compare.Answer{compare.Differ, compare.Incomparable, compare.Alone} {
		if slices.ContainsFunc(reports, func(r *compare.Report) bool { return r.Answer == a }) {
			return a
		}
	}
	return compare.Agree
}

// verdict is the error that a comparison ends with.
func verdict(c compared) error {
	for _, r := range c.Reports {
		for _, b := range r.Builders {
			if b.Signature.Status == compare.Bad {
				return fmt.Errorf("%w: %s: the signature of %s is bad: %s", errNotVouched, b.File, b.Signer, b.Signature.Note)
			}
		}
		if c.Threshold > 0 && r.Vouching < c.Threshold {
			return fmt.Errorf("%w: %s: %d of %d good signatures on the same outputs", errNotVouched, label(r), r.Vouching, c.Threshold)
		}
	}
	for _, r := range c.Reports {
		if r.Answer != c.Answer {
			continue
		}
		switch {
		case r.Answer == compare.Differ:
			return fmt.Errorf("%w: %s: %s", errDiffer, label(r), r.Text)
		case r.Answer == compare.Incomparable, r.Answer == compare.Alone && c.Threshold == 0:
			return fmt.Errorf("%w: %s: %s", errIncomparable, label(r), r.Text)
		}
	}
	return nil
}

// label names what a report is about.
func label(r *compare.Report) string {
	if s := strings.TrimSpace(r.Release + " " + r.Name); s != "" {
		return s
	}
	return "the results"
}

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
		data, err := os.ReadFile(name)
		return []sigs.KeyFile{{Name: name, Data: data}}, err
	}
	var files []sigs.KeyFile
	for _, e := range entries {
		switch strings.ToLower(filepath.Ext(e.Name())) {
		case ".gpg", ".asc", ".pgp", ".pub", ".key":
		default:
			continue
		}
		data, err := os.ReadFile(filepath.Join(name, e.Name()))
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

// writePage writes the comparison for people.
func writePage(name string, reports []*compare.Report) error {
	var page bytes.Buffer
	if err := compare.Page(&page, reports); err != nil {
		return err
	}
	return writeFile(name, page.Bytes())
}
