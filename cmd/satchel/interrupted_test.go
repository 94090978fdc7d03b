package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// interrupted stops a run at several moments: exit code 130, no result, nothing left.
func (c *crossing) interrupted(t *testing.T) {
	for i, after := range []time.Duration{50, 400, 1500, 6000} {
		out := filepath.Join(c.dir, fmt.Sprintf("interrupted-%d", i))
		cmd := exec.Command(c.binary, "run", "hello.satchel", "--keyring", "key.pub", "--engine", "sandbox", "-o", out)
		cmd.Dir = c.dir
		cmd.Env = append(os.Environ(), "SATCHEL_CACHE="+filepath.Join(c.dir, "interrupted"), asSatchel+"=1")
		var story bytes.Buffer
		cmd.Stderr = &story
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after * time.Millisecond)
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		err := cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 130 && after > 50 {
			t.Errorf("after %d ms: %v, exit status %d, want 130\n%s", after, err, code, story.String())
		}
		if left, _ := filepath.Glob(filepath.Join(c.dir, "*interrupted-*")); len(left) != 0 {
			t.Errorf("after %d ms there is %v", after, left)
		}
	}
	for i, after := range []time.Duration{20, 100, 250, 500} {
		c.interruptGather(t, i, after)
	}
	hello, err := filepath.Abs("../../examples/hello/hello.yml")
	if err != nil {
		t.Fatal(err)
	}
	c.must(t, nil, "gather", hello, "-o", filepath.Join(c.dir, "again.satchel"), "--sign", filepath.Join(c.dir, "key"), "--cache", filepath.Join(c.dir, "gathering"))
	switch first, again := c.archives(t, "hello.satchel"), c.archives(t, "again.satchel"); {
	case first != again:
		t.Log("the archive has published something meanwhile; the two bundles cannot be compared")
	case c.read(t, "again.satchel") != c.read(t, "hello.satchel"):
		t.Error("gathered after interruptions the bundle is another")
	}
	if left, _ := filepath.Glob(filepath.Join(c.dir, ".satchel-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	c.nothingLeft(t)
}

// archives is what a bundle says of the archives it was made from.
func (c *crossing) archives(t *testing.T, bundle string) string {
	t.Helper()
	var b bundleView
	if err := json.Unmarshal([]byte(c.must(t, nil, "inspect", "--json", bundle)), &b); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(b.Lock.Archives)
}

// interruptGather stops a gather: no bundle, not even half of one.
func (c *crossing) interruptGather(t *testing.T, i int, after time.Duration) {
	out := filepath.Join(c.dir, fmt.Sprintf("gathered-%d.satchel", i))
	cmd := exec.Command(c.binary, "gather", "../../examples/hello/hello.yml", "-o", out, "--cache", filepath.Join(c.dir, "gathering"))
	cmd.Env = append(os.Environ(), asSatchel+"=1")
	var story bytes.Buffer
	cmd.Stderr = &story
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after * time.Millisecond)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 && after > 20 {
		t.Errorf("after %d ms: exit status %d, want 130\n%s", after, code, story.String())
	}
	if left, _ := filepath.Glob(filepath.Join(c.dir, "*gathered-*")); len(left) != 0 {
		t.Errorf("after %d ms there is %v", after, left)
	}
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
	if out, err := exec.Command("docker", "ps", "-a", "-q", "--filter", "label=org.satchel.run").Output(); err == nil && len(out) > 0 {
		t.Errorf("containers are left: %s", out)
	}
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
	_, code, story = tight.satchel(t, nil, "gather", "hello.yml", "-o", filepath.Join(small, "hello.satchel"))
	if code == 0 {
		t.Errorf("a bundle fits where it cannot\n%s", story)
	}
	if left, _ := filepath.Glob(filepath.Join(small, "*.satchel*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
