package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"satchel/runner"
)

func newCrossing(t *testing.T) *crossing {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &crossing{dir: t.TempDir(), binary: self, pids: map[int]bool{}, judge: newJSONJudge(t), made: map[string]runner.Built{}}
	c.cache = filepath.Join(c.dir, "cache")
	if err := os.Chmod(c.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return c
}

// satchel runs the command and returns what it printed, the exit code, and what it told.
func (c *crossing) satchel(t *testing.T, wrap []string, args ...string) (out string, code int, story string) {
	t.Helper()
	words := slices.Clone(wrap)
	if c.umask != "" {
		words = append(words, underUmask(c.umask)...)
	}
	words = append(words, c.binary)
	words = append(words, args...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), append([]string{"SATCHEL_CACHE=" + c.cache, asSatchel + "=1"}, c.env...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin := time.Now()
	err := cmd.Start()
	if err == nil {
		c.pids[cmd.Process.Pid] = true
		peak := watchMemory(cmd.Process.Pid)
		err = cmd.Wait()
		c.took, c.peak = time.Since(begin), peak()
	}
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		t.Fatalf("running %v: %v", words, err)
	}
	return stdout.String(), cmd.ProcessState.ExitCode(), stderr.String()
}

// underUmask begins a command that has a umask of its own. The tests themselves keep
// theirs, which is one for all that go on side by side.
func underUmask(mask string) []string {
	return []string{"sh", "-c", "umask " + mask + ` && exec "$@"`, "sh"}
}

// watchMemory looks at how much a process itself has taken at most, its children not
// counted, until peak is called, which answers in bytes.
func watchMemory(pid int) (peak func() int64) {
	most, stop := int64(0), make(chan bool)
	look := func() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if _, rest, ok := strings.Cut(string(text), "VmHWM:"); err == nil && ok {
			kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			if n, err := strconv.ParseInt(kib, 10, 64); err == nil {
				most = max(most, n<<10)
			}
		}
	}
	go func() {
		for {
			select {
			case stop <- true:
				return
			case <-time.After(20 * time.Millisecond):
				look()
			}
		}
	}()
	return func() int64 { <-stop; return most }
}

// must is satchel with exit code 0.
func (c *crossing) must(t *testing.T, wrap []string, args ...string) string {
	t.Helper()
	out, code, story := c.satchel(t, wrap, args...)
	if code != 0 {
		t.Fatalf("satchel %v: exit status %d\n%s", args, code, story)
	}
	return out
}

// gather makes hello.satchel, tally.satchel and unruly.satchel, signed.
func (c *crossing) gather(t *testing.T) {
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	for _, cmd := range [][]string{
		{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(c.dir, "key")},
		{filepath.Join(examples, "tally/make-repository"), filepath.Join(c.dir, "tally.git")},
	} {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
	}
	c.must(t, nil, "gather", filepath.Join(examples, "hello/hello.yml"), "-o", "hello.satchel", "--sign", "key")
	c.must(t, nil, "gather", filepath.Join(examples, "tally/tally.yml"), "-u", "tally="+filepath.Join(c.dir, "tally.git"), "-o", "tally.satchel", "--sign", "key")
	args := []string{"gather", "-o", "unruly.satchel", "--sign", "key"}
	for name, script := range unruly {
		file := filepath.Join(c.dir, name+".yml")
		if err := os.WriteFile(file, []byte(descriptor(t, name, script)), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	c.must(t, nil, args...)
}

// offline is a network namespace with nothing in it, not even a loopback
// interface that is up.
func offline() []string { return []string{"unshare", "--net", "--"} }

// build runs one descriptor offline.
func (c *crossing) build(t *testing.T, engine, bundle, only, out string, more ...string) ([]runner.Built, int, string) {
	t.Helper()
	wrap := offline()
	args := append([]string{"run", bundle, "--keyring", "key.pub", "--engine", engine, "--only", only, "-o", out, "--json"}, more...)
	text, code, story := c.satchel(t, wrap, args...)
	var built []runner.Built
	if code == 0 {
		if err := json.Unmarshal([]byte(text), &built); err != nil || len(built) != 1 {
			t.Fatalf("reading what run printed: %v\n%s", err, text)
		}
		c.judge.add(t, "run", fmt.Sprintf("satchel %q", args), text)
	}
	return built, code, story
}

// built is an example as root builds it in the sandbox, in NAME-1: the first part that asks
// has it built, so that each part can be run alone.
func (c *crossing) built(t *testing.T, name string) runner.Built {
	t.Helper()
	if _, ok := c.made[name]; !ok {
		built, code, story := c.build(t, "sandbox", name+".satchel", name, name+"-1")
		if code != 0 {
			t.Fatalf("exit status %d\n%s", code, story)
		}
		c.made[name] = built[0]
	}
	return c.made[name]
}

func (c *crossing) read(t *testing.T, name ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{c.dir}, name...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
