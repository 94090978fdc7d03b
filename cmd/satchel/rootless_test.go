package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"satchel/runner"
	"satchel/runner/enginetest"
)

// rootless builds hello as an ordinary user: the same environment, outputs and
// manifest as root's; clean then removes what belongs to the user's ids.
func (c *crossing) rootless(t *testing.T) {
	roots, code, story := c.build(t, "sandbox", "hello.satchel", "hello", "hello-root")
	if code != 0 {
		t.Fatalf("exit status %d\n%s", code, story)
	}
	who, dir := enginetest.User(t, true)
	program := enginetest.Copy(t, c.binary, dir)
	for _, name := range []string{"hello.satchel", "key.pub"} {
		enginetest.Copy(t, filepath.Join(c.dir, name), dir)
	}
	as := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Credential: who}
		cmd.Dir = dir
		cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + dir, asSatchel + "=1"}
		var out, story bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &story
		if err := cmd.Run(); err != nil {
			t.Fatalf("satchel %v: %v\n%s", args, err, story.String())
		}
		return out.String()
	}
	old := syscall.Umask(0o027)
	text := as("run", "hello.satchel", "--keyring", "key.pub", "--engine", "sandbox", "--json")
	syscall.Umask(old)
	var built []runner.Built
	if err := json.Unmarshal([]byte(text), &built); err != nil || len(built) != 1 {
		t.Fatalf("reading what run printed: %v\n%s", err, text)
	}
	var manifest string
	if b, err := os.ReadFile(filepath.Join(dir, "result", "hello-res.yml")); err == nil {
		manifest = string(b)
	}
	if want := c.read(t, "hello-root", "hello-res.yml"); manifest != want {
		t.Errorf("the manifest is\n%s\nand root's\n%s", manifest, want)
	}
	if !slices.Equal(built[0].Environments, roots[0].Environments) {
		t.Errorf("environment %v, root's is %v", built[0].Environments, roots[0].Environments)
	}
	as("clean", "--engine", "sandbox")
	if left, _ := filepath.Glob(filepath.Join(dir, ".cache/satchel/sandbox/*/*")); len(left) > 0 {
		t.Errorf("clean leaves %q", left)
	}
}
