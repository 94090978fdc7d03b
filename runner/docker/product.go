package docker

import (
	"cmp"

	"github.com/docker/docker/api/types"
)

// The engines that this package knows, by what their daemons call themselves.
const (
	dockerProduct = "Docker"
	podmanProduct = "Podman"
)

// product is the engine that answers, and its version, by what the daemon says of itself:
// the engine is the first component of its version, "Engine" for Docker, and for Podman
// "Podman Engine" (GET /version of both). Another one goes by its own name. Docker named no
// components before 17.12, and whoever names none is taken for it.
func product(v types.Version) (name, version string) {
	if len(v.Components) == 0 {
		return dockerProduct, v.Version
	}
	first := v.Components[0]
	known := map[string]string{"Engine": dockerProduct, "Podman Engine": podmanProduct, "": dockerProduct}
	name, ok := known[first.Name]
	if !ok {
		name = first.Name
	}
	return name, cmp.Or(first.Version, v.Version)
}
