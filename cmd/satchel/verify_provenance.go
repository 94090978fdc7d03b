package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"satchel/bundle"
	"satchel/manifest/provenance"
)

// verifiedProvenance is what verify --json prints of provenance.
type verifiedProvenance struct {
	File       string            `json:"file"`
	Signatures []bundle.SignedBy `json:"signatures"`
	Trusted    int               `json:"trusted"`   // independent trusted signers
	Threshold  int               `json:"threshold"` // how many it took; 0 for --unsigned
	Subjects   []subject         `json:"subjects"`
}

// subject is an output that provenance speaks of, and what is here of it.
type subject struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Here   string `json:"here"` // "same", "other", or "absent"
}

// isJSON tells provenance from a bundle, which begins with the name of its first entry.
func isJSON(name string) (bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, 1)
	_, err = io.ReadFull(f, head)
	return err == nil && head[0] == '{', nil
}

// provenance checks the signatures of provenance, and then the outputs that it
// speaks of, as far as they lie beside it.
func (c *verifyCmd) provenance(ui *ui, is bool) error {
	if !is {
		return nil
	}
	text, err := readBounded(c.Bundle, maxProvenance)
	if err != nil {
		return err
	}
	policy, err := c.policy()
	if err != nil {
		return err
	}
	e, payload, err := provenance.Open(c.Bundle, text)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotVouched, err)
	}
	out := verifiedProvenance{File: c.Bundle, Subjects: []subject{}}
	if !c.Unsigned {
		out.Threshold = c.Threshold
	}
	if out.Signatures, out.Trusted, err = policy.CheckEnvelope(e, payload); err != nil {
		return fmt.Errorf("%w: %s: %w", errNotVouched, c.Bundle, err)
	}
	for _, s := range out.Signatures {
		ui.Step("signed by " + s.String())
	}
	if !c.Unsigned && (out.Trusted < c.Threshold || c.Threshold < 1) {
		return fmt.Errorf("%w: %s: %d of %d trusted signatures (--keyring FILE says whose count)", errNotVouched, c.Bundle, out.Trusted, c.Threshold)
	}
	statement, err := provenance.Parse(c.Bundle, payload)
	if err != nil {
		return err
	}
	if out.Subjects, err = subjectsHere(filepath.Dir(c.Bundle), statement); err != nil {
		return err
	}
	return out.tell(ui, c.JSON)
}

// subjectsHere hashes the outputs that lie beside the provenance, below out/.
func subjectsHere(dir string, s *provenance.Statement) ([]subject, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	all := []subject{}
	look := func(name, file, want string) error {
		sum, err := hashFile(root.FS(), file)
		here := "same"
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
			here = "absent"
		case err != nil:
			return fmt.Errorf("hashing %s: %w", name, err)
		case sum.Hex() != want:
			here = "other"
		}
		all = append(all, subject{Name: name, SHA256: want, Here: here})
		return nil
	}
	for _, o := range s.Subject {
		if err := look(o.Name, "out/"+o.Name, o.Digest["sha256"]); err != nil {
			return nil, err
		}
	}
	name := s.Predicate.BuildDefinition.ExternalParameters.Descriptor + "-res.yml"
	for _, b := range s.Predicate.RunDetails.Byproducts {
		if b.Name == name {
			if err := look(name, name, b.Digest["sha256"]); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// tell prints what provenance speaks of. Files that are here and are not that end
// it as outputs that differ.
func (v *verifiedProvenance) tell(ui *ui, asJSON bool) error {
	var err error
	absent := 0
	for _, s := range v.Subjects {
		switch s.Here {
		case "other":
			err = errors.Join(err, fmt.Errorf("%w: %s beside %s is not what it speaks of", errDiffer, printable(s.Name), v.File))
		case "absent":
			absent++
		}
	}
	if absent > 0 {
		ui.Stepf("%d of %d files that it speaks of are not beside it", absent, len(v.Subjects))
	}
	if asJSON {
		return errors.Join(ui.json(v), err)
	}
	for _, s := range v.Subjects {
		if e := ui.answer("%s  %s\n", s.SHA256, printable(s.Name)); e != nil {
			return e
		}
	}
	return err
}
