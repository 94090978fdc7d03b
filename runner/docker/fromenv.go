package docker

import (
	"os"
	"strings"

	"github.com/docker/docker/client"
)

// FromEnv is for Options.Client: the daemon that DOCKER_HOST, DOCKER_TLS_VERIFY
// and DOCKER_CERT_PATH name, as the docker command takes it.
func FromEnv() []client.Opt { return fromEnv(os.Getenv("DOCKER_HOST")) }

func fromEnv(host string) []client.Opt {
	if !strings.HasPrefix(host, "ssh://") {
		return []client.Opt{client.FromEnv}
	}
	remote, err := parseSSH(host)
	if err != nil {
		return []client.Opt{func(*client.Client) error { return err }}
	}
	return []client.Opt{
		client.WithHost("http://" + remote.name), // what requests are addressed to; all connections are remote's
		client.WithDialContext(remote.dial),
	}
}
