package runner

import (
	"fmt"
	"path/filepath"
	"time"

	"satchel/manifest"
	"satchel/manifest/provenance"
)

// provenance writes NAME-provenance.json: an in-toto statement of where the
// result comes from. text is NAME-res.yml.
func (r *Run) provenance(built *Built, pin manifest.DescriptorPin, targets []manifest.Target, dir string, text []byte, started time.Time) error {
	b := provenance.Build{
		Lock: r.Lock, Bundle: r.Bundle, Descriptor: pin, Result: &manifest.Result{}, ResultText: text, Environments: map[string]manifest.Digest{}, Satchel: r.Satchel,
		Internal: provenance.Internal{Engine: r.Engine.Name(), Jobs: r.Options.Jobs, Memory: r.Options.Memory, Sudo: built.Sudo},
		Started:  started, Finished: r.now(),
	}
	for _, o := range built.Outputs {
		b.Result.Out = append(b.Result.Out, manifest.FileSum{SHA256: o.SHA256, Path: o.Path})
	}
	for i, t := range targets {
		b.Environments[t.Suite+"-"+t.Architecture] = built.Environments[i].Root
	}
	s, err := provenance.New(b)
	if err != nil {
		return err
	}
	doc, err := s.Marshal()
	if err != nil {
		return err
	}
	built.Provenance = pin.Name + "-provenance.json"
	if err := writeNew(filepath.Join(dir, built.Provenance), doc); err != nil {
		return fmt.Errorf("writing %s: %w", built.Provenance, err)
	}
	return nil
}
