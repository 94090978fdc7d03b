package docker

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/docker/client"
	"golang.org/x/sys/unix"
)

// FromEnv is for Options.Client: the daemon that the docker command would ask
// here. That is the one that DOCKER_HOST names (with DOCKER_TLS_VERIFY and
// DOCKER_CERT_PATH), else that of the context that DOCKER_CONTEXT or the docker
// command's configuration names, else who listens on this machine: Docker, or
// Podman where Docker does not, or not for this user.
func FromEnv() []client.Opt {
	home, _ := os.UserHomeDir() // without one there is no configuration
	opts, err := surroundings{env: os.Getenv, home: home, local: localDocker}.options()
	if err != nil {
		return []client.Opt{func(*client.Client) error { return err }}
	}
	return opts
}

// localDocker is where Docker listens.
const localDocker = "/var/run/docker.sock"

// surroundings decide whom to ask.
type surroundings struct {
	env   func(name string) string
	home  string
	local string // Docker's socket
}

func (s surroundings) options() ([]client.Opt, error) {
	if host := s.env("DOCKER_HOST"); host != "" {
		if strings.HasPrefix(host, "ssh://") {
			return overSSH("DOCKER_HOST", host)
		}
		return []client.Opt{client.FromEnv}, nil
	}
	name, err := s.contextName()
	if err != nil {
		return nil, err
	}
	if name != "" && name != "default" {
		return s.context(name)
	}
	for _, socket := range s.sockets() {
		if unix.Access(socket, unix.R_OK|unix.W_OK) == nil {
			return []client.Opt{client.WithVersionFromEnv(), client.WithHost("unix://" + socket)}, nil
		}
	}
	return []client.Opt{client.FromEnv}, nil // Docker's, with its error
}

// sockets are where daemons listen, in the order in which they are asked.
func (s surroundings) sockets() []string {
	list := []string{s.local}
	if run := s.env("XDG_RUNTIME_DIR"); filepath.IsAbs(run) {
		list = append(list, filepath.Join(run, "podman/podman.sock"))
	}
	return append(list, "/run/podman/podman.sock")
}

// overSSH reaches the daemon of another machine; from says who names it.
func overSSH(from, host string) ([]client.Opt, error) {
	remote, err := parseSSH(from, host)
	if err != nil {
		return nil, err
	}
	return []client.Opt{
		client.WithHost("http://" + remote.name), // what requests are addressed to; all connections are remote's
		client.WithDialContext(remote.dial),
	}, nil
}
