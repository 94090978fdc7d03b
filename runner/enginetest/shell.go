package enginetest

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"satchel/runner"
	"satchel/runner/enginetest/wire"
	"satchel/runner/guest"
)

// shellPrograms are what the shells of these tests need, taken from this machine.
var shellPrograms = []string{"bash", "cat", "ls", "rm", "sleep", "stty", "tty"}

// withShell makes an environment in which bash runs, once for each engine's folder.
func (s *suite) withShell(t *testing.T, e runner.Engine) runner.Environment {
	t.Helper()
	env := runner.Environment{Key: key("shell"), Root: key("shell root")}
	if _, there, err := e.Environment(t.Context(), env.Key); err != nil || there {
		if err != nil {
			t.Fatal(err)
		}
		return env
	}
	files := map[string][]byte{"/etc/passwd": []byte("root:x:0:0::/root:/bin/bash\nbuilder:x:1000:1000::/home/builder:/bin/bash\n"), "/etc/group": []byte("root:x:0:\nbuilder:x:1000:\n")}
	for _, name := range shellPrograms {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skip("this machine has no ", err)
		}
		out, err := exec.Command("ldd", path).Output()
		if err != nil {
			t.Skip("finding the libraries of ", path, ": ", err)
		}
		for _, from := range regexp.MustCompile(`/\S+`).FindAllString(string(out), -1) {
			if files[from], err = os.ReadFile(from); err != nil {
				t.Fatal(err)
			}
		}
		if files["/bin/"+name], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	c := s.start(t, e, runner.Container{})
	made := map[string]bool{"/": true, "/etc": true}
	var folder func(path string)
	folder = func(path string) {
		if !made[path] {
			folder(filepath.Dir(path))
			c.must(wire.Request{Op: "mkdir", Path: path, Mode: 0o755})
			made[path] = true
		}
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		folder(filepath.Dir(path))
		c.must(wire.Request{Op: "write", Path: path, Data: files[path], Mode: 0o755})
	}
	folder("/root")
	folder("/home")
	c.must(wire.Request{Op: "mkdir", Path: "/home/builder", Mode: 0o755, UID: 1000, GID: 1000})
	c.end()
	if err := c.Keep(t.Context(), env); err != nil {
		t.Fatalf("Keep: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	return env
}

// openShell starts a container, becomes the guest in it, and joins a shell as plan says to streams.
func (s *suite) openShell(t *testing.T, e runner.Engine, from runner.Container, plan guest.Shell, streams runner.Streams) (*container, guest.Outcome) {
	t.Helper()
	c := s.start(t, e, from)
	c.must(wire.Request{Op: "guest"})
	plan.Build.User, plan.Build.Home, plan.Build.Umask, plan.Build.Script = "builder", "/home/builder", 0o022, "the script\n"
	plan.Build.Env = []string{"PATH=/bin", "HOME=/home/builder"}
	plan.Prelude += "[ ! -d build ] || cd build\n"
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // what hangs is killed
	defer cancel()
	out, err := runner.Attach(ctx, c, plan, func(*tar.Writer) error { return nil }, streams, nil)
	if err != nil {
		t.Fatalf("the shell: %v", err)
	}
	return c, out
}

// say runs a command of bash's in a shell, without a terminal, and returns what it printed.
func (s *suite) say(t *testing.T, e runner.Engine, from runner.Container, plan guest.Shell, command string) (*container, string, guest.Outcome) {
	t.Helper()
	var out, errs bytes.Buffer
	plan.Command = []string{"bash", "-c", command}
	c, end := s.openShell(t, e, from, plan, runner.Streams{Output: &out, Errors: &errs})
	if errs.Len() > 0 {
		t.Logf("on standard error: %s", errs.String())
	}
	return c, out.String(), end
}

// seenText is what came of a shell so far.
type seenText struct {
	t    *testing.T
	mu   sync.Mutex
	text []byte
}

func (s *seenText) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, p...)
	return len(p), nil
}

// until waits for what matches, and forgets all up to there; it tells whether that came.
func (s *seenText) until(pattern string) bool {
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		s.mu.Lock()
		at := re.FindIndex(s.text)
		if at != nil {
			s.text = s.text[at[1]:]
		}
		text := string(s.text)
		s.mu.Unlock()
		if at != nil {
			return true
		}
		if time.Now().After(end) {
			s.t.Errorf("%q does not come; there is %q", pattern, text)
			return false
		}
	}
}

// rights prints who is asking, and with what rights, by bash alone.
const rights = `echo $EUID; while read -r k v; do case $k in CapEff:|NoNewPrivs:) echo "$k $v";; esac; done </proc/self/status`

