package docker

import (
	"encoding/json"
	"testing"

	"github.com/docker/docker/api/types"
)

// Which engine answers is what the daemon says, as each of them says it.
func TestProduct(t *testing.T) {
	for _, c := range []struct{ says, name, version string }{
		{`{"Platform":{"Name":"Docker Engine - Community"},"Version":"28.5.1","Components":[{"Name":"Engine","Version":"28.5.1"},{"Name":"containerd","Version":"1.7.28"}]}`, "Docker", "28.5.1"},
		{`{"Platform":{"Name":""},"Version":"20.10.24+dfsg1","Components":[{"Name":"Engine","Version":"20.10.24+dfsg1"},{"Name":"docker-init","Version":"0.19.0"}]}`, "Docker", "20.10.24+dfsg1"},
		{`{"Platform":{"Name":"linux/amd64/debian-12"},"Version":"4.3.1","Components":[{"Name":"Podman Engine","Version":"4.3.1"},{"Name":"Conmon","Version":"conmon version 2.1.6"},{"Name":"OCI Runtime (crun)","Version":"1.8.1"}]}`, "Podman", "4.3.1"},
		{`{"Version":"17.03.2-ce"}`, "Docker", "17.03.2-ce"},
		{`{"Version":"1.0","Components":[{"Name":"Another Engine"},{"Name":"Podman Engine","Version":"4"}]}`, "Another Engine", "1.0"},
		{`{}`, "Docker", ""},
	} {
		var v types.Version
		if err := json.Unmarshal([]byte(c.says), &v); err != nil {
			t.Fatal(err)
		}
		if name, version := product(v); name != c.name || version != c.version {
			t.Errorf("%s\nis %q %q, want %q %q", c.says, name, version, c.name, c.version)
		}
	}
}
