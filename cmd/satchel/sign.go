package main

import (
	"context"
	"fmt"

	"satchel/bundle"
)

type signCmd struct {
	Bundle string   `arg:"" type:"existingfile" help:"The bundle."`
	Key    []string `required:"" help:"SSH private key, or a .pub file whose key the agent holds." placeholder:"KEY" sep:"none"`
	trustFlags
}

// Run verifies a bundle, whole, and adds signatures: nobody should sign what
// they have not checked. Who signed before is asked only if a keyring is given.
func (c *signCmd) Run(ctx context.Context, ui *ui) error {
	if len(c.Keyring) == 0 {
		c.Unsigned = true
	}
	v, _, err := open(ctx, ui, c.Bundle, c.trustFlags)
	if err != nil {
		return err
	}
	doc, err := bundle.Manifest(v.Lock())
	if err != nil {
		return err
	}
	id := v.Identity()
	if err := v.Close(); err != nil {
		return err
	}
	for _, name := range c.Key {
		s, err := signer(ctx, name)
		if err != nil {
			return fmt.Errorf("reading signing key %s: %w", name, err)
		}
		sig, err := s.Sign(ctx, bundle.SignatureNamespace, doc)
		if err != nil {
			return fmt.Errorf("signing with %s: %w", s.Fingerprint(), err)
		}
		if err := bundle.AddSignature(ctx, c.Bundle, sig); err != nil {
			return err
		}
		ui.Stepf("signed by %s", s.Fingerprint())
	}
	return ui.answer("%s  %s\n", id, c.Bundle)
}
