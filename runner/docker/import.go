package docker

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"

	"satchel/manifest"
	"satchel/runner"
)

// Workshop is the engine to prepare with, if the daemon is on this machine: to
// send a finished tree to another one takes longer than to send its packages.
func (e *Engine) Workshop(ctx context.Context) runner.Engine {
	if _, here := e.RootDir(ctx); !here {
		return nil
	}
	return e.options.Workshop
}

// Import makes an image of one layer: the init, then the tree. The daemon names
// layers by the hash of what it got, so that it says itself whether all arrived.
func (e *Engine) Import(ctx context.Context, env runner.Environment, tree io.Reader) error {
	if env.Key.IsZero() || env.Root.IsZero() {
		return errors.New("importing environment: no key or no root named")
	}
	f, err := e.initFile()
	if err != nil {
		return err
	}
	e.keep.Lock()
	defer e.keep.Unlock()
	if _, _, err := e.environment(ctx, env.Key); err == nil {
		_, err = io.Copy(io.Discard, tree) // somebody was faster
		return err
	} else if !cerrdefs.IsNotFound(err) {
		return err
	}
	sum := sha256.New()
	id, err := e.importTar(ctx, func(w io.Writer) error {
		w = io.MultiWriter(w, sum)
		// No name may be there twice; what the first part holds no listing has.
		if err := f.writeTar(tar.NewWriter(w), false); err != nil {
			return err
		}
		_, err := io.Copy(w, tree)
		return err
	}, "", image.ImportOptions{Message: "satchel environment", Changes: e.environmentLabels(env, f)})
	if err != nil {
		return err
	}
	if err := e.holds(ctx, id, manifest.Digest(sum.Sum(nil))); err != nil {
		e.discard(ctx, id)
		return err
	}
	return e.give(ctx, id, env)
}

// holds checks that an image is of that one layer.
func (e *Engine) holds(ctx context.Context, id string, layer manifest.Digest) error {
	i, err := e.client.ImageInspect(ctx, id)
	if err != nil {
		return err
	}
	if got := i.RootFS.Layers; len(got) != 1 || got[0] != layer.String() {
		return fmt.Errorf("the daemon has made layers %.200q of a tree, want %s alone", got, layer)
	}
	return nil
}
