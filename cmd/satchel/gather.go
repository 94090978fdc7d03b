package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"satchel/aptmirror/fetch"
	"satchel/bundle"
	"satchel/bundle/gather"
	"satchel/imagestore/pull"
	"satchel/manifest"
)

type gatherCmd struct {
	Descriptors []string `arg:"" optional:"" name:"descriptor" type:"existingfile" help:"Gitian descriptors to lock first."`
	Lock        string   `help:"Lock to fulfil, instead of descriptors." type:"existingfile" placeholder:"FILE"`
	FetchNeeds  string   `help:"What was missing somewhere else (--needs): fetch just that, into a folder for --from." type:"existingfile" placeholder:"FILE"`
	Output      string   `short:"o" help:"Bundle to write; with --fetch-needs, folder." placeholder:"FILE.satchel" required:""`
	Needs       string   `help:"File to write what nobody has to." placeholder:"FILE"`
	Sign        []string `help:"SSH private key to sign with, or a .pub file whose key the agent holds." placeholder:"KEY" sep:"none"`
	Force       bool     `help:"Replace the bundle if it is there."`
	From        []string `help:"Folders of .debs and files, apt's caches, discs, mirrors on a disk, and older bundles, to take content from." placeholder:"DIR|BUNDLE" sep:"none"`
	lockFlags
}

// Run fetches and packs.
func (c *gatherCmd) Run(ctx context.Context, g *globals, ui *ui) error {
	if err := c.sensible(); err != nil {
		return err
	}
	signers, err := c.signers(ctx)
	if err != nil {
		return err
	}
	on, err := g.online(ui, c.lockFlags)
	if err != nil {
		return err
	}
	defer on.close()
	if c.FetchNeeds != "" {
		return c.fetchNeeds(ctx, on)
	}
	lock, err := c.plan(ctx, on)
	if err != nil {
		return writeNeeds(ui, c.Needs, nil, err)
	}
	if err := on.gather(ctx, lock, c.From); err != nil {
		return writeNeeds(ui, c.Needs, lock, err)
	}
	flushed := make(chan error, 1)
	go func() { flushed <- on.store.Flush() }() // the disk works while the processors pack
	return errors.Join(on.pack(ctx, lock, c.Output, signers), <-flushed)
}

// sensible refuses command lines that contradict themselves.
func (c *gatherCmd) sensible() error {
	fetching := c.FetchNeeds != ""
	switch {
	case fetching && (len(c.Descriptors) > 0 || len(c.Sign) > 0 || c.Needs != ""):
		return fmt.Errorf("%w: --fetch-needs takes no descriptors, --sign or --needs: it makes a folder for --from", errUsage)
	case !fetching && (c.Lock == "") == (len(c.Descriptors) == 0):
		return fmt.Errorf("%w: gather takes either descriptors or --lock FILE", errUsage)
	case len(c.FromAssert) > 0 && (c.Lock != "" || fetching):
		return fmt.Errorf("%w: --from-assert says what to lock; a lock has its asserts already", errUsage)
	case c.Snapshot != "" && (c.Lock != "" || fetching):
		return fmt.Errorf("%w: --snapshot says when to lock; a lock has its moment already", errUsage)
	}
	if _, err := os.Lstat(c.Output); err == nil && (fetching || !c.Force) {
		return fmt.Errorf("%s is there already: give another name with -o, or --force to replace a bundle", c.Output)
	}
	return nil
}

// plan reads the lock or makes one.
func (c *gatherCmd) plan(ctx context.Context, on *online) (*manifest.Lock, error) {
	if c.Lock == "" {
		return on.lock(ctx, c.Descriptors, c.From, c.lockFlags)
	}
	lock, err := readLock(c.Lock)
	if err != nil {
		return nil, err
	}
	var own []string
	for _, a := range lock.Archives {
		own = append(own, a.Name)
	}
	if err := on.checkMirrors(own); err != nil {
		return nil, err
	}
	if _, err := on.settings(c.Lock); err != nil { // for its mirrors
		return nil, err
	}
	return lock, errors.Join(on.own(ctx, lock, c.Lock, c.Inputs), on.reimport(ctx, lock, c.Image))
}

