package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// leftSeen lists the whole root, but for what is the container's own, and times to the
// second, which is what an image of a daemon keeps. What a user may not see is seen of no
// user.
const leftSeen = `find / -xdev ! -path / ! -path /etc ! -path '/.satchel*' ! -path '/dev*' ! -path '/proc*' ! -path '/sys*' ! -path '/etc/host*' ! -path /etc/resolv.conf ! -path /etc/mtab ! -path /.dockerenv ` +
	`\( -type d -printf '%p %y %m %U:%G %TY%Tj%TH%TM\n' -o -printf '%p %y %m %U:%G %s %l %TY%Tj%TH%TM\n' \) 2>/dev/null | LC_ALL=C sort | sha256sum; cat ~debian/build/d/*`

// after looks at what failed scripts leave.
func (c *crossing) after(t *testing.T, engine string) {
	failed := func() (names []string) {
		t.Helper()
		var got cleaned
		if err := json.Unmarshal([]byte(c.must(t, nil, "clean", "--dry-run", "--kind", "failed", "--engine", engine, "--json")), &got); err != nil {
			t.Fatal(err)
		}
		for _, k := range got.Items {
			if k.Kind != "failed" || k.Engine != engine || engine == "sandbox" && k.Size == 0 {
				t.Errorf("clean lists %+v", k)
			}
			names = append(names, k.Name)
		}
		return names
	}
	if engine == "sandbox" {
		c.leftByUnruly(t, failed())
	}
	if engine == "docker" { // whose daemon others use, too
		before := failed()
		defer func() {
			if after := failed(); len(after) > len(before) {
				t.Errorf("before there were %q, and now %q", before, after)
			}
		}()
	}
	_, code, story := c.build(t, engine, "unruly.satchel", "left", engine+"-left")
	lines := strings.Split(strings.TrimSpace(story), "\n")
	command := strings.TrimSpace(lines[len(lines)-1])
	if want := "satchel shell " + c.dir + "/unruly.satchel --after-failure --keyring " + c.dir + "/key.pub --engine " + engine; code != exitFailed || command != want {
		t.Fatalf("exit status %d; the last line is %q, want %q in\n%s", code, command, want, story)
	}
	log := c.read(t, engine+"-left.failed", "logs", "bookworm-amd64-build.log")
	_, want, ok := strings.Cut(log, "\nseen:\n")
	if want = strings.TrimSpace(plainLines(want)); !ok || len(want) < 70 {
		t.Fatalf("the script says\n%s", log)
	}
	at := func(input string, more ...string) (string, int, string) {
		t.Helper()
		words := append(strings.Fields(command)[1:], more...)
		cmd := exec.Command(c.binary, words...)
		cmd.Dir, cmd.Env = c.dir, append(os.Environ(), "SATCHEL_CACHE="+c.cache, asSatchel+"=1")
		cmd.Stdin = strings.NewReader(input)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		if engine == "docker" {
			cmd.SysProcAttr = nil // its socket may be one of TCP
		}
		var out, story bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &story
		cmd.Run()
		c.pids[cmd.Process.Pid] = true
		return out.String(), cmd.ProcessState.ExitCode(), story.String()
	}
	// There is no terminal. What is left is what the script saw at its end, whoever looks.
	out, code, story := at(leftSeen + "\ntail -n 1 /dev/shm/build-script; pwd; touch ~/changed; rm -r ~/build; exit 5\n")
	if got, ok := strings.CutPrefix(out, want+"\n"); !ok || code != 5 || got != "exit 3\n/home/debian/build\n" {
		t.Errorf("in the shell, which ends with %d, there is\n%s\nwant\n%s\n%s", code, out, want, story)
	}
	if !strings.Contains(story, "it ended with status 3") || !strings.Contains(story, "/dev/shm/build-script") {
		t.Errorf("it is told\n%s", story)
	}
	out, code, story = at("", "--root", "--", "bash", "-c", "id -u; cd ~debian; ls -A . build out; cat /sys/class/net/lo/operstate; ls /sys/class/net | grep -v lo; getent hosts a.example.org; exit 0")
	if got := "0\n.:\n.bash_logout\n.bashrc\nbuild\ncache\nout\n\nbuild:\nd\n\nout:\npart\n"; code != 0 || !strings.HasPrefix(out, got) {
		t.Errorf("root, whose shell ends with %d, sees\n%s\nwant\n%s\n%s", code, out, got, story)
	}
	if _, code, story := c.satchel(t, nil, "shell", "hello.satchel", "--keyring", "key.pub", "--engine", engine, "--after-failure"); code != 1 || !strings.Contains(story, "there is only\nleft bookworm-amd64 of bundle sha256:") {
		t.Errorf("with another bundle: exit status %d\n%s", code, story)
	}
	if _, code, _ := c.satchel(t, nil, "shell", "unruly.satchel", "--engine", engine, "--after-failure"); code != exitNotVerified {
		t.Errorf("without a keyring: exit status %d, want %d", code, exitNotVerified)
	}
	c.leavesNot(t, engine, failed)
	c.must(t, nil, "clean", "--kind", "failed", "--engine", engine)
	if left := failed(); len(left) > 0 {
		t.Errorf("clean leaves %q", left)
	}
	if _, code, story := at("", "--only", "left"); code != 1 || !strings.Contains(story, "keeps nothing that a script of this bundle left of left: run it") {
		t.Errorf("after clean: exit status %d\n%s", code, story)
	}
	c.nothingLeft(t)
}

// plainLines are those of a log that bash -x did not write.
func plainLines(log string) (plain string) {
	for line := range strings.Lines(log) {
		if !strings.HasPrefix(line, "+") {
			plain += line
		}
	}
	return plain
}

// leftByUnruly looks at what the unruly scripts before have left.
func (c *crossing) leftByUnruly(t *testing.T, names []string) {
	t.Helper()
	if _, err := os.Lstat(filepath.Join(c.dir, "sandbox-deep.failed")); err != nil {
		return // they were not run
	}
	if len(names) != 4 {
		t.Errorf("%q are kept, want those of the last four", names)
	}
	for _, name := range names {
		st, err := os.Lstat(filepath.Join(c.cache, "sandbox", "failed", name))
		if err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
}

// leavesNot: runs that are told to keep nothing, and those that are interrupted, leave nothing.
func (c *crossing) leavesNot(t *testing.T, engine string, failed func() []string) {
	t.Helper()
	before := strings.Join(failed(), " ")
	_, code, story := c.build(t, engine, "unruly.satchel", "left", engine+"-left-again", "--no-keep")
	if code == 0 || strings.Contains(story, "after-failure") {
		t.Errorf("with --no-keep: exit status %d\n%s", code, story)
	}
	cmd := exec.Command(c.binary, "run", "unruly.satchel", "--keyring", "key.pub", "--engine", engine, "--only", "sleepy", "-o", engine+"-left-sleepy")
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), "SATCHEL_CACHE="+c.cache, asSatchel+"=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.pids[cmd.Process.Pid] = true
	waitFor(t, func() bool { return scripts() != "" })
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != exitInterrupted {
		t.Errorf("interrupted: exit status %d", got)
	}
	if now := strings.Join(failed(), " "); now != before {
		t.Errorf("kept are %s, and before %s", now, before)
	}
}
