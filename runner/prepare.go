package runner

import (
	"archive/tar"
	"context"
	"fmt"
	"io"

	"satchel/imagestore"
	"satchel/manifest"
	"satchel/runner/guest"
)

// preparation is what it takes to make one environment.
type preparation struct {
	engine  Engine
	plan    guest.Prepare
	image   manifest.Image
	source  Source
	scratch string // folder for the flattened image
	log     io.Writer
	logName string // of its file, for people; "" if there is none
	list    io.Writer
	step    func(string)
}

// environment returns the kept environment of the plan, and makes it first if
// the engine has none. made tells which.
func (p preparation) environment(ctx context.Context) (env Environment, made bool, err error) {
	key, err := Key(p.plan)
	if err != nil {
		return Environment{}, false, err
	}
	env, ok, err := p.engine.Environment(ctx, key)
	if err != nil || ok {
		return env, false, err
	}
	if to, workshop := p.workshop(ctx); workshop != nil {
		return p.imported(ctx, key, to, workshop)
	}
	env, err = p.make(ctx, key)
	if err != nil {
		return Environment{}, false, fmt.Errorf("preparing the environment for %s %s: %w", p.plan.Suite, p.plan.Architecture, err)
	}
	return env, true, nil
}

func (p preparation) make(ctx context.Context, key manifest.Digest) (Environment, error) {
	if p.step != nil { // in gitian's words
		where := ""
		if p.logName != "" {
			where = fmt.Sprintf(" (log in %s)", p.logName)
		}
		if len(p.plan.Foreign) > 0 {
			p.step("Adding multiarch support" + where)
		}
		p.step("Installing additional packages" + where)
	}
	plan, flat, err := p.flattened(ctx)
	if err != nil {
		return Environment{}, err
	}
	defer flat.Close()
	proc, err := p.engine.Start(ctx, Container{Hostname: hostname})
	if err != nil {
		return Environment{}, err
	}
	defer proc.Close()
	send := func(tw *tar.Writer) error { return p.send(tw, plan, flat) }
	out, err := converse(ctx, proc, guest.Plan{Prepare: &plan}, send, handlers{log: p.log, list: p.list, step: p.step})
	if err != nil {
		return Environment{}, err
	}
	if out.Root == nil || out.Root.IsZero() {
		return Environment{}, fmt.Errorf("the container's init named no root")
	}
	env := Environment{Key: key, Root: *out.Root}
	return env, proc.Keep(ctx, env)
}

// flattened returns the plan as the guest gets it: the layers of an image are
// flattened into one tar, which is spooled because its length and hash must be
// known before it is sent. (The key is that of the plan with the image's own
// layers, so that an environment that is there is found without flattening.)
func (p preparation) flattened(ctx context.Context) (guest.Prepare, *spool, error) {
	plan := p.plan
	if len(plan.Layers) == 0 {
		return plan, nil, nil
	}
	if p.step != nil {
		p.step("Flattening the base image")
	}
	s, err := newSpool(p.scratch)
	if err != nil {
		return plan, nil, err
	}
	if err := imagestore.Flatten(ctx, p.image, p.source, s); err != nil {
		s.Close()
		return plan, nil, fmt.Errorf("flattening the base image: %w", err)
	}
	plan.Layers = []manifest.Blob{s.blob()}
	return plan, s, nil
}

// send writes the entries that the plan names: the flattened image, then the packages.
func (p preparation) send(tw *tar.Writer, plan guest.Prepare, flat *spool) error {
	if flat != nil {
		if err := sendBlob(tw, flat, "layer/0", plan.Layers[0]); err != nil {
			return err
		}
	}
	for _, i := range plan.Stream() {
		if err := sendBlob(tw, p.source, fmt.Sprintf("deb/%d", i), plan.Packages[i].Blob); err != nil {
			return err
		}
	}
	return nil
}
