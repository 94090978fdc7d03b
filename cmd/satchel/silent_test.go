package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// image builds hello on top of a root tarball that mmdebstrap made: the same
// packages, so the same outputs and the same manifest.
func (c *crossing) image(t *testing.T) {
	if os.Getenv("SATCHEL_FULL") == "" {
		t.Skip("another base system, and hello on it, take two minutes: set SATCHEL_FULL=1")
	}
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		skip(t, "mmdebstrap is not installed")
	}
	base := filepath.Join(c.dir, "base.tar.gz")
	if out, err := exec.Command("mmdebstrap", "--variant=apt", "bookworm", base).CombinedOutput(); err != nil {
		t.Fatalf("mmdebstrap: %v\n%s", err, out)
	}
	hello, err := filepath.Abs("../../examples/hello/hello.yml")
	if err != nil {
		t.Fatal(err)
	}
	c.must(t, nil, "gather", hello, "--image", base, "-o", "image.satchel", "--sign", "key")
	built, code, story := c.build(t, "sandbox", "image.satchel", "hello", "image")
	if code != 0 {
		t.Fatalf("exit status %d\n%s", code, story)
	}
	c.built(t, "hello")
	if got, want := c.read(t, "image", built[0].Manifest.Path), c.read(t, "hello-1", "hello-res.yml"); got != want {
		t.Errorf("the result is another:\n%s\nwant\n%s", got, want)
	}
}

// readme runs the commands of README.md's "Use it" as they stand there.
func (c *crossing) readme(t *testing.T) {
	dir := filepath.Join(c.dir, "readme")
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("set -euo pipefail\nmkdir -p %[1]s/bin %[1]s/.ssh\ncd %[1]s\nln -s %[2]s/examples\n"+
		"cp ../key .ssh/id_ed25519\ncp ../key.pub builders.pub\nln -s %[3]s bin/satchel\nexport HOME=%[1]s PATH=%[1]s/bin:$PATH\n", dir, top, c.binary)
	blocks := 0
	for _, commands := range shellBlocks(t, "../../README.md", "## Use it") {
		if strings.HasPrefix(commands, "satchel ") { // the others build it
			script += commands
			blocks++
		}
	}
	if blocks < 2 {
		t.Fatalf("README.md shows %d blocks of satchel's commands", blocks)
	}
	cmd := exec.Command("bash", "-c", script)
	cmd.Env = append(os.Environ(), "SATCHEL_CACHE="+c.cache, asSatchel+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c.built(t, "hello")
	if got, want := c.read(t, "readme", "result", "hello-res.yml"), c.read(t, "hello-1", "hello-res.yml"); got != want {
		t.Errorf("the result is another:\n%s\nwant\n%s", got, want)
	}
}

// connects is an attempt to reach something outside, as strace prints it.
var connects = regexp.MustCompile(`(connect|sendto|sendmsg)\(.*sa_family=AF_INET6?, .*`)

// silent watches all system calls of verify and run, with the network of this
// machine within reach: neither satchel nor what it starts so much as tries.
func (c *crossing) silent(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		skip(t, "strace is not installed")
	}
	log := filepath.Join(c.dir, "strace.log")
	watch := []string{"strace", "-f", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg", "-o", log}
	c.must(t, watch, "verify", "hello.satchel", "--keyring", "key.pub")
	c.noConnects(t, log)
	c.must(t, watch, "run", "unruly.satchel", "--only", "stdin", "--keyring", "key.pub", "--engine", "sandbox", "--cache", filepath.Join(c.dir, "watched-cache"), "-o", "watched")
	c.noConnects(t, log)
	text, code, story := c.satchel(t, watch, "run", "unruly.satchel", "--only", "network", "--keyring", "key.pub", "--engine", "sandbox", "-o", "watched-2")
	if code != 7 {
		t.Errorf("exit status %d\n%s%s", code, text, story)
	}
	if seen, err := os.ReadFile(log); err != nil || !connects.Match(seen) {
		t.Errorf("the watcher saw nothing of a script that asks for names, so it would see nothing at all: %v", err)
	}
}

// noConnects: no address but the container's own resolver was asked.
func (c *crossing) noConnects(t *testing.T, log string) {
	t.Helper()
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range connects.FindAllString(string(b), -1) {
		if !strings.Contains(line, "127.0.0.1") {
			t.Errorf("satchel tried the network: %s", line)
		}
	}
}

// clean removes what the sandbox keeps below the cache, and nothing beside it.
func (c *crossing) clean(t *testing.T) {
	c.built(t, "hello")
	c.built(t, "tally")
	kept := func() int {
		list, err := filepath.Glob(filepath.Join(c.cache, "sandbox", "environments", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := kept()
	stranger := filepath.Join(c.cache, "sandbox", "environments", "of somebody else")
	if err := os.Mkdir(stranger, 0o700); err != nil {
		t.Fatal(err)
	}
	if before < 2 {
		t.Fatalf("%d environments are kept, want those of hello and tally at least", before)
	}
	if out := c.must(t, nil, "clean", "--dry-run", "--engine", "sandbox"); strings.Count(out, "environment") != before || kept() != before+1 {
		t.Errorf("a dry run tells of\n%s\nand leaves %d, want %d", out, kept(), before+1)
	}
	if out := c.must(t, nil, "clean", "--older-than", "1h", "--engine", "sandbox"); out != "" || kept() != before+1 {
		t.Errorf("what is new was removed:\n%s", out)
	}
	c.must(t, nil, "clean", "--engine", "sandbox")
	if _, err := os.Stat(stranger); err != nil || kept() != 1 {
		t.Errorf("%d are left, want the stranger's alone: %v", kept(), err)
	}
	c.must(t, nil, "verify", "hello.satchel", "--keyring", "key.pub")
}
