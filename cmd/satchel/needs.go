package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"satchel/aptmirror/fetch"
	"satchel/bundle"
	"satchel/bundle/gather"
	"satchel/bundle/plan"
	"satchel/bundle/store"
	"satchel/manifest"
	"satchel/runner"
)

// missingFile is the name, in a supplement, of the needs that it could not meet.
const missingFile = "missing.needs"

// writeNeeds writes what err says is missing to the file that --needs names. An
// error that is about something else writes nothing. It returns err, joined with
// what went wrong here.
func writeNeeds(ui *ui, name string, lock *manifest.Lock, err error) error {
	needs, e := needsOf(lock, err)
	if name == "" || needs == nil && e == nil {
		return err
	}
	var text []byte
	if e == nil {
		text, e = needs.Marshal()
	}
	if e == nil {
		e = writeFile(name, text)
	}
	if e != nil {
		return errors.Join(err, fmt.Errorf("writing what is missing: %w", e))
	}
	ui.Stepf("%s: what is missing; satchel gather --fetch-needs %s -o DIR fetches it where it can be had", name, filepath.Base(name))
	return err
}

// needsOf reads out of an error what is missing; nil if nothing is. lock may be nil.
func needsOf(lock *manifest.Lock, err error) (*manifest.Needs, error) {
	var missing *fetch.MissingError
	var absent *bundle.MissingError
	var script *runner.ScriptError
	var nobody *plan.UnfoundError
	switch {
	case errors.As(err, &nobody):
		return &manifest.Needs{Version: manifest.NeedsVersion, Archives: nobody.Archives, Blobs: nobody.Blobs}, nil
	case lock != nil && errors.As(err, &missing):
		return gather.Needs(lock, missing)
	case errors.As(err, &absent):
		n := &manifest.Needs{Version: manifest.NeedsVersion}
		for _, b := range absent.Blobs {
			n.Blobs = append(n.Blobs, manifest.NeededBlob{Name: absent.Title(b), Blob: b})
		}
		return n, nil
	case errors.As(err, &script) && len(script.Wanted) > 0:
		n := &manifest.Needs{Version: manifest.NeedsVersion}
		for _, w := range script.Wanted {
			h := manifest.NeededHost{Name: oneLine(w.Name + w.Address), Descriptor: script.Descriptor, Target: script.Target, Place: w.Place, URL: oneLine(w.URL)}
			if len(w.Commands) > 0 {
				h.Command = oneLine(w.Commands[len(w.Commands)-1])
			}
			n.Hosts = append(n.Hosts, h)
		}
		return n, nil
	}
	return nil, nil
}

// oneLine is what a script chose, fit to stand in a document.
func oneLine(s string) string { return printable(strings.Join(strings.Fields(s), " ")) }

// fetchNeeds fetches what somebody else was missing, and puts it into a folder
// that gather --from takes: a file for each blob, named by its hash.
func (c *gatherCmd) fetchNeeds(ctx context.Context, on *online) error {
	text, err := os.ReadFile(c.FetchNeeds)
	if err != nil {
		return err
	}
	needs, err := manifest.ParseNeeds(c.FetchNeeds, text)
	if err != nil {
		return err
	}
	for _, h := range needs.Hosts {
		on.ui.Stepf("the build of %s for %s asked for %s: what it wants there has to be named under files: in the descriptor, and in satchel.yaml", h.Descriptor, h.Target, strings.TrimSpace(h.Name+" "+h.URL))
	}
	if _, err := on.settings(c.FetchNeeds); err != nil { // for its mirrors
		return err
	}
	var own []string
	for _, a := range needs.Archives {
		own = append(own, a.Name)
	}
	if c.Lock == "" { // else it knows more
		if err := on.checkMirrors(own); err != nil {
			return err
		}
	}
	var lock *manifest.Lock
	if c.Lock != "" {
		if lock, err = c.plan(ctx, on); err != nil {
			return err
		}
	}
	if err := on.takeFrom(ctx, needs.Blobs, c.From); err != nil {
		return err
	}
	err = on.gatherer().Needed(ctx, needs, lock)
	var missing *fetch.MissingError
	if err != nil && !errors.As(err, &missing) {
		return err
	}
	return errors.Join(on.supplement(ctx, c.Output, needs, missing), advised(err))
}

// supplement writes the folder, whole or not at all: each blob that there is, and
// what is still missing.
func (o *online) supplement(ctx context.Context, name string, needs *manifest.Needs, missing *fetch.MissingError) error {
	dir, err := os.MkdirTemp(filepath.Dir(filepath.Clean(name)), ".satchel-supplement-")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	defer os.RemoveAll(dir)
	rest := &manifest.Needs{Version: manifest.NeedsVersion, Lock: needs.Lock}
	size := int64(0)
	ids := map[string]bool{}
	for _, b := range needs.Blobs {
		if missing != nil && !o.store.Has(b.Blob) {
			b.Tried = gather.Tried(missing, b.Blob)
			rest.Blobs = append(rest.Blobs, b)
			ids[b.Archive] = true
			continue
		}
		if err := copyBlob(ctx, o.store, b.Blob, filepath.Join(dir, b.SHA256.Hex())); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		size += b.Size
	}
	if len(rest.Blobs) > 0 {
		for _, a := range needs.Archives {
			if ids[a.ID()] {
				rest.Archives = append(rest.Archives, a)
			}
		}
		text, err := rest.Marshal()
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(dir, missingFile), text); err != nil {
			return err
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	if err := os.Rename(dir, name); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	o.ui.Stepf("%s: %s of %d, %s", name, count(len(needs.Blobs)-len(rest.Blobs), "blob"), len(needs.Blobs), bytesText(size))
	return nil
}

// copyBlob writes a blob to a new file.
func copyBlob(ctx context.Context, s *store.Store, b manifest.Blob, name string) error {
	r, err := s.Open(b)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(0o644))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, ctx.Err(), f.Sync(), f.Close())
}
