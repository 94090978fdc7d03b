package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// seen prints all that a script can ask bash of itself, but for what tells a
// shell that reads from another.
const seen = `declare -p | grep -vE '^declare -[-a-zA-Z]+ (BASH[A-Z_]*|SHELLOPTS|LINENO|PPID|RANDOM|SRANDOM|SECONDS|EPOCH[A-Z]*|HISTCMD|_|PIPESTATUS|FUNCNAME|DIRSTACK|GROUPS|PS4|OPTIND|OPTERR|COMP_WORDBREAKS)='
env | LC_ALL=C sort | grep -v ^_=; umask; ulimit -a; pwd; id; nproc; cat /proc/self/status | grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups)'; ls -A ~/build ~/out ~/cache; find / -maxdepth 1 | LC_ALL=C sort
`

// shell opens shells on the unruly bundle.
func (c *crossing) shell(t *testing.T, engine string) {
	open := func(more ...string) *exec.Cmd {
		cmd := exec.Command(c.binary, append([]string{"shell", "unruly.satchel", "--keyring", "key.pub", "--engine", engine, "--only", "seen"}, more...)...)
		cmd.Dir, cmd.Env = c.dir, append(os.Environ(), "SATCHEL_CACHE="+c.cache, asSatchel+"=1", "TERM=xterm")
		return cmd
	}
	t.Run("same", func(t *testing.T) { c.shellSees(t, engine, open) })
	if engine == "sandbox" { // of the engines themselves TestEngine/shell wants it
		t.Run("status", func(t *testing.T) { c.shellStatus(t, open) })
	}
	t.Run("binary", func(t *testing.T) { c.shellBinary(t, open) })
	t.Run("terminal", func(t *testing.T) { c.shellTerminal(t, open) })
	t.Run("killed", func(t *testing.T) { c.shellKilled(t, engine, open) })
	if out, code, story := c.satchel(t, nil, "shell", "unruly.satchel", "--keyring", "key.pub", "--engine", engine, "--", "true"); code != exitUsage || out != "" || !strings.Contains(story, "--only seen --target bookworm-amd64") {
		t.Errorf("with many to choose from: %q, status %d\n%s", out, code, story)
	}
	if _, code, _ := c.satchel(t, nil, "shell", "unruly.satchel", "--engine", engine, "--only", "seen", "--", "true"); code != exitNotVerified {
		t.Errorf("without a keyring: status %d, want %d", code, exitNotVerified)
	}
	c.nothingLeft(t)
}

// shellSees compares what the script saw with what a shell sees that reads the same.
func (c *crossing) shellSees(t *testing.T, engine string, open func(...string) *exec.Cmd) {
	if _, code, story := c.build(t, engine, "unruly.satchel", "seen", engine+"-seen"); code != 0 {
		t.Fatalf("exit status %d\n%s", code, story)
	}
	want := c.read(t, engine+"-seen", "out", "seen.txt")
	cmd := open()
	var story bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader("exec 3>$OUTDIR/seen.txt\n"+seen), &story
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, story.String())
	}
	if got := string(out); got != want || len(got) < 2000 {
		t.Errorf("the shell saw\n%s\nthe script\n%s", got, want)
	}
	for _, line := range []string{"there is no network", "/home/debian/build-script"} {
		if !strings.Contains(story.String(), line) {
			t.Errorf("it is not told %q:\n%s", line, story.String())
		}
	}
	// What is done is gone, the script is at hand, and root is root.
	cmd = open("--root", "--", "bash", "-c", "id -u; ls -A ~debian/out; tail -n 1 ~debian/build-script; touch /etc/made; cat /sys/class/net/lo/operstate; ls /sys/class/net | grep -v lo; getent hosts a.example.org; grep NoNewPrivs /proc/self/status")
	cmd.Stderr = &story
	out, _ = cmd.Output()
	if got := string(out); !strings.HasPrefix(got, "0\n") || strings.Contains(got, "seen.txt\n") && !strings.Contains(got, "ulimit") {
		t.Errorf("root sees %q", got)
	}
	if !strings.Contains(story.String(), "a.example.org") {
		t.Errorf("a name that was asked for is not told:\n%s", story.String())
	}
	if err := open("--", "test", "!", "-e", "/etc/made").Run(); err != nil {
		t.Errorf("what root made is there: %v", err)
	}
}