func (o *online) gather(ctx context.Context, lock *manifest.Lock, from []string) error {
	if err := o.takeFrom(ctx, gather.Wanted(lock), from); err != nil {
		return err
	}
	return advised(o.gatherer().All(ctx, lock))
}

func (o *online) gatherer() *gather.Gatherer {
	return &gather.Gatherer{
		Fetch: o.fetch, Store: o.store, Git: o.git, Registry: pull.Options{Transport: o.fetch.Transport()}, Mirrors: o.mirrors, Now: time.Now(),
		Progress: o.progress, Story: o.ui.Step,
	}
}

// advised adds the way out to an error about what nobody has.
func advised(err error) error {
	if !errors.As(err, new(*fetch.MissingError)) {
		return err
	}
	return fmt.Errorf("%w\n--mirror ARCHIVE=URL names a mirror, --from DIR|BUNDLE a folder or an older bundle, "+
		"--inputs DIR your own files and descriptors (which are also looked for beside the lock), --needs FILE a file for this list", err)
}

// pack writes the bundle with its signatures.
func (o *online) pack(ctx context.Context, lock *manifest.Lock, name string, signers []bundle.Signer) error {
	doc, err := bundle.Manifest(lock)
	if err != nil {
		return err
	}
	var sigs []bundle.Signature
	for _, s := range signers {
		sig, err := s.Sign(ctx, bundle.SignatureNamespace, doc)
		if err != nil {
			return fmt.Errorf("signing with %s: %w", s.Fingerprint(), err)
		}
		sigs = append(sigs, sig)
	}
	p := o.ui.progress("packing")
	id, err := bundle.Create(ctx, name, lock, o.store, sigs, p)
	p.Done()
	if err != nil {
		return fmt.Errorf("packing %s: %w", name, err)
	}
	o.ui.Stepf("%s: %s", name, summary(lock))
	if len(sigs) == 0 {
		o.ui.Step("It is not signed. Whoever runs it can check only that it is whole: sign it with --sign KEY.")
	}
	return o.ui.answer("%s  %s\n", id, name)
}

// reimport puts a base image that only the user has into the store again, for
// a lock that was made elsewhere. That it is the one the lock pins is seen when
// the bundle is packed: another one is simply not asked for.
func (o *online) reimport(ctx context.Context, lock *manifest.Lock, name string) error {
	if name == "" {
		return nil
	}
	done := map[string]bool{}
	for _, t := range lock.Targets {
		if t.Image.Kind != manifest.ImageOCI || done[t.Architecture] {
			continue
		}
		done[t.Architecture] = true
		if _, err := o.image(name)(ctx, t.Architecture); err != nil {
			return fmt.Errorf("importing %s: %w", name, err)
		}
	}
	return nil
}

// signers reads the keys before anything long begins.
func (c *gatherCmd) signers(ctx context.Context) ([]bundle.Signer, error) {
	var list []bundle.Signer
	for _, name := range c.Sign {
		s, err := signer(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("reading signing key %s: %w", name, err)
		}
		list = append(list, s)
	}
	return list, nil
}

// own puts what only the user has into the store: archive keys, descriptors
// beside the lock and files of the inputs folder, by hash.
func (o *online) own(ctx context.Context, lock *manifest.Lock, lockFile, inputs string) error {
	var problems []error
	for _, a := range lock.Archives {
		problems = append(problems, o.takeKeys(ctx, a))
	}
	for _, d := range lock.Descriptors {
		problems = append(problems, o.takeFile(ctx, d.Blob, lockFile, d.File))
		if inputs == "" {
			continue
		}
		problems = append(problems, o.takeFile(ctx, d.Blob, inputs+"/", d.File))
		for _, f := range d.Files {
			problems = append(problems, o.takeFile(ctx, f.Blob, inputs+"/", f.Name))
		}
	}
	return errors.Join(problems...)
}
