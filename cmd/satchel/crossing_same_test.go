package main

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"satchel/runner"
)

// same builds the examples in different places, at different times, with other
// umask, locale and time zone, on both engines: always the same hashes, and the
// same environment.
func (c *crossing) same(t *testing.T) {
	for _, name := range []string{"hello", "tally"} {
		first := c.built(t, name)
		other := *c
		if name == "hello" || os.Getenv("SATCHEL_FULL") != "" { // and once more an environment
			other.cache = filepath.Join(c.dir, "elsewhere", "deeper")
		}
		other.env = []string{"TZ=Asia/Tokyo", "LC_ALL=tr_TR.UTF-8", "LANG=C", "HOME=/nonexistent", "EDITOR=vi"}
		other.umask = "077"
		second, code, story := other.build(t, "sandbox", name+".satchel", name, name+"-2", "-j", "1", "--expect", name+"-1/"+name+"-res.yml")
		if code != 0 {
			t.Fatalf("exit status %d\n%s", code, story)
		}
		runs := map[string]runner.Built{"elsewhere": second[0]}
		full := os.Getenv("SATCHEL_FULL") != ""
		if (name == "hello" || full) && exec.Command("docker", "info").Run() == nil {
			third, code, story := c.build(t, "docker", name+".satchel", name, name+"-3")
			if code != 0 {
				t.Fatalf("exit status %d\n%s", code, story)
			}
			runs["docker"] = third[0]
			if full { // otherwise its environment is the sandbox's
				runs["docker alone"] = c.alone(t, name)
			}
		}
		for where, b := range runs {
			if !slices.Equal(b.Outputs, first.Outputs) || b.Manifest != first.Manifest {
				t.Errorf("%s, %s: outputs %v, want %v", name, where, b.Outputs, first.Outputs)
			}
			if !slices.Equal(b.Environments, first.Environments) {
				t.Errorf("%s, %s: environment %v, want %v", name, where, b.Environments, first.Environments)
			}
		}
		c.explained(t, name, first)
	}
	if v := c.read(t, "tally-1", "out", "version.txt"); v != "v1.0\n" {
		t.Errorf("git describe answered %q", v)
	}
	git := exec.Command("git", "-C", filepath.Join(c.dir, "tally.git"), "log", "-1", "--date=format-local:%F %T", "--format=%ad", "v1.0")
	git.Env = append(os.Environ(), "TZ=UTC") // as gbuild asks
	date, err := git.Output()
	if log := c.read(t, "tally-1", "logs", "bookworm-amd64-build.log"); err != nil || !strings.Contains(log, "+ REFERENCE_DATETIME='"+strings.TrimSpace(string(date))+"'\n") {
		t.Errorf("the reference time is not %q, %v, that of the author of the last remote's commit", date, err)
	}
	if s := c.read(t, "tally-1", "out", "status.txt"); s != "" {
		t.Errorf("the checkout is not clean: %q", s)
	}
}

// alone builds with a daemon as if it were on another machine, where it must
// prepare the environment itself.
func (c *crossing) alone(t *testing.T, name string) runner.Built {
	t.Helper()
	c.must(t, nil, "clean", "--engine", "docker", "--kind", "environment")
	far := *c
	far.env = []string{"DOCKER_HOST=" + forward(t, "/var/run/docker.sock")}
	text, code, story := far.satchel(t, nil, "run", name+".satchel", "--keyring", "key.pub", "--engine", "docker", "--only", name, "-o", name+"-4", "--json")
	var built []runner.Built
	if code != 0 || json.Unmarshal([]byte(text), &built) != nil || len(built) != 1 {
		t.Fatalf("exit status %d\n%s\n%s", code, text, story)
	}
	if strings.Contains(story, "Handing the environment to docker") {
		t.Error("a daemon elsewhere got the environment from here")
	}
	return built[0]
}

// forward listens on loopback for a socket, and returns the address.
func forward(t *testing.T, socket string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("unix", socket)
			if err != nil {
				from.Close()
				continue
			}
			pipe := func(to, from net.Conn) {
				io.Copy(to, from)
				if half, ok := to.(interface{ CloseWrite() error }); ok {
					half.CloseWrite()
				}
			}
			go pipe(from, to)
			go pipe(to, from)
		}
	}()
	return "tcp://" + l.Addr().String()
}