// shellStatus: exit statuses are passed on, also of signals, and Ctrl-C where there is no terminal.
func (c *crossing) shellStatus(t *testing.T, open func(...string) *exec.Cmd) {
	for want, command := range map[int][]string{
		7: {"bash", "-c", "exit 7"}, 137: {"bash", "-c", "kill -KILL $$"}, 127: {"no-such-command"}, 126: {"/etc/passwd"},
		0: {"declare", "-p", "MAKEOPTS"},
	} {
		cmd := open(append([]string{"--"}, command...)...)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("%v: status %d, want %d\n%s", command, got, want, out)
		}
	}
	cmd := open("--", "bash", "-c", "trap 'echo caught; exit 5' INT; echo waiting; while :; do sleep 0.1; done")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.pids[cmd.Process.Pid] = true
	line := make([]byte, 8)
	if _, err := io.ReadFull(out, line); err != nil || string(line) != "waiting\n" {
		t.Fatalf("%q, %v", line, err)
	}
	cmd.Process.Signal(os.Interrupt)
	rest, _ := io.ReadAll(out)
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 5 || string(rest) != "caught\n" {
		t.Errorf("after Ctrl-C: %q, status %d", rest, got)
	}
}

// shellBinary passes 50 MB of any bytes through, and stderr apart.
func (c *crossing) shellBinary(t *testing.T, open func(...string) *exec.Cmd) {
	const size = 50 << 20
	var key [32]byte
	sent, got := sha256.New(), sha256.New()
	cmd := open("-q", "--", "bash", "-c", "cat; echo apart >&2")
	var story bytes.Buffer
	cmd.Stdin, cmd.Stderr = io.TeeReader(io.LimitReader(rand.NewChaCha8(key), size), sent), &story
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(got, out)
	if werr := cmd.Wait(); err != nil || werr != nil || n != size || !bytes.Equal(got.Sum(nil), sent.Sum(nil)) {
		t.Errorf("%d bytes of %d came back, %v, %v", n, size, err, werr)
	}
	if story.String() != "apart\n" {
		t.Errorf("on standard error: %q", story.String())
	}
}

// screen is a terminal and what has been seen on it.
type screen struct {
	t    *testing.T
	file *os.File
	mu   sync.Mutex
	text []byte
	stop atomic.Bool
	read chan struct{} // closed when nobody reads any more
}

