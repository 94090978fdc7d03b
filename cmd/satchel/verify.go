package main

import (
	"context"
	"errors"
	"os"
	"time"

	"satchel/aptmirror"
	"satchel/bundle"
	"satchel/manifest"
)

// trustFlags say whom a bundle must be signed by; verify and run share them.
type trustFlags struct {
	Keyring        []string `help:"Who may sign: an ssh allowed_signers file, or .pub keys." type:"existingfile" placeholder:"FILE" sep:"none"`
	Threshold      int      `help:"How many of them must have signed." default:"1" placeholder:"N"`
	Unsigned       bool     `help:"Do not ask who signed; check only that the bundle is whole."`
	ArchiveKeyring []string `help:"Also demand that the archives' keys are among these." type:"existingfile" placeholder:"FILE" sep:"none"`
}

type verifyCmd struct {
	Bundle string `arg:"" name:"file" type:"existingfile" help:"The bundle; or provenance, NAME-provenance.intoto.jsonl."`
	JSON   bool   `name:"json" help:"Print the report as JSON."`
	trustFlags
}

// Run checks everything and says what was checked.
func (c *verifyCmd) Run(ctx context.Context, ui *ui) error {
	if is, err := isJSON(c.Bundle); err != nil || is {
		return errors.Join(err, c.provenance(ui, is))
	}
	v, report, err := open(ctx, ui, c.Bundle, c.trustFlags)
	if err != nil {
		return err
	}
	defer v.Close()
	if c.JSON {
		return ui.json(report)
	}
	for _, s := range report.Signatures {
		ui.Step("signed by " + s.String())
	}
	tellWaived(ui, v.Lock())
	tellVouched(ui, v.Lock())
	ui.Stepf("%s: %s", c.Bundle, summary(v.Lock()))
	return ui.answer("%s  %s\n", v.Identity(), c.Bundle)
}

// tellWaived says what whoever locked did not ask of the archives.
func tellWaived(ui *ui, lock *manifest.Lock) {
	for _, a := range lock.Archives {
		for _, w := range a.Waived {
			ui.Stepf("archive %s: %s", a.ID(), w.Meaning())
		}
	}
}

// open verifies a bundle: nothing of it is used before.
func open(ctx context.Context, ui *ui, name string, t trustFlags) (*bundle.Verified, *bundle.Report, error) {
	policy, err := t.policy()
	if err != nil {
		return nil, nil, err
	}
	f, err := bundle.Open(name)
	if err != nil {
		return nil, nil, err // it names the file
	}
	p := ui.progress("verifying")
	v, report, err := f.Verify(ctx, policy, p)
	p.Done()
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return v, report, nil
}

// policy reads the keyrings. None at all trusts nobody.
func (t trustFlags) policy() (bundle.Policy, error) {
	p := bundle.Policy{Threshold: t.Threshold, Unsigned: t.Unsigned, Now: time.Now()}
	var all []byte
	for _, name := range t.Keyring {
		text, err := os.ReadFile(name)
		if err != nil {
			return p, err
		}
		if _, err := bundle.ParseSigners(name, text); err != nil {
			return p, err
		}
		all = append(append(all, text...), '\n')
	}
	if len(t.Keyring) > 0 {
		signers, err := bundle.ParseSigners("keyring", all)
		if err != nil {
			return p, err
		}
		p.AllowedSigners = signers
	}
	if len(t.ArchiveKeyring) > 0 {
		keys, err := readKeyrings(t.ArchiveKeyring)
		if err != nil {
			return p, err
		}
		p.ArchiveKeys = keys
	}
	return p, nil
}

// readKeyrings reads OpenPGP keyrings into one.
func readKeyrings(names []string) (*aptmirror.Keyring, error) {
	var all []aptmirror.KeyringFile
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, aptmirror.KeyringFile{Name: name, Data: text})
	}
	return aptmirror.ReadKeyrings(all)
}
