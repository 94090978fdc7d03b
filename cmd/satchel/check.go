package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"time"

	"satchel/bundle/sigs"
	"satchel/manifest"
	"satchel/manifest/compare"
)

type checkCmd struct {
	File    string `arg:"" type:"existingfile" help:"The file to ask about."`
	Against string `required:"" type:"existingdir" help:"A gitian.sigs tree, of one release or of all." placeholder:"DIR"`
	Policy  string `required:"" type:"existingfile" help:"Who may vouch, with what weight, and how much it takes." placeholder:"FILE"`
	Release string `help:"It must be of this release." placeholder:"RELEASE"`
	JSON    bool   `name:"json" help:"Print the answer as JSON."`
	sigsFlags
}

// checked is what --json prints.
type checked struct {
	File   string          `json:"file"`
	SHA256 manifest.Digest `json:"sha256"`
	Good   bool            `json:"good"`
	Places []sigs.Vouched  `json:"places"` // the one with most weight first
}

// Run says which release a file is of and who vouches for it.
func (c *checkCmd) Run(ctx context.Context, ui *ui) error {
	policy, keys, err := c.trust()
	if err != nil {
		return err
	}
	sum, err := hashFile(os.DirFS(filepath.Dir(c.File)), filepath.Base(c.File))
	if err != nil {
		return fmt.Errorf("hashing %s: %w", c.File, err)
	}
	root, err := os.OpenRoot(c.Against)
	if err != nil {
		return err
	}
	defer root.Close()
	sets, err := sigs.List(root.FS(), filepath.Base(c.Against))
	if err != nil {
		return err
	}
	reader := sigs.Reader{FS: root.FS(), Keys: keys, Now: time.Now()}
	out := checked{File: c.File, SHA256: sum, Places: []sigs.Vouched{}}
	places, err := reader.Vouch(ctx, sets, policy, sum)
	if err != nil {
		return err
	}
	var why error
	for _, p := range places {
		if c.Release == "" || p.Release == c.Release {
			out.Places = append(out.Places, p)
		}
	}
	if out.Good, why = c.judge(out.Places, len(places)); c.JSON {
		if err := ui.json(out); err != nil {
			return err
		}
		return why
	}
	for _, p := range out.Places {
		if err := placeTable(ui, p); err != nil {
			return err
		}
	}
	return why
}

// judge says whether the file is good, or why not. A file that has the name of one
// output and the content of another may be an old release in a new one's place;
// so its name must be right, or the release said.
func (c *checkCmd) judge(places []sigs.Vouched, everywhere int) (bool, error) {
	if len(places) == 0 && everywhere > 0 {
		return false, fmt.Errorf("%w: %s is not of release %s", errNotVouched, c.File, c.Release)
	}
	if len(places) == 0 {
		return false, fmt.Errorf("%w: nobody in %s has built %s", errNotVouched, c.Against, c.File)
	}
	var named error
	for _, p := range places {
		if !p.Enough() {
			continue
		}
		if c.Release != "" || path.Base(p.Path) == filepath.Base(c.File) {
			return true, nil
		}
		named = fmt.Errorf("%w: it is %s of %s, not %s: an old file under a new name? If it is what you want, say so with --release %s",
			errNotVouched, p.Path, p.Release, filepath.Base(c.File), p.Release)
	}
	if named != nil {
		return false, named
	}
	early := 0
	for _, v := range places[0].Others {
		if v.Status == compare.Future {
			early++
		}
	}
	return false, fmt.Errorf("%w: signers of weight %d vouch for %s, the policy wants %d%s", errNotVouched, places[0].Weight, c.File, places[0].Minimum, clockHint(early))
}

// trust reads the policy and the keys that it or --keyring names.
func (c *checkCmd) trust() (*manifest.Policy, *sigs.Keys, error) {
	text, err := readBounded(c.Policy, maxStatement)
	if err != nil {
		return nil, nil, err
	}
	policy, err := manifest.ParsePolicy(c.Policy, text)
	if err != nil {
		return nil, nil, err
	}
	if len(c.Keyring) == 0 && policy.Keyring != "" {
		ring := policy.Keyring
		if !filepath.IsAbs(ring) {
			ring = filepath.Join(filepath.Dir(c.Policy), ring)
		}
		c.Keyring = []string{ring}
	}
	if len(c.Keyring) == 0 {
		return nil, nil, fmt.Errorf("%w: no keys are given: --keyring FILE, or keyring: in the policy", errUsage)
	}
	keys, err := c.keys()
	return policy, keys, err
}

func placeTable(ui *ui, p sigs.Vouched) error {
	if err := ui.answer("%s\n", printable(fmt.Sprintf("%s %s %s: weight %d of %d", p.Release, p.Name, p.Path, p.Weight, p.Minimum))); err != nil {
		return err
	}
	t := newTable(ui.out)
	for _, v := range p.Vouchers {
		t.row("", "vouches", v.Signer, v.Weight, v.Status, v.Key)
	}
	for _, v := range p.Others {
		t.row("", "does not count", v.Signer, "", v.Status, v.Key)
	}
	for _, v := range p.Against {
		t.row("", "has another file", v.Signer, v.Weight, v.Status, v.Key)
	}
	return t.Flush()
}
