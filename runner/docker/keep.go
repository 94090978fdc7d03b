package docker

import (
	"context"
	"errors"
	"fmt"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"

	"satchel/runner"
)

// Keep makes an image of the container. The name, by which it is found, is
// given to it last.
func (p *process) Keep(ctx context.Context, env runner.Environment) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
	default:
		return errors.New("keeping environment: the container's init still runs")
	}
	switch {
	case p.closed:
		return errors.New("keeping environment: the container is gone")
	case !p.empty:
		return errors.New("keeping environment: only a container that began with an empty root can be kept")
	case env.Key.IsZero() || env.Root.IsZero():
		return errors.New("keeping environment: no key or no root named")
	}
	if err := p.engine.commit(ctx, p.id, env); err != nil {
		return fmt.Errorf("keeping environment %s: %w", env.Key.Hex(), err)
	}
	return nil
}

// commit makes an image of container id. Within one program the first of
// several that keep the same key wins; between programs one of them does.
func (e *Engine) commit(ctx context.Context, id string, env runner.Environment) error {
	f, err := e.initFile()
	if err != nil {
		return err
	}
	e.keep.Lock()
	defer e.keep.Unlock()
	if _, _, err := e.environment(ctx, env.Key); err == nil || !cerrdefs.IsNotFound(err) {
		return err
	}
	made, err := e.client.ContainerCommit(ctx, id, container.CommitOptions{
		Comment: "satchel environment",
		Config:  &container.Config{},                                                                                   // Podman wants one, and reads nothing in it
		Changes: append(e.environmentLabels(env, f), "LABEL "+e.label(labelRun)+"=", "LABEL "+e.label(labelOwner)+"="), // not a container's any more
	})
	if err != nil {
		return err
	}
	return e.give(ctx, made.ID, env)
}

// environmentLabels are the instructions that give an environment's image its labels.
func (e *Engine) environmentLabels(env runner.Environment, f *initFile) []string {
	return []string{
		"LABEL " + e.label(labelKey) + "=" + env.Key.Hex(), "LABEL " + e.label(labelRoot) + "=" + env.Root.Hex(),
		"LABEL " + e.label(labelInit) + "=" + f.sum.Hex(),
	}
}

// give gives the image its name, by which an environment is found, or removes it.
func (e *Engine) give(ctx context.Context, id string, env runner.Environment) error {
	// What has the name belongs to another build of satchel and is of no more use.
	old, olderr := e.client.ImageInspect(ctx, e.environmentName(env.Key))
	if err := e.client.ImageTag(ctx, id, e.environmentName(env.Key)); err != nil {
		e.discard(ctx, id)
		return err
	}
	if olderr == nil && old.ID != id {
		e.client.ImageRemove(ctx, old.ID, image.RemoveOptions{PruneChildren: true}) // unless a container needs it still
	}
	return nil
}

// discard removes an image that got no name.
func (e *Engine) discard(ctx context.Context, id string) {
	e.client.ImageRemove(context.WithoutCancel(ctx), id, image.RemoveOptions{PruneChildren: true})
}
