package docker_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"satchel/runner"
	"satchel/runner/enginetest"
)

// podmanTests hold of Podman, too. Of the others these do not:
// the container sees the host's control groups (of version 1), /run/.containerenv
// and no /etc/resolv.conf, may not turn address randomising off, and nobody says
// that memory ran out.
var podmanTests = []string{
	"streams/half-close", "streams/close-while-writing", "keep/environment", "keep/keep-twice", "keep/changes-stay-outside",
	"network/only-lo", "network/outside", "network/families", "escape/calls", "life/close-kills", "life/cancel", "life/killed",
	"shell/status", "shell/users", "shell/signal", "shell/terminal",
}

// Podman's socket serves, root's and a user's own.
func TestPodman(t *testing.T)         { testPodman(t, false) }
func TestPodmanRootless(t *testing.T) { testPodman(t, true) }

func testPodman(t *testing.T, rootless bool) {
	if os.Getenv("SATCHEL_FULL") != "1" {
		t.Skip("a container of Podman's takes seconds: set SATCHEL_FULL=1")
	}
	if !enginetest.IsVictim() {
		t.Setenv("DOCKER_HOST", "unix://"+servePodman(t, rootless))
	}
	open := func(t *testing.T, init string) runner.Engine { return newEngine(t, init) }
	if enginetest.IsVictim() {
		enginetest.Run(t, open)
		return
	}
	out, err := exec.Command("podman", "version", "--format", "{{.Client.Version}}").Output() // of this very program
	if err != nil {
		t.Fatal(err)
	}
	knows(t, newEngine(t, enginetest.BuildProbe(t)), "Podman "+strings.TrimSpace(string(out))+" at unix:///")
	enginetest.Some(t, open, podmanTests...)
}

// servePodman starts Podman's service and returns its socket. All it stores and
// starts ends with the test: its processes and mounts are in namespaces of
// their own.
func servePodman(t *testing.T, rootless bool) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("it takes root to start Podman apart from the user's own")
	}
	if _, err := exec.LookPath("podman"); err != nil {
		if os.Getenv("SATCHEL_CI") == "1" {
			t.Fatal(err)
		}
		t.Skip("no podman: ", err)
	}
	dir, user := "", []string{}
	if rootless {
		who, home := enginetest.User(t, true)
		dir, user = home, []string{"setpriv", fmt.Sprint("--reuid=", who.Uid), fmt.Sprint("--regid=", who.Gid), "--clear-groups"}
	} else {
		var err error
		if dir, err = os.MkdirTemp("", "satchel-podman-"); err != nil { // a socket's path must be short
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
	}
	socket := filepath.Join(dir, "sock")
	// The shell stays root's: what changes its user outlives the one that started it.
	args := slices.Concat([]string{"--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", `"$@" & wait`, "sh"}, user, []string{
		"podman", "--root", dir + "/root", "--runroot", dir + "/run", "--tmpdir", dir + "/tmp", "--cgroup-manager", "cgroupfs",
		"--events-backend", "none", "--runtime", "runc", "system", "service", "--time=0", "unix://" + socket})
	c := exec.Command("unshare", args...)
	// Podman's own wishes are above what some machines let root have, and the
	// runtime that it takes by itself wants no version 2 of control groups beside 1.
	var files, processes unix.Rlimit
	if err := errors.Join(unix.Getrlimit(unix.RLIMIT_NOFILE, &files), unix.Getrlimit(unix.RLIMIT_NPROC, &processes)); err != nil {
		t.Fatal(err)
	}
	limits := fmt.Sprintf("[containers]\ndefault_ulimits = [\"nofile=%[1]d:%[1]d\", \"nproc=%[2]d:%[2]d\"]\n", files.Max, min(processes.Max, 1<<15))
	config := filepath.Join(dir, "containers.conf")
	if err := os.WriteFile(config, []byte(limits), 0o644); err != nil {
		t.Fatal(err)
	}
	c.Env = []string{"CONTAINERS_CONF=" + config, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + dir, "XDG_RUNTIME_DIR=" + dir, "TMPDIR=" + dir}
	c.Dir = dir
	var words strings.Builder
	c.Stdout, c.Stderr = &words, &words
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
		if t.Failed() {
			t.Logf("podman says:\n%s", words.String())
		}
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			return socket
		}
		if time.Now().After(end) {
			t.Fatal("podman makes no socket")
		}
	}
}