func newScreen(t *testing.T, cmd *exec.Cmd) *screen {
	t.Helper()
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 41, Cols: 101})
	if err != nil {
		t.Fatal(err)
	}
	s, fd := &screen{t: t, file: f, read: make(chan struct{})}, f.Fd()
	go func() {
		defer close(s.read)
		buf := make([]byte, 4096)
		for !s.stop.Load() {
			ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			if n, err := unix.Poll(ready, 50); n == 0 || err == unix.EINTR {
				continue
			}
			n, err := f.Read(buf)
			s.mu.Lock()
			s.text = append(s.text, buf[:n]...)
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

// hangUp closes the terminal. No read of it may be under way, which would hold it open.
func (s *screen) hangUp() {
	s.stop.Store(true)
	<-s.read
	s.file.Close()
}

// until waits for what matches, and forgets all up to there.
func (s *screen) until(pattern string) string {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		s.mu.Lock()
		if m := re.FindIndex(s.text); m != nil {
			found := string(s.text[m[0]:m[1]])
			s.text = s.text[m[1]:]
			s.mu.Unlock()
			return found
		}
		text := string(s.text)
		s.mu.Unlock()
		if time.Now().After(end) {
			s.t.Fatalf("%q does not come; there is %q", pattern, text)
		}
	}
}

func (s *screen) keys(keys string) {
	s.t.Helper()
	if _, err := s.file.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// shellTerminal is a session of a person.
func (c *crossing) shellTerminal(t *testing.T, open func(...string) *exec.Cmd) {
	cmd := open()
	s := newScreen(t, cmd)
	defer s.file.Close()
	defer cmd.Process.Kill()
	c.pids[cmd.Process.Pid] = true
	before, err := unix.IoctlGetTermios(int(s.file.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	const prompt = `seen debian:~/build\$ $`
	s.until(prompt)
	for _, step := range [][2]string{
		{"stty size; tty; echo T=$TERM M=${MAKEOPTS[0]}\r", `41 101\s+/dev/pts/\d+\s+T=xterm M=-j2\s`},
		{"printf 'a\\033]0;t\\007\\377b' | od -An -tx1\r", `61 1b 5d 30 3b 74 07 ff 62`},
		{"seq 1 30000; echo all\r", `\n29999\r\n30000\r\nall\r\n`},
		{"sleep 1000; echo after-$?\r", `sleep 1000; echo after-\$\?`},
	} {
		s.keys(step[0])
		s.until(step[1])
	}
	time.Sleep(500 * time.Millisecond)
	s.keys("\x03") // reaches sleep, and ends the line
	s.until(prompt)
	s.keys("echo status=$?\r")
	s.until(`status=130\s`)
	s.keys("sleep 1001\r")
	s.until(`sleep 1001`)
	time.Sleep(500 * time.Millisecond)
	s.keys("\x1a")
	s.until(`Stopped`)
	s.keys("kill -KILL %1; until [ \"$(stty size)\" = '25 90' ]; do sleep 0.1; done; echo re''sized\r")
	s.until(`sized`)
	if err := pty.Setsize(s.file, &pty.Winsize{Rows: 25, Cols: 90}); err != nil {
		t.Fatal(err)
	}
	s.until(`resized\r\n`)
	s.keys("false; exit 9\r")
	<-s.read
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 9 {
		t.Errorf("status %d, want 9", got)
	}
	// The guest is killed: the terminal is what it was.
	cmd = open()
	s = newScreen(t, cmd)
	defer s.file.Close()
	c.pids[cmd.Process.Pid] = true
	s.until(prompt)
	if now, err := unix.IoctlGetTermios(int(s.file.Fd()), unix.TCGETS); err != nil || now.Lflag&unix.ISIG != 0 {
		t.Errorf("the terminal is not raw: %v", err)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	if now, err := unix.IoctlGetTermios(int(s.file.Fd()), unix.TCGETS); err != nil || *now != *before {
		t.Errorf("after the end the terminal is not what it was: %v", err)
	}
	if got := cmd.ProcessState.ExitCode(); got != exitInterrupted {
		t.Errorf("status %d, want %d", got, exitInterrupted)
	}
	// The terminal is closed.
	cmd = open()
	s = newScreen(t, cmd)
	c.pids[cmd.Process.Pid] = true
	s.until(prompt)
	s.hangUp()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("the shell goes on without its terminal")
		cmd.Process.Kill()
	}
}

// shellKilled kills satchel while a shell's input waits for a command that does
// not read it: the container ends all the same.
func (c *crossing) shellKilled(t *testing.T, engine string, open func(...string) *exec.Cmd) {
	mark := fmt.Sprintf("61%d", os.Getpid())
	cmd := open("--", "sleep", mark)
	cmd.Stdin = rand.NewChaCha8([32]byte{1}) // without end
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.pids[cmd.Process.Pid] = true
	running := func() bool { return exec.Command("pgrep", "-f", "^sleep "+mark).Run() == nil }
	waitFor(t, running)
	time.Sleep(300 * time.Millisecond)
	cmd.Process.Kill()
	var ee *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &ee) {
		t.Log(err)
	}
	waitFor(t, func() bool { return !running() })
	if out, err := open("--", "true").CombinedOutput(); err != nil { // sweeps
		t.Errorf("%v\n%s", err, out)
	}
	if left, _ := filepath.Glob(filepath.Join(c.cache, "sandbox", "runs", "*")); engine == "sandbox" && len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
