package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"satchel/manifest"
)

// interrupted stops gather and run at several moments: exit code 130, no bundle
// or result, nothing left; the same command then goes on.
func (c *crossing) interrupted(t *testing.T) {
	hello, err := filepath.Abs("../../examples/hello/hello.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{20, 100, 250, 500} {
		c.interrupt(t, after, "gather", hello, "-o", "stopped.satchel", "--sign", "key")
	}
	moments := map[string][]time.Duration{"sandbox": {50, 400, 1500, 6000}, "docker": {1000, 5000}}
	for engine, list := range moments {
		if engine == "docker" && exec.Command("docker", "info").Run() != nil {
			continue
		}
		for _, after := range list {
			c.interrupt(t, after, "run", "hello.satchel", "--keyring", "key.pub", "--engine", engine, "-o", "stopped")
		}
	}
	c.must(t, nil, "gather", hello, "-o", "resumed.satchel", "--sign", "key", "--cache", "stop-cache")
	switch first, again := c.archives(t, "hello.satchel"), c.archives(t, "resumed.satchel"); {
	case first != again:
		t.Log("the archive has published something meanwhile; the two bundles cannot be compared")
	case c.read(t, "resumed.satchel") != c.read(t, "hello.satchel"):
		t.Error("gathered after interruptions the bundle is another")
	}
	if left, _ := filepath.Glob(filepath.Join(c.dir, ".satchel-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	c.nothingLeft(t)
}

// interrupt stops one command after so many milliseconds; the first ones may
// come before satchel listens.
func (c *crossing) interrupt(t *testing.T, after time.Duration, args ...string) {
	t.Helper()
	cmd := exec.Command(c.binary, args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "SATCHEL_CACHE="+filepath.Join(c.dir, "stop-cache"), asSatchel+"=1")
	var story bytes.Buffer
	cmd.Stderr = &story
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.pids[cmd.Process.Pid] = true
	time.Sleep(after * time.Millisecond)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 && after > 50 {
		t.Errorf("%v, after %d ms: %v, exit status %d, want 130\n%s", args, after, err, code, story.String())
	}
	if left, _ := filepath.Glob(filepath.Join(c.dir, "*stopped*")); len(left) != 0 {
		t.Errorf("%v, after %d ms: there is %v", args, after, left)
	}
}

// archives is what a bundle says of the archives it was made from.
func (c *crossing) archives(t *testing.T, bundle string) string {
	t.Helper()
	var b manifest.BundleView
	if err := json.Unmarshal([]byte(c.must(t, nil, "inspect", "--json", bundle)), &b); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(b.Lock.Archives)
}

// nothingLeft: no mount, process or container of a run is there any more.
func (c *crossing) nothingLeft(t *testing.T) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), c.dir) {
		t.Errorf("mounts are left:\n%s", mounts)
	}
	runs, _ := filepath.Glob(filepath.Join(c.dir, "*", "sandbox", "runs", "*"))
	if len(runs) > 0 {
		t.Errorf("runs are left: %v", runs)
	}
	out, err := exec.Command("docker", "ps", "-a", "--filter", "label=org.satchel.run", "--format", `{{.Label "org.satchel.owner"}} {{.Names}}`).Output()
	if err != nil {
		return // no Docker here
	}
	for line := range strings.Lines(string(out)) { // an owner is PLACE.PROCESS.START
		if f := strings.Split(line, "."); len(f) < 3 || c.started(f[1]) {
			t.Errorf("a container is left: %s", line)
		}
	}
}

// started tells whether a process was one of this test's.
func (c *crossing) started(pid string) bool {
	n, err := strconv.Atoi(pid)
	return err != nil || c.pids[n]
}

// full builds with its cache on a disk that is too small: an error that says
// so, and nothing half-made under a final name.
func (c *crossing) full(t *testing.T) {
	small := filepath.Join(c.dir, "small")
	if err := os.Mkdir(small, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("satchel-test", small, "tmpfs", 0, "size=120m"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Unmount(small, 0); err != nil {
			t.Error(err)
		}
	}()
	tight := *c
	tight.cache = filepath.Join(small, "cache")
	_, code, story := tight.build(t, "sandbox", "hello.satchel", "hello", "full")
	if code != 1 || !strings.Contains(story, "no space left on device") {
		t.Errorf("exit status %d, want 1 and the reason in\n%s", code, story)
	}
	if kept, _ := filepath.Glob(filepath.Join(tight.cache, "sandbox", "environments", "*")); len(kept) > 0 {
		t.Errorf("environments: %v", kept)
	}
	if _, err := os.Lstat(filepath.Join(c.dir, "full")); err == nil {
		t.Error("there is a result")
	}
	hello, err := filepath.Abs("../../examples/hello/hello.yml")
	if err != nil {
		t.Fatal(err)
	}
	_, code, story = tight.satchel(t, nil, "gather", hello, "-o", filepath.Join(small, "hello.satchel"))
	if code != 1 || !strings.Contains(story, "no space left on device") {
		t.Errorf("gathering: exit status %d, want 1 and the reason in\n%s", code, story)
	}
	if left, _ := filepath.Glob(filepath.Join(small, "*.satchel*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
