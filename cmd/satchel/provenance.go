package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"satchel/bundle/sigs"
	"satchel/manifest"
	"satchel/manifest/provenance"
)

// origin is the provenance beside a result.
type origin struct {
	file      string // NAME-provenance.json
	text      []byte
	statement *provenance.Statement
}

// provenanceOf reads the provenance beside NAME-res.yml; nil if there is none.
// Provenance of another result is an error: something was mixed up.
func provenanceOf(result string, r *manifest.Result) (*origin, error) {
	stem, ok := strings.CutSuffix(result, "-res.yml")
	if !ok {
		return nil, nil
	}
	o := &origin{file: stem + "-provenance.json"}
	var err error
	if o.text, err = readBounded(o.file, maxProvenance); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		o.statement, err = provenance.Parse(o.file, o.text)
	}
	if err == nil {
		if err = o.statement.Of(r); err != nil {
			err = fmt.Errorf("reading %s: %w", o.file, err)
		}
	}
	return o, err
}

// seal writes the provenance as DSSE envelopes, NAME-provenance.intoto.jsonl,
// signed by the SSH key that signs the asserts. DSSE has no form for gpg's.
func (c *attestCmd) seal(ctx context.Context, ui *ui, origins []*origin) error {
	for _, o := range origins {
		if o == nil || c.NoSign {
			continue
		}
		name := strings.TrimSuffix(o.file, ".json") + ".intoto.jsonl"
		if _, err := os.Lstat(name); err == nil {
			ui.Stepf("%s is there already", name)
			continue
		}
		s, err := c.signer(ctx)
		if err != nil {
			return err
		}
		ssh, ok := s.(sigs.EnvelopeSigner)
		if !ok {
			ui.Stepf("%s is not signed: DSSE takes an SSH key, not gpg's", o.file)
			continue
		}
		e := provenance.Seal(o.text)
		if err := ssh.SignEnvelope(ctx, e, o.text); err != nil {
			return err
		}
		text, err := e.Marshal()
		if err != nil {
			return err
		}
		if err := writeFile(name, text); err != nil {
			return err
		}
		ui.Stepf("%s: signed by %s", name, s.Name())
	}
	return nil
}
