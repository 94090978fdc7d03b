package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"satchel/runner"
	"satchel/runner/docker"
	"satchel/runner/sandbox"
)

// chooseEngine returns the engine of that name; auto takes the sandbox where
// it works, else Docker.
func chooseEngine(ctx context.Context, name, cache string, sudo bool) (runner.Engine, error) {
	names := []string{name}
	if name == "auto" {
		names = []string{"sandbox", "docker"}
	}
	var reasons []error
	for _, n := range names {
		e, err := openEngine(n, cache, sudo)
		if err == nil {
			err = e.Check(ctx)
		}
		if err == nil {
			return e, nil
		}
		reasons = append(reasons, fmt.Errorf("engine %s: %w", n, err))
	}
	return nil, errors.Join(reasons...)
}

func openEngine(name, cache string, sudo bool) (runner.Engine, error) {
	if name == "docker" {
		return openDocker(cache, sudo)
	}
	return openSandbox(cache, sudo)
}

func openSandbox(cache string, sudo bool) (*sandbox.Engine, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding satchel's own file: %w", err)
	}
	return sandbox.New(sandbox.Options{Dir: filepath.Join(cache, "sandbox"), Init: self, Sudo: sudo})
}

// openDocker has a daemon on this machine get its environments from the sandbox, where that works.
func openDocker(cache string, sudo bool) (*docker.Engine, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding satchel's own file: %w", err)
	}
	workshop, err := openSandbox(cache, sudo)
	if err != nil {
		return nil, err
	}
	return docker.New(docker.Options{Init: self, Client: docker.FromEnv(), Sudo: sudo, Workshop: workshop})
}
