package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"satchel/runner"
	"satchel/runner/enginetest"
)

// rootless builds hello as an ordinary user, and opens shells: the same environment, outputs and
// manifest as root's; clean then removes what belongs to the user's ids.
func (c *crossing) rootless(t *testing.T) {
	roots := c.built(t, "hello")
	who, dir := enginetest.User(t, true)
	program := enginetest.Copy(t, c.binary, dir)
	for _, name := range []string{"hello.satchel", "unruly.satchel", "key.pub"} {
		enginetest.Copy(t, filepath.Join(c.dir, name), dir)
	}
	command := func(args ...string) *exec.Cmd {
		words := append(underUmask("027"), program)
		cmd := exec.Command(words[0], append(words[1:], args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Credential: who}
		cmd.Dir = dir
		cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + dir, "TERM=xterm", asSatchel + "=1"}
		return cmd
	}
	as := func(args ...string) string {
		t.Helper()
		cmd := command(args...)
		var out, story bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &story
		if err := cmd.Run(); err != nil {
			t.Fatalf("satchel %v: %v\n%s", args, err, story.String())
		}
		return out.String()
	}
	text := as("run", "hello.satchel", "--keyring", "key.pub", "--engine", "sandbox", "--json")
	var built []runner.Built
	if err := json.Unmarshal([]byte(text), &built); err != nil || len(built) != 1 {
		t.Fatalf("reading what run printed: %v\n%s", err, text)
	}
	c.judge.add(t, "run", "run by a user", text)
	t.Run("shell", func(t *testing.T) { c.rootlessShell(t, dir, command) })
	var manifest string
	if b, err := os.ReadFile(filepath.Join(dir, "result", "hello-res.yml")); err == nil {
		manifest = string(b)
	}
	if want := c.read(t, "hello-1", "hello-res.yml"); manifest != want {
		t.Errorf("the manifest is\n%s\nand root's\n%s", manifest, want)
	}
	if !slices.Equal(built[0].Environments, roots.Environments) {
		t.Errorf("environment %v, root's is %v", built[0].Environments, roots.Environments)
	}
	as("clean", "--engine", "sandbox")
	if left, _ := filepath.Glob(filepath.Join(dir, ".cache/satchel/sandbox/*/*")); len(left) > 0 {
		t.Errorf("clean leaves %q", left)
	}
}

// rootlessShell opens an ordinary user's shells: joined to three streams, to a terminal, and
// after a failure.
func (c *crossing) rootlessShell(t *testing.T, dir string, command func(...string) *exec.Cmd) {
	shell := func(more ...string) *exec.Cmd {
		return command(append([]string{"shell", "unruly.satchel", "--keyring", "key.pub", "--engine", "sandbox"}, more...)...)
	}
	says := func(cmd *exec.Cmd, input, want string, code int) {
		t.Helper()
		var story bytes.Buffer
		cmd.Stdin, cmd.Stderr = strings.NewReader(input), &story
		out, _ := cmd.Output()
		if got := cmd.ProcessState.ExitCode(); got != code || string(out) != want {
			t.Errorf("%q: status %d, want %d, with\n%s\nwant\n%s\n%s", input, got, code, out, want, story.String())
		}
	}
	says(shell("--only", "seen"), "id; pwd; umask; grep -hE 'CapEff|NoNewPrivs' /proc/self/status; ls -A ~; ls /sys/class/net; exit 7\n",
		"uid=1000(debian) gid=1000(debian) groups=1000(debian)\n/home/debian/build\n0002\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n"+
			".bash_logout\n.bashrc\nbuild\nbuild-script\ncache\ninstall\nout\n.profile\nlo\n", 7)
	says(shell("--only", "seen", "--root", "--", "sh", "-c", "id -u; chown 33:33 /etc/passwd; stat -c %u:%g /etc/passwd; stat -c %U ~debian"), "", "0\n33:33\ndebian\n", 0)

	cmd := shell("--only", "seen")
	s := newScreen(t, cmd)
	defer s.file.Close()
	defer cmd.Process.Kill()
	c.pids[cmd.Process.Pid] = true
	const prompt = `seen debian:~/build\$ $`
	s.until(prompt)
	s.keys("stty size; tty; echo T=$TERM\r")
	s.until(`41 101\s+/dev/pts/\d+\s+T=xterm\s`)
	s.keys("sleep 1000; echo after-$?\r")
	s.until(`sleep 1000`)
	// the id of this machine that enginetest.User lets the container have for its 1000
	waitFor(t, func() bool { return exec.Command("pgrep", "-f", "^sleep 1000$", "-u", "1000999").Run() == nil })
	s.keys("\x03")
	s.until(prompt)
	s.keys("echo status=$?; exit 9\r")
	s.until(`status=130\s`)
	<-s.read
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 9 {
		t.Errorf("the shell on a terminal ended with %d, want 9", got)
	}

	says(shell("--only", "left", "--after-failure"), "", "", exitFailed)
	run := command("run", "unruly.satchel", "--keyring", "key.pub", "--engine", "sandbox", "--only", "left", "-o", "left")
	if out, _ := run.CombinedOutput(); run.ProcessState.ExitCode() != exitFailed || !bytes.Contains(out, []byte("--after-failure")) {
		t.Errorf("run: status %d\n%s", run.ProcessState.ExitCode(), out)
	}
	log, err := os.ReadFile(filepath.Join(dir, "left.failed", "logs", "bookworm-amd64-build.log"))
	if err != nil {
		t.Fatal(err)
	}
	_, want, _ := strings.Cut(string(log), "\nseen:\n")
	says(shell("--after-failure"), leftSeen+"\n", plainLines(want), 0)
	says(shell("--after-failure", "--root", "--", "sh", "-c", "id -u; cat ~debian/build/d/f; rm -r ~debian/build"), "", "0\nkept\n", 0)
	says(shell("--after-failure"), leftSeen+"\n", plainLines(want), 0)
}
