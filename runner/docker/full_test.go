package docker_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"satchel/runner"
	"satchel/runner/docker"
	"satchel/runner/enginetest"
)

// A daemon that has too little room for an image of what a script left says so, and keeps
// nothing of it: one of this test's own, whose folder is on a small disk.
func TestLeaveFull(t *testing.T) {
	if os.Getenv("SATCHEL_FULL") != "1" {
		t.Skip("a daemon of its own takes a minute: set SATCHEL_FULL=1")
	}
	newEngine(t, enginetest.BuildProbe(t)) // or skips
	if os.Geteuid() != 0 {
		t.Skip("it takes root to start a daemon beside this machine's")
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		t.Skip("the docker daemon's program is not here: ", err)
	}
	dir, err := os.MkdirTemp("", "satchel-dockerd-") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	root, disk := filepath.Join(dir, "root"), int64(96<<20)
	if err := os.Mkdir(root, 0o711); err != nil {
		t.Fatal(err)
	}
	enginetest.SmallDisk(t, root, disk)
	host := "unix://" + serveDocker(t, dir, root)
	enginetest.LeaveFull(t, func(t *testing.T, init string) runner.Engine {
		e, err := docker.New(docker.Options{Init: init, Name: "satcheltestfull", Client: []client.Opt{client.WithHost(host)}})
		if err == nil {
			err = e.Check(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		return e
	}, disk, true)
}

// serveDocker starts a daemon that keeps all it has in root, and returns its socket. It has no
// network, and what it starts and mounts ends with it, in namespaces of its own: one that is to
// have no bridge removes docker0 from the network it is in, which must not be this machine's.
func serveDocker(t *testing.T, dir, root string) string {
	t.Helper()
	socket, config := filepath.Join(dir, "sock"), filepath.Join(dir, "daemon.json") // not this machine's
	if err := os.WriteFile(config, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("unshare", "--pid", "--net", "--fork", "--kill-child", "--mount-proc", "dockerd", "--data-root", root, "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "--host", "unix://"+socket, "--bridge", "none", "--iptables=false", "--ip-forward=false", "--config-file", config)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var words strings.Builder
	c.Stdout, c.Stderr = &words, &words
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { c.Wait(); close(ended) }()
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(time.Minute):
			c.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("dockerd says:\n%s", words.String())
		}
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if exec.Command("docker", "--host", "unix://"+socket, "info").Run() == nil {
			return socket
		}
		select {
		case <-ended:
			t.Fatalf("dockerd ended:\n%s", words.String())
		default:
		}
		if time.Now().After(end) {
			t.Fatal("dockerd does not answer")
		}
	}
}
