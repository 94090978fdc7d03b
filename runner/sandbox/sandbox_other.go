//go:build !linux

package sandbox

import (
	"context"
	"errors"

	"satchel/manifest"
	"satchel/runner"
	"satchel/runner/probe"
)

// errSystem is all that this engine has to say on other systems.
var errSystem = probe.Mend(errors.New("the sandbox engine needs Linux"), probe.Advise("use --engine docker with Docker Desktop, Podman or a remote engine"))

// Engine cannot work on this system; every method says so.
type Engine struct{}

// New returns an engine whose Check says why it cannot work.
func New(Options) (*Engine, error) { return &Engine{}, nil }

// Main explains that there is no container to become.
func Main([]string) int { return 2 }

// Name is "sandbox".
func (*Engine) Name() string { return "sandbox" }

// Check says that the engine needs Linux.
func (*Engine) Check(context.Context) error { return errSystem }

// Probes is one that fails.
func (*Engine) Probes() []probe.Probe {
	return []probe.Probe{{Name: "kernel", Why: "containers are made of Linux's namespaces",
		Try: func(context.Context) (string, error) { return "", errSystem }}}
}

// Environment finds nothing.
func (*Engine) Environment(context.Context, manifest.Digest) (runner.Environment, bool, error) {
	return runner.Environment{}, false, errSystem
}

// Remains finds nothing.
func (*Engine) Remains(context.Context) ([]runner.Remains, error) { return nil, errSystem }

// Forget refuses.
func (*Engine) Forget(context.Context, string) error { return errSystem }

// Items finds nothing.
func (*Engine) Items(context.Context) ([]Item, error) { return nil, errSystem }

// Discard refuses.
func (*Engine) Discard(context.Context, Item) error { return errSystem }

// Start refuses.
func (*Engine) Start(context.Context, runner.Container) (runner.Process, error) {
	return nil, errSystem
}
