package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/system"

	"satchel/runner"
	"satchel/runner/probe"
	"satchel/runner/sandbox/syscalls"
)

// daemon is what there is to know about the other side.
type daemon struct {
	machine string // its architecture, as uname says it
	cpus    int
	info    system.Info
	product string // the engine, by its own word
	version string // of the engine
	filter  string // the system call filter to hand it; "" keeps its own
}

// knowDaemon asks the daemon what it is, once.
func (e *Engine) knowDaemon(ctx context.Context) (*daemon, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.daemon != nil {
		return e.daemon, nil
	}
	host := e.client.DaemonHost()
	info, err := e.client.Info(ctx)
	if err != nil {
		return nil, explain(fmt.Errorf("asking the docker daemon at %s: %w", host, err), host)
	}
	if info.OSType != "linux" {
		return nil, probe.Mend(fmt.Errorf("the docker daemon at %s runs %s containers", host, runner.Printable(info.OSType)), probe.Advise("switch it to Linux containers"))
	}
	if !slices.ContainsFunc(info.SecurityOptions, func(s string) bool { return strings.Contains(s, "seccomp") }) {
		return nil, probe.Mend(fmt.Errorf("the docker daemon at %s has no system call filters (seccomp), without which a virtual machine's containers can reach its host", host),
			probe.Advise("its kernel must have CONFIG_SECCOMP_FILTER, and its configuration must not turn seccomp off"))
	}
	d := &daemon{machine: machineName(info.Architecture), cpus: info.NCPU, info: info}
	version, err := e.client.ServerVersion(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking the docker daemon at %s: %w", host, err)
	}
	d.product, d.version = product(version)
	// Podman takes what follows "seccomp=" for a path on its machine.
	if !d.podman() {
		filter, err := syscalls.Profile(syscalls.GOARCH(d.machine))
		if err != nil {
			return nil, fmt.Errorf("the docker daemon at %s (%s): %w", host, runner.Printable(d.machine), err)
		}
		d.filter = string(filter)
	}
	e.daemon = d
	return d, nil
}

// podman tells whether it is Podman, which does some things otherwise.
func (d *daemon) podman() bool { return d.product == podmanProduct }

// machineName is the kernel's name of an architecture, by which Docker calls it;
// Podman says Go's.
func machineName(s string) string {
	if name, ok := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "386": "i686", "arm": "armv7l"}[s]; ok {
		return name
	}
	return s
}
