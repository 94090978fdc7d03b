package docker

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"strings"

	"satchel/runner"
	"satchel/runner/machine"
	"satchel/runner/probe"
)

// Probes are all that the engine takes of a daemon, in the order in which one
// needs the other. Check walks the same list.
func (e *Engine) Probes() []probe.Probe {
	return []probe.Probe{
		{Name: "program", Why: "satchel itself is the first program in each container", Try: e.tryInit},
		{Name: "daemon", Alone: true, Why: "it makes the containers: Docker, or whatever else speaks its language", Try: e.tryDaemon},
		{Name: "daemon's machine", Why: "the first program in each container is this satchel, so it must be built for that machine", Try: e.tryMachine},
		{Name: "daemon's limits", Advice: true, Why: "they hold a build to its memory, its processes and its processors", Try: e.tryLimits},
		{Name: "daemon's storage", Advice: true, Why: "environments are kept there as images, and what builds write", Try: e.tryStorage},
	}
}

func (e *Engine) tryInit(context.Context) (string, error) {
	f, err := e.initFile()
	if err != nil {
		return "", probe.Mend(err, probe.Advise("run satchel on Linux"))
	}
	return "for " + f.machine, nil
}

func (e *Engine) tryDaemon(ctx context.Context) (string, error) {
	d, err := e.knowDaemon(ctx)
	if err != nil {
		return "", err
	}
	return runner.Printable(fmt.Sprintf("%s %s at %s", d.product, d.version, e.client.DaemonHost())), nil
}

func (e *Engine) tryMachine(ctx context.Context) (string, error) {
	f, err := e.initFile()
	if err != nil {
		return "", err
	}
	d, err := e.knowDaemon(ctx)
	if err != nil {
		return "", err
	}
	if d.machine != f.machine {
		return "", probe.Mend(fmt.Errorf("the docker daemon at %s is a %s machine, and this satchel is built for %s", e.client.DaemonHost(), d.machine, f.machine),
			probe.Advise("build satchel for that machine"))
	}
	return runner.Printable(fmt.Sprintf("%s, Linux %s, %d processors", d.machine, d.info.KernelVersion, d.cpus)), nil
}

func (e *Engine) tryLimits(ctx context.Context) (string, error) {
	d, err := e.knowDaemon(ctx)
	if err != nil {
		return "", err
	}
	by := "control groups, version " + d.info.CgroupVersion
	var not []string
	for _, l := range []struct {
		name string
		has  bool
	}{{"memory", d.info.MemoryLimit}, {"processes", d.info.PidsLimit}, {"processors", d.info.CPUCfsQuota}} {
		if !l.has {
			not = append(not, l.name)
		}
	}
	switch {
	case len(not) == 0:
		return runner.Printable("memory, processes, processors, by " + by), nil
	case d.info.CgroupVersion == "2":
		err = probe.Mend(fmt.Errorf("the daemon cannot limit %s", strings.Join(not, ", ")),
			probe.Remedy{Root: true, Note: "for a daemon without root", Command: `mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\nDelegate=cpu cpuset io memory pids\n' > /etc/systemd/system/user@.service.d/delegate.conf && systemctl daemon-reload`})
	default:
		err = probe.Mend(fmt.Errorf("the daemon cannot limit %s", strings.Join(not, ", ")),
			probe.Advise("start its kernel with cgroup_enable=memory swapaccount=1"))
	}
	return "", err
}

// slow are storage drivers that copy each file, or ask a program for it.
var slow = [...]string{"vfs", "fuse-overlayfs"}

func (e *Engine) tryStorage(ctx context.Context) (string, error) {
	d, err := e.knowDaemon(ctx)
	if err != nil {
		return "", err
	}
	text := runner.Printable(d.info.Driver + " in " + d.info.DockerRootDir)
	for _, s := range slow {
		if d.info.Driver == s {
			return "", probe.Mend(fmt.Errorf("%s, which is slow", text),
				probe.Advise(`"storage-driver": "overlay2" in /etc/docker/daemon.json, if the file system below allows it; or use --engine sandbox`))
		}
	}
	if dir, ok := e.RootDir(ctx); ok {
		if free, _, err := machine.FreeAt(dir); err == nil {
			text += ", " + machine.Bytes(free.Bytes) + " free"
		}
	}
	return text, nil
}

// RootDir is the folder in which the daemon keeps everything, if it is on this machine.
func (e *Engine) RootDir(ctx context.Context) (dir string, ok bool) {
	d, err := e.knowDaemon(ctx)
	if err != nil || !strings.HasPrefix(e.client.DaemonHost(), "unix://") || d.info.DockerRootDir == "" {
		return "", false
	}
	_, err = os.Stat(d.info.DockerRootDir)
	return d.info.DockerRootDir, err == nil // Docker Desktop's is in a virtual machine
}

// explain says what mends a daemon that does not answer.
func explain(err error, host string) error {
	path, local := strings.CutPrefix(host, "unix://")
	_, serr := os.Stat(path)
	switch {
	case !local:
		return probe.Mend(err, probe.Advise("start it, or say in DOCKER_HOST where it is"))
	case strings.Contains(err.Error(), "permission denied"): // the client's error holds no number
		name := "$USER"
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
		return probe.Mend(err, probe.Remedy{Command: "usermod -aG docker " + name, Root: true, Note: "whoever is in this group is as good as root; log in again"},
			probe.Advise("use --engine sandbox"))
	case serr != nil && path == "/var/run/docker.sock":
		mend := append(probe.Install("docker.io", "moby-engine"),
			probe.Remedy{Command: "systemctl start docker", Root: true, Note: "if it is installed"}, probe.Advise("use --engine sandbox"))
		for _, at := range []string{fmt.Sprintf("/run/user/%d/podman/podman.sock", os.Getuid()), "/run/podman/podman.sock"} {
			if _, err := os.Stat(at); err == nil {
				mend = append([]probe.Remedy{{Command: "export DOCKER_HOST=unix://" + at, Note: "Podman listens there"}}, mend...)
			}
		}
		return probe.Mend(err, mend...)
	case serr != nil:
		return probe.Mend(err, probe.Remedy{Command: "unset DOCKER_HOST", Note: "nothing is there"}, probe.Advise("start what listens there"))
	}
	return probe.Mend(err, probe.Remedy{Command: "systemctl restart docker", Root: true, Note: "the socket is there, and nobody answers"})
}
