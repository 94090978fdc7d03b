package docker

import (
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-units"

	"satchel/runner"
	"satchel/runner/sandbox"
)

// shmSize is the size of /dev/shm, in bytes; the sandbox's is the same.
const shmSize = 256 << 20

// path is the init's whole environment, but for what daemons add.
const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// capabilities are what the container's root may do: Docker's default list
// without raw sockets, for which there is no network.
var capabilities = []string{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
	"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}

// plan is all that a daemon is asked for.
type plan struct {
	name    string
	config  *container.Config
	host    *container.HostConfig
	network *network.NetworkingConfig
}

// setting is what of a plan does not depend on the Container.
type setting struct {
	image  string // id
	name   string
	labels map[string]string
	filter string // JSON of the system call filter, "" for the daemon's own
	podman bool
	cpus   int // that the daemon's machine has
	sudo   bool
}

// nanoCPUs is a limit of processors as daemons count; they refuse one that is
// more than they have.
func nanoCPUs(want, have int) int64 {
	if want >= have {
		return 0
	}
	return int64(want) * 1e9
}

// newPlan says how to run c from an image. There is no path by which a
// network, a mount, a device or a right comes into it.
func newPlan(c runner.Container, s setting) (plan, error) {
	if err := c.Complete(); err != nil {
		return plan{}, err
	}
	no, processes := false, c.Processes
	config := &container.Config{
		Image: s.image, Hostname: c.Hostname,
		Entrypoint: []string{"/.satchel/init"}, Cmd: []string{sandbox.InitWord, sandbox.EnterWord}, // and then "guest"
		Env: []string{path}, WorkingDir: "/", User: "0:0",
		OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true,
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
		Labels:      s.labels,
	}
	host := &container.HostConfig{
		NetworkMode: "none", IpcMode: "private", CgroupnsMode: "private",
		DNS: []string{"127.0.0.1"}, DNSSearch: []string{"."}, ExtraHosts: []string{c.Hostname + ":127.0.1.1"},
		CapDrop: []string{"ALL"}, CapAdd: capabilities,
		Privileged: false, Init: &no, ShmSize: shmSize, OomScoreAdj: 500,
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
		LogConfig:     container.LogConfig{Type: "none"}, // gigabytes of results pass through
		Resources: container.Resources{
			Memory: c.Memory, MemorySwap: c.Memory, PidsLimit: &processes, NanoCPUs: nanoCPUs(c.CPUs, s.cpus),
		},
	}
	// The init lowers all limits to what the sandbox has. Only those may have to
	// be raised; Podman adds to a list its own wish for a million open files,
	// which not every machine lets it have.
	if s.podman {
		// Docker does so by itself: a build sees no IPv6 on any machine.
		host.Sysctls = map[string]string{"net.ipv6.conf.all.disable_ipv6": "1", "net.ipv6.conf.default.disable_ipv6": "1", "net.ipv6.conf.lo.disable_ipv6": "1"}
	} else {
		host.Ulimits = []*units.Ulimit{{Name: "core", Soft: 0, Hard: 0}, {Name: "stack", Soft: 8 << 20, Hard: -1}}
	}
	if !s.sudo {
		host.SecurityOpt = append(host.SecurityOpt, "no-new-privileges")
	}
	if s.filter != "" {
		host.SecurityOpt = append(host.SecurityOpt, "seccomp="+s.filter)
	}
	return plan{name: s.name, config: config, host: host, network: &network.NetworkingConfig{}}, nil
}
