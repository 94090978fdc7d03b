package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"satchel/bundle"
	"satchel/bundle/store"
	"satchel/bundle/why"
	"satchel/manifest"
)

type whyCmd struct {
	Package string `arg:"" help:"Its name, with :ARCHITECTURE if need be."`
	Bundle  string `arg:"" optional:"" type:"existingfile" help:"The bundle to look in."`
	Lock    string `help:"The lock to look in instead; what the cache has of its indexes is read." default:"satchel.lock" placeholder:"FILE"`
	JSON    bool   `name:"json" help:"Print the answers as JSON."`
}

// Run explains, offline.
func (c *whyCmd) Run(ctx context.Context, g *globals, ui *ui) error {
	answers, err := c.explain(ctx, g, ui)
	if err != nil {
		return err
	}
	if c.JSON {
		return ui.json(answers)
	}
	for _, a := range answers {
		if err := ui.answer("%s %s %s in %s %s %s\n", a.Package, a.Version, a.Of, a.Descriptor, a.Suite, a.Architecture); err != nil {
			return err
		}
		for _, step := range a.Chain {
			if err := ui.answer("  %s\n", printable(step)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *whyCmd) explain(ctx context.Context, g *globals, ui *ui) ([]why.Answer, error) {
	if c.Bundle != "" {
		v, _, err := open(ctx, ui, c.Bundle, trustFlags{Unsigned: true, Threshold: 1})
		if err != nil {
			return nil, err
		}
		defer v.Close()
		return why.Explain(ctx, v.Lock(), v.Open, c.Package)
	}
	lock, err := readLock(c.Lock)
	if err != nil {
		return nil, err
	}
	dir, err := g.cacheDir()
	if err != nil {
		return nil, err
	}
	s, err := store.Open(filepath.Join(dir, "blobs"))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return why.Explain(ctx, lock, func(b manifest.Blob) (io.ReadCloser, error) {
		r, err := s.Open(b)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: the cache does not have it; satchel gather --lock %s fetches it, and a bundle of this lock holds it", bundle.ErrMissing, c.Lock)
		}
		return r, err
	}, c.Package)
}

// readLock reads a lock from a file.
func readLock(name string) (*manifest.Lock, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return manifest.ParseLock(name, text)
}
