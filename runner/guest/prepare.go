//go:build linux

package guest

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// runPrepare turns the container's root into an environment and sends its
// listing.
func runPrepare(ctx context.Context, plan *Prepare, in *tar.Reader, frames *Frames) Outcome {
	p := &preparer{plan: plan, frames: frames, tree: newTree("/")}
	p.runner = &runner{tree: p.tree, log: frames.Writer(KindInstallLog)}
	out := Outcome{Exit: 1}
	if err := p.prepare(ctx, in); err != nil {
		out.Error = err.Error()
		return out
	}
	frames.Step("Normalising and listing the environment")
	if err := normalise(ctx, p.tree, plan.Epoch, p.time); err != nil {
		out.Error = err.Error()
		return out
	}
	root, err := Listing(ctx, p.tree.root, frames.Writer(KindListing))
	if err != nil {
		out.Error = err.Error()
		return out
	}
	return Outcome{Root: &root}
}

// preparer is one preparation.
type preparer struct {
	plan   *Prepare
	frames *Frames
	tree   *tree
	runner *runner
	time   func(name string, seconds int64) int64 // what normalise asks
	locale func() error                           // waits for the locale; nil: nobody is making it
}

func (p *preparer) prepare(ctx context.Context, in *tar.Reader) (err error) {
	if err := p.check(); err != nil {
		return err
	}
	if err := skipSync(); err != nil {
		return fmt.Errorf("preparing: skipping waits for the disc: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		if p.locale != nil { // something else has failed
			_ = p.locale()
		}
	}()
	spool := p.tree.at(spoolDir)
	if err := os.Mkdir(spool, 0o700); err != nil {
		return fmt.Errorf("preparing: %w", err)
	}
	defer func() {
		if e := os.RemoveAll(spool); err == nil && e != nil {
			err = fmt.Errorf("preparing: %w", e)
		}
	}()
	if len(p.plan.Layers) > 0 {
		err = p.onLayers(ctx, in)
	} else {
		err = p.bootstrap(ctx, in)
	}
	if err != nil {
		return err
	}
	p.frames.Step("Making locale and user %s", p.plan.User)
	if err := p.finishLocale(ctx); err != nil {
		return err
	}
	if len(p.plan.Alternatives) > 0 {
		p.frames.Step("Set alternatives")
	}
	if err := p.runner.setAlternatives(ctx, p.plan.Alternatives); err != nil {
		return err
	}
	if err := p.runner.addSources(p.plan.Sources); err != nil {
		return err
	}
	return p.runner.addUser(ctx, p.plan.User)
}

// check refuses a plan that this init was not made for.
func (p *preparer) check() error {
	switch a := p.plan.Architecture; {
	case p.plan.Recipe != Recipe:
		return fmt.Errorf("preparing: the plan wants recipe %d; this satchel has %d", p.plan.Recipe, Recipe)
	case a == "" || strings.ContainsAny(a, " \n"):
		return fmt.Errorf("preparing: architecture %q", a)
	case p.plan.Epoch <= 0:
		return fmt.Errorf("preparing: the epoch %d is not a time", p.plan.Epoch)
	case len(p.plan.Packages) == 0 && len(p.plan.Layers) == 0:
		return errors.New("preparing: neither packages nor an image")
	}
	for _, d := range p.plan.Packages {
		ok := d.Architecture == "all" || d.Architecture == p.plan.Architecture
		for _, f := range p.plan.Foreign {
			ok = ok || d.Architecture == f
		}
		if !ok {
			return fmt.Errorf("preparing: package %s is for architecture %q", d.Name, d.Architecture)
		}
	}
	return nil
}
