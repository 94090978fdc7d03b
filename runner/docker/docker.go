// Package docker is the engine that asks a Docker-compatible daemon for its
// containers: a local one, Docker Desktop, Podman's socket, or one on another
// machine, by TCP with TLS or through ssh. Nothing is mounted and no path of either machine is named: what
// goes in and comes out passes through the container's standard streams.
//
// Everything that the engine makes bears labels (see the constants), and
// nothing without them is ever stopped, changed or removed:
//
//	satchel-init:<12 digits>       image with the init alone; named after its hash
//	satchel-env:<32 digits>        a kept environment; named after its key
//	satchel-failed:<name>          what a failed script left
//	satchel-<16 digits>            a container
//
// An environment's image holds the init that made it, so an environment made
// by another build of satchel is not found: it is prepared again, and takes
// the name over. What a script left under another build is not found either.
//
// A container is gone when Close returns. A program that is killed cannot
// call it; its container sees the end of its input, and the next Start of a
// satchel on the same machine removes it.
package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"satchel/manifest"
	"satchel/runner"
	"satchel/runner/probe"
)

// Labels of what the engine makes, after "org." and the engine's name.
const (
	labelInit  = ".init"             // sha256 of the init inside
	labelKey   = ".environment.key"  // of a kept environment
	labelRoot  = ".environment.root" // likewise
	labelRun   = ".run"              // a container: its name
	labelLeft  = ".failed"           // of what a failed script left: its name
	labelNote  = ".failed.record"    // likewise: leftRecord, in base64
	labelOwner = ".owner"            // a container: the program that started it
)

// Options says which daemon to use and what to run.
type Options struct {
	// Init is the path of the static satchel binary that will be the
	// container's /.satchel/init. It must be built for the daemon's machine.
	Init string
	// Client says where the daemon is and how to reach it; [FromEnv]
	// reads DOCKER_HOST and its like. Empty means the local socket.
	Client []client.Opt
	// Name begins the names of what the engine makes, and with "org." its
	// labels; "" means "satchel". Engines of different names share nothing.
	Name string
	// Workshop prepares environments for a daemon on this machine, which then gets
	// the finished trees; nil: the daemon's containers prepare them.
	Workshop runner.Engine
	// Sudo lets programs in the container gain rights by set-id files. The
	// zero value does not.
	Sudo bool
}

// Engine starts containers by a daemon. It is safe for use by several
// goroutines, and any number of programs may use one daemon.
type Engine struct {
	options Options
	client  *client.Client

	mu     sync.Mutex // of what follows
	image  string     // id of the image with the init, when known to be there
	init   *initFile
	daemon *daemon
	swept  bool

	keep sync.Mutex // one Keep at a time, so that the first one stays
}

var (
	_ runner.Engine   = (*Engine)(nil)
	_ runner.Importer = (*Engine)(nil)
)

// New returns an engine. It asks the daemon nothing: Check and Start do.
func New(o Options) (*Engine, error) {
	if o.Init == "" {
		return nil, errors.New("opening docker: no binary named for the container's init")
	}
	if o.Name == "" {
		o.Name = "satchel"
	}
	if strings.Trim(o.Name, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return nil, fmt.Errorf("opening docker: name %.80q: want lower-case letters and digits", o.Name)
	}
	c, err := client.NewClientWithOpts(append([]client.Opt{client.WithAPIVersionNegotiation()}, o.Client...)...)
	if err != nil {
		return nil, fmt.Errorf("opening docker: %w", err)
	}
	return &Engine{options: o, client: c}, nil
}

// Name is "docker".
func (e *Engine) Name() string { return "docker" }

// label is the full name of one of the labels.
func (e *Engine) label(name string) string { return "org." + e.options.Name + name }

// Check reports whether the daemon answers and can run the init.
func (e *Engine) Check(ctx context.Context) error { return probe.First(ctx, e.Probes()) }

// Environment looks a kept environment up by the image's name, and believes
// its labels only if they name the key.
func (e *Engine) Environment(ctx context.Context, key manifest.Digest) (runner.Environment, bool, error) {
	env, _, err := e.environment(ctx, key)
	if cerrdefs.IsNotFound(err) {
		return runner.Environment{}, false, nil
	}
	if err != nil {
		return runner.Environment{}, false, fmt.Errorf("looking environment %s up: %w", key.Hex(), err)
	}
	return env, true, nil
}

// environment returns the kept environment and the id of its image. The error
// is a not-found when there is none that this satchel can use.
func (e *Engine) environment(ctx context.Context, key manifest.Digest) (runner.Environment, string, error) {
	if key.IsZero() {
		return runner.Environment{}, "", errors.New("no key")
	}
	f, err := e.initFile()
	if err != nil {
		return runner.Environment{}, "", err
	}
	name := e.environmentName(key)
	image, err := e.client.ImageInspect(ctx, name)
	if err != nil {
		return runner.Environment{}, "", err
	}
	var labels map[string]string
	if image.Config != nil {
		labels = image.Config.Labels
	}
	if labels[e.label(labelKey)] != key.Hex() {
		return runner.Environment{}, "", fmt.Errorf("image %s is not satchel's: remove it or give it another name", name)
	}
	if labels[e.label(labelInit)] != f.sum.Hex() {
		return runner.Environment{}, "", fmt.Errorf("the environment holds the init of another satchel: %w", cerrdefs.ErrNotFound)
	}
	root, err := manifest.ParseDigest(labels[e.label(labelRoot)])
	if err != nil {
		return runner.Environment{}, "", fmt.Errorf("reading labels of image %s: %w", name, err)
	}
	return runner.Environment{Key: key, Root: root}, image.ID, nil
}

// environmentName is the name of an environment's image. Half of the digits
// name it; the label has them all.
func (e *Engine) environmentName(key manifest.Digest) string {
	return e.options.Name + "-env:" + key.Hex()[:32]
}

// initName is the name of the image with the init alone.
func (e *Engine) initName(f *initFile) string { return e.options.Name + "-init:" + f.sum.Hex()[:12] }
