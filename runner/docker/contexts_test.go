package docker

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/client"
)

// daemonNamed answers on a socket as a daemon of that name.
func daemonNamed(t *testing.T, socket, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		if strings.HasSuffix(r.URL.Path, "/version") {
			json.NewEncoder(w).Encode(map[string]string{"Version": name, "ApiVersion": "1.41", "MinAPIVersion": "1.12", "Os": "linux"})
		}
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
}

// asked says which daemon answers those options.
func asked(t *testing.T, opts []client.Opt) (string, error) {
	t.Helper()
	c, err := client.NewClientWithOpts(append([]client.Opt{client.WithAPIVersionNegotiation()}, opts...)...)
	if err != nil {
		return "", err
	}
	defer c.Close()
	v, err := c.ServerVersion(t.Context())
	return v.Version, err
}

// Whom satchel asks is whom the docker command asks, whatever its
// configuration and the environment say.
func TestContexts(t *testing.T) {
	command, err := exec.LookPath("docker")
	if err != nil {
		if os.Getenv("SATCHEL_CI") == "1" {
			t.Fatal(err)
		}
		t.Skip("the docker command is not here: ", err)
	}
	home := t.TempDir()
	socket := func(name string) string { return "unix://" + filepath.Join(home, name+".sock") }
	for _, name := range []string{"host", "one", "two words", "local"} {
		daemonNamed(t, filepath.Join(home, name+".sock"), name)
	}
	docker := func(env []string, args ...string) (string, error) {
		c := exec.Command(command, args...)
		c.Env = append([]string{"PATH=/usr/bin:/bin", "HOME=" + home}, env...)
		out, err := c.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	for name, host := range map[string]string{"one": socket("one"), "two": socket("two words"), "gone": socket("gone")} {
		if out, err := docker(nil, "context", "create", name, "--docker", "host="+host); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	other := filepath.Join(home, "other")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	for config, text := range map[string]string{".docker": `{"currentContext": "two", "auths": {}}`, "other": `{"currentContext": "gone"}`} {
		if err := os.WriteFile(filepath.Join(home, config, "config.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, env := range [][]string{
		{}, {"DOCKER_CONTEXT=one"}, {"DOCKER_CONTEXT=two"}, {"DOCKER_HOST=" + socket("host")}, {"DOCKER_HOST=" + socket("host"), "DOCKER_CONTEXT=one"},
		{"DOCKER_CONTEXT=gone"}, {"DOCKER_CONTEXT=never"}, {"DOCKER_CONFIG=" + other}, {"DOCKER_CONFIG=" + other, "DOCKER_CONTEXT=one"},
		{"DOCKER_CONTEXT=one", "DOCKER_TLS_VERIFY=1"},
	} {
		t.Run(fmt.Sprint(env), func(t *testing.T) {
			want, theirErr := docker(env, "version", "--format", "{{.Server.Version}}")
			set := map[string]string{}
			for _, e := range env {
				name, value, _ := strings.Cut(e, "=")
				set[name] = value
				t.Setenv(name, value) // the client's library reads it itself
			}
			opts, err := surroundings{env: func(name string) string { return set[name] }, home: home, local: filepath.Join(home, "local.sock")}.options()
			got := ""
			if err == nil {
				got, err = asked(t, opts)
			}
			if (err == nil) != (theirErr == nil) || err == nil && got != want {
				t.Errorf("asked %q, %v; the docker command %q, %v", got, err, want, theirErr)
			}
		})
	}
}

// Without a word about it Docker is asked, and Podman where Docker is not.
func TestSockets(t *testing.T) {
	dir := t.TempDir()
	s := surroundings{home: dir, local: filepath.Join(dir, "docker.sock"), env: func(name string) string {
		return map[string]string{"XDG_RUNTIME_DIR": filepath.Join(dir, "run")}[name]
	}}
	daemonNamed(t, filepath.Join(dir, "run/podman/podman.sock"), "podman")
	for _, want := range []string{"podman", "docker"} {
		if want == "docker" {
			daemonNamed(t, s.local, "docker")
		}
		opts, err := s.options()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := asked(t, opts); got != want {
			t.Errorf("asked %q, %v; want %s", got, err, want)
		}
	}
}

// What cannot be read is an error that names it, and never another daemon.
func TestBadContexts(t *testing.T) {
	dir := t.TempDir()
	write := func(path, text string) {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("broken/config.json", `{"currentContext": `)
	const sum = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683" // of "key"
	write("contexts/meta/"+sum+"/meta.json", `{"Name":"key","Endpoints":{"docker":{"Host":"tcp://127.0.0.1:1"}}}`)
	write("contexts/tls/"+sum+"/docker/ca.pem", "no certificate")
	for name, c := range map[string]struct {
		env  map[string]string
		want string
	}{
		"config":   {map[string]string{"DOCKER_CONFIG": filepath.Join(dir, "broken")}, "config.json"},
		"missing":  {map[string]string{"DOCKER_CONFIG": dir, "DOCKER_CONTEXT": "far"}, `docker context "far"`},
		"no certs": {map[string]string{"DOCKER_CONFIG": dir, "DOCKER_CONTEXT": "key"}, "ca.pem holds no certificate"},
	} {
		_, err := surroundings{env: func(name string) string { return c.env[name] }, home: dir}.options()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want an error with %q", name, err, c.want)
		}
	}
}
