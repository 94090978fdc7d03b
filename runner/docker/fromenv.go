package docker

import "github.com/docker/docker/client"

// FromEnv is for Options.Client: the daemon that DOCKER_HOST, DOCKER_TLS_VERIFY
// and DOCKER_CERT_PATH name, as the docker command takes it.
func FromEnv() []client.Opt { return []client.Opt{client.FromEnv} }
