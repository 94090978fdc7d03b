package runner

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"

	"satchel/manifest"
	"satchel/runner/guest"
)

// An Importer is an engine to which the root of an environment that another one
// has prepared can be handed. A daemon's storage takes a finished tree in much less time than
// all that package managers do to make one; and an environment is prepared only
// once for both engines.
type Importer interface {
	// Workshop is the engine to prepare with; nil: this one must do it itself.
	Workshop(ctx context.Context) Engine
	// Import makes environment env.Key of tree, an uncompressed tar: whole, or not
	// at all. It reads tree to its end, and an error there is one of Import's.
	Import(ctx context.Context, env Environment, tree io.Reader) error
}

// workshop returns the engine that prepares for this one, if one does and can.
func (p preparation) workshop(ctx context.Context) (Importer, Engine) {
	to, ok := p.engine.(Importer)
	if !ok {
		return nil, nil
	}
	w := to.Workshop(ctx)
	if w == nil || w.Check(ctx) != nil {
		return nil, nil
	}
	return to, w
}

// imported prepares the environment in the workshop, unless it is there, and hands it over.
func (p preparation) imported(ctx context.Context, key manifest.Digest, to Importer, workshop Engine) (env Environment, made bool, err error) {
	there := p
	there.engine = workshop
	env, made, err = there.environment(ctx)
	if err != nil {
		return Environment{}, false, err
	}
	if p.step != nil {
		p.step("Handing the environment to " + p.engine.Name())
	}
	if err := handOver(ctx, env, to, workshop); err != nil {
		return Environment{}, false, fmt.Errorf("handing environment %s to %s: %w", key.Hex(), p.engine.Name(), err)
	}
	return env, made, nil
}

// handOver streams the tree from one engine to the other.
func handOver(ctx context.Context, env Environment, to Importer, from Engine) error {
	proc, err := from.Start(ctx, Container{Environment: env.Key, Hostname: hostname})
	if err != nil {
		return err
	}
	defer proc.Close()
	r, w := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		_, err := converse(ctx, proc, guest.Plan{Tree: true}, noEntries, handlers{tar: w})
		w.CloseWithError(err)
		packed <- err
	}()
	err = to.Import(ctx, env, r)
	r.CloseWithError(errors.New("no more of the tree is taken"))
	if perr := <-packed; err == nil {
		err = perr
	}
	return err
}

// noEntries is what follows a plan that needs nothing.
func noEntries(*tar.Writer) error { return nil }