// shellTests are about shells: `satchel shell` with the parts below it.
var shellTests = map[string]func(*testing.T, *suite){
	"status": func(t *testing.T, s *suite) {
		e := s.engine(t)
		from := runner.Container{Environment: s.withShell(t, e).Key}
		for command, want := range map[string]int{"exit 7": 7, "kill -KILL $$": 137, "exec no-such-command": 127, "exec /etc": 126, "exit 0": 0} {
			if _, said, out := s.say(t, e, from, guest.Shell{}, command); out.Exit != want || said != "" || out.Error != "" {
				t.Errorf("%s: %+v, and it printed %q; want status %d", command, out, said, want)
			}
		}
	},

	// The build user has no rights, and what is asked of the network is told; root has those of a
	// preparation; what one does is not there for the other.
	"users": func(t *testing.T, s *suite) {
		e := s.engine(t)
		from := runner.Container{Environment: s.withShell(t, e).Key}
		_, said, out := s.say(t, e, from, guest.Shell{}, rights+"; pwd; umask; (: >/etc/mine) 2>/dev/null || echo refused; (: </dev/tcp/a.example.org/80) 2>/dev/null; cat ~/build-script")
		if want := "1000\nCapEff: 0000000000000000\nNoNewPrivs: 1\n/home/builder/build\n0022\nrefused\nthe script\n"; said != want {
			t.Errorf("the user sees\n%s\nwant\n%s", said, want)
		}
		if len(out.Wanted) != 1 || out.Wanted[0].Name != "a.example.org" {
			t.Errorf("it is told of %+v", out.Wanted)
		}
		_, said, out = s.say(t, e, from, guest.Shell{Root: true, Prelude: "HOME=/root\n"}, rights+"; : >/etc/mine && echo written; ls ~builder")
		if want := "0\nCapEff: " + capabilityMask + "\n"; !strings.HasPrefix(said, want) || !strings.HasSuffix(said, "\nwritten\nbuild\nbuild-script\ncache\ninstall\nout\n") || out.Exit != 0 {
			t.Errorf("root sees\n%s\nand ends with %+v; want it to begin with\n%s", said, out, want)
		}
		if _, said, _ := s.say(t, e, from, guest.Shell{Root: true}, "ls /etc/mine 2>/dev/null"); said != "" {
			t.Errorf("what root made is there: %q", said)
		}
	},

	"signal": func(t *testing.T, s *suite) {
		e := s.engine(t)
		from := runner.Container{Environment: s.withShell(t, e).Key}
		signals, seen := make(chan syscall.Signal, 1), &seenText{t: t}
		go func() { seen.until("waiting\n"); signals <- syscall.SIGINT }()
		_, out := s.openShell(t, e, from, guest.Shell{Command: []string{"bash", "-c", "trap 'echo caught; exit 5' INT; echo waiting; while :; do sleep 0.1; done"}},
			runner.Streams{Output: seen, Errors: io.Discard, Signals: signals})
		if seen.until("^caught\n$"); out.Exit != 5 {
			t.Errorf("it ends with %+v, want 5", out)
		}
	},

	"terminal": func(t *testing.T, s *suite) {
		e := s.engine(t)
		from := runner.Container{Environment: s.withShell(t, e).Key}
		keys, typed := io.Pipe()
		sizes, seen := make(chan guest.Size, 1), &seenText{t: t}
		const prompt = `here\$ $`
		go func() {
			for _, step := range [][2]string{ // each when the prompt is there: what was typed before it was once not carried out
				{"", prompt},
				{"stty size; tty; echo \"T=$TERM\"\r", `41 101\s+/dev/pts/\d+\s+T=dumb\s+` + prompt}, // no terminal is described here
				{"e''cho up; sleep 1000; echo after-$?\r", `up\s`},
				{"\x03", prompt}, // Ctrl-C ends the line, and not the shell
				{"echo status=$?\r", `status=130\s+` + prompt},
				{"echo g''o; until [ \"$(stty size)\" = '25 90' ]; do sleep 0.1; done; echo re''sized\r", `go\s`},
			} {
				io.WriteString(typed, step[0])
				if !seen.until(step[1]) {
					typed.Close() // hangs up
					return
				}
			}
			sizes <- guest.Size{Rows: 25, Columns: 90}
			if !seen.until(`resized\s`) {
				typed.Close()
			}
			io.WriteString(typed, "false; exit 9\r")
		}()
		_, out := s.openShell(t, e, from, guest.Shell{Prelude: "PS1='here$ '\n", Terminal: &guest.Terminal{Type: "xterm", Size: guest.Size{Rows: 41, Columns: 101}}},
			runner.Streams{Input: keys, Output: seen, Sizes: sizes})
		if out.Exit != 9 {
			t.Errorf("it ends with %+v, want 9; the last that came is %q", out, seen.text)
		}
	},

	// A shell after a failure finds what was left, changes nothing of it, and keeps its script apart.
	"after-failure": func(t *testing.T, s *suite) {
		e := s.engine(t)
		env := s.withShell(t, e)
		s.forget(t, e)
		c, _, out := s.say(t, e, runner.Container{Environment: env.Key}, guest.Shell{}, "echo kept >f; ls ~ >list; rm ~/build-script; exit 3")
		if out.Exit != 3 {
			t.Fatalf("it ends with %+v, want 3", out)
		}
		c.Wait()
		r := left(env, 1)
		if err := c.Leave(t.Context(), r); err != nil {
			t.Fatalf("Leave: %v", err)
		}
		c.Close()
		from := runner.Container{Environment: env.Key, Remains: r.Name}
		for _, root := range []bool{false, true, false} {
			c, said, out := s.say(t, e, from, guest.Shell{Placed: true, Root: root},
				fmt.Sprint("cat ~builder/build/f ~builder/build/list; ls ~builder; cat /dev/shm/build-script; echo changed >~builder/build/f; exit ", len(r.Name)%100))
			if want := "kept\nbuild\nbuild-script\ncache\ninstall\nout\nbuild\ncache\ninstall\nout\nthe script\n"; said != want || out.Exit != len(r.Name)%100 {
				t.Errorf("root %v: there is\n%s\nand %+v, want\n%s", root, said, out, want)
			}
			c.Close()
		}
		s.forget(t, e)
	},
}
