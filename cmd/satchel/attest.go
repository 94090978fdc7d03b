package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"satchel/bundle/sigs"
	"satchel/manifest"
)

type attestCmd struct {
	Result  []string `arg:"" type:"existingpath" help:"Result folders, NAME-res.yml files, or asserts that are to be signed."`
	Signer  string   `required:"" help:"Your name in the tree: the folder of your asserts." placeholder:"NAME"`
	Release []string `help:"What was released: VERSION-PLATFORM, as 1.0-linux. With several results, NAME=RELEASE for each." placeholder:"[NAME=]RELEASE" sep:"none"`
	Dir     string   `short:"d" help:"The gitian.sigs tree." default:"gitian.sigs" placeholder:"DIR"`
	Key     string   `help:"What signs: gpg:ID (agent, smartcard), a file with an OpenPGP secret key or an SSH key, or a .pub file whose key the ssh-agent holds. Without it, gpg signs as NAME." placeholder:"KEY" xor:"key"`
	NoSign  bool     `help:"Write asserts without signatures; the same command with a key adds them, here or elsewhere." xor:"key"`
	GPG     string   `name:"gpg" help:"The gpg program." default:"gpg" placeholder:"PROGRAM"`
	Sums    string   `help:"Write a list of sums in the way of guix.sigs in place of asserts: ${enum}." enum:",all,noncodesigned" default:"" placeholder:"all|noncodesigned"`
	DryRun  bool     `help:"Say what would be written, and write nothing."`
	JSON    bool     `name:"json" help:"Print what was written as JSON."`
}

// attested is what --json prints for each result.
type attested struct {
	File      string `json:"file"`                // in the tree
	Signature string `json:"signature,omitempty"` // likewise; that this run wrote
	Wrote     bool   `json:"wrote"`               // false: the very same was there
	Signed    bool   `json:"signed"`              // by this run
}

// Run checks every result first, then signs, then writes: what is refused leaves
// the tree as it was.
func (c *attestCmd) Run(ctx context.Context, ui *ui) error {
	results, origins, err := c.results()
	if err != nil {
		return err
	}
	tree, err := c.tree()
	if err != nil {
		return err
	}
	plan, err := c.plan(ui, tree, results)
	if err != nil {
		return err
	}
	if c.DryRun {
		return c.print(ui, plan, nil)
	}
	signatures, err := c.sign(ctx, ui, plan)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return fmt.Errorf("making the tree: %w", err)
	}
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for i, a := range plan {
		if err := a.Write(root, signatures[i]); err != nil {
			return err
		}
	}
	if err := c.seal(ctx, ui, origins); err != nil {
		return err
	}
	return c.print(ui, plan, signatures)
}

// plan finds the place of each assert, or of the list of sums. What is there
// already and says something else is shown.
func (c *attestCmd) plan(ui *ui, tree fs.FS, results []*manifest.Result) (plan []*sigs.Addition, err error) {
	var releases []string
	for _, r := range results {
		release, err := c.releaseOf(r)
		if err != nil {
			return nil, err
		}
		releases = append(releases, release)
		if c.Sums != "" {
			continue
		}
		a, err := sigs.Plan(tree, *r, release, c.Signer)
		if err != nil {
			return nil, shown(ui, err)
		}
		plan = append(plan, a)
	}
	if c.Sums == "" {
		return plan, nil
	}
	if len(slices.Compact(slices.Sorted(slices.Values(releases)))) != 1 {
		return nil, fmt.Errorf("%w: a list of sums is of one release, not of %s", errUsage, strings.Join(releases, ", "))
	}
	a, err := sigs.PlanSums(tree, c.Sums, results, releases[0], c.Signer)
	return []*sigs.Addition{a}, shown(ui, err)
}

// shown tells the difference if err is that something else is there.
func shown(ui *ui, err error) error {
	var exists *sigs.ExistsError
	if errors.As(err, &exists) {
		ui.Step(strings.TrimSuffix(exists.Diff, "\n"))
		return fmt.Errorf("%w: %w", errDiffer, err)
	}
	return err
}

// tree is what the tree holds now; it may not be there yet.
func (c *attestCmd) tree() (fs.FS, error) {
	if _, err := os.Stat(c.Dir); errors.Is(err, fs.ErrNotExist) {
		return emptyFS{}, nil
	}
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("opening the tree: %w", err)
	}
	return root.FS(), nil // open until the program ends
}

// emptyFS is a folder that is not there yet.
type emptyFS struct{}

func (emptyFS) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// releaseOf is the release of a result: its own, the one of its name, or the one
// for all.
func (c *attestCmd) releaseOf(r *manifest.Result) (string, error) {
	release := r.Release
	for _, s := range c.Release {
		name, own, named := strings.Cut(s, "=")
		switch {
		case named && name == r.Name:
			release = own
		case !named && len(c.Release) == 1:
			release = s
		case !named:
			return "", fmt.Errorf("%w: with several releases each is NAME=RELEASE, and %q is not", errUsage, s)
		}
	}
	switch {
	case release == "":
		return "", fmt.Errorf("%w: say what %s is a release of: --release VERSION-PLATFORM", errUsage, r.Name)
	case r.Release != "" && r.Release != release:
		return "", fmt.Errorf("%w: the assert of %s is for release %s, not for %s", errUsage, r.Name, r.Release, release)
	}
	return release, nil
}

// sign makes the signatures that are missing; nil where there is one.
func (c *attestCmd) sign(ctx context.Context, ui *ui, plan []*sigs.Addition) ([][]byte, error) {
	out := make([][]byte, len(plan))
	if c.NoSign {
		return out, nil
	}
	var s sigs.Signer
	for i, a := range plan {
		if a.Signed {
			ui.Stepf("%s is signed already", a.File)
			continue
		}
		if s == nil {
			var err error
			if s, err = c.signer(ctx); err != nil {
				return nil, err
			}
		}
		var err error
		if out[i], err = s.Sign(ctx, a.Doc); err != nil {
			return nil, err
		}
		ui.Stepf("%s: signed by %s", a.File, s.Name())
	}
	return out, nil
}

func (c *attestCmd) print(ui *ui, plan []*sigs.Addition, signatures [][]byte) error {
	all := []attested{}
	for i, a := range plan {
		t := attested{File: a.File, Wrote: !a.Exists && !c.DryRun}
		if signatures != nil && signatures[i] != nil {
			t.Signed, t.Signature = true, a.SigFile(signatures[i])
		}
		all = append(all, t)
		if c.DryRun && a.Exists {
			ui.Stepf("%s is there already, the very same", a.File)
		} else if c.DryRun {
			ui.Stepf("%s would be written", a.File)
		}
	}
	if c.JSON {
		return ui.json(all)
	}
	for _, t := range all {
		if err := ui.answer("%s\n", filepath.Join(c.Dir, t.File)); err != nil {
			return err
		}
	}
	return nil
}
