package enginetest

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"satchel/runner"
	"satchel/runner/enginetest/wire"
)

// capabilityMask is Docker's default list without CAP_NET_RAW, as
// /proc/self/status shows it.
const capabilityMask = "00000000a80405fb"

// insideTests are about what a container sees.
var insideTests = map[string]func(*testing.T, *suite){
	"empty-root": func(t *testing.T, s *suite) {
		c := s.one(t, runner.Container{})
		var got []string
		for _, f := range c.must(wire.Request{Op: "list", Path: "/"}).Files {
			if f.Path != "/" && f.Path != "/etc" && !own(f.Path) {
				got = append(got, f.Path)
			}
		}
		if len(got) > 0 {
			t.Errorf("an empty root holds %q", got)
		}
		r := c.must(wire.Request{Op: "list", Path: "/"}).Files[0]
		if r.Mode != typeDir|0o755 || r.UID != 0 || r.GID != 0 {
			t.Errorf("the root has mode %o, owner %d:%d", r.Mode, r.UID, r.GID)
		}
		c.must(wire.Request{Op: "write", Path: "/file", Mode: 0o644}) // and can be written to
	},

	"started-as": func(t *testing.T, s *suite) {
		signal.Ignore(syscall.SIGUSR2) // as a shell under nohup ignores SIGHUP
		c := s.one(t, runner.Container{})
		signal.Reset(syscall.SIGUSR2)
		if got, want := c.must(wire.Request{Op: "args"}).Names, []string{"/.satchel/init", "guest"}; !slices.Equal(got, want) {
			t.Errorf("arguments %q, want %q", got, want)
		}
		if got := field(c.read("/proc/self/status"), "Pid"); got != "1" {
			t.Errorf("process %s, want 1", got)
		}
		if r := c.ask(wire.Request{Op: "open", Path: "/.satchel/init", N: int64(os.O_WRONLY)}); r.Error == "" {
			t.Error("the init's own file can be opened for writing")
		}
		st := c.read("/proc/self/status")
		for _, name := range []string{"SigBlk", "SigIgn"} {
			if v := field(st, name); strings.Trim(v, "0") != "" {
				t.Errorf("%s is %s: the host's settings came in", name, v)
			}
		}
		if u := field(st, "Umask"); u != "0022" {
			t.Errorf("umask %s, want 0022", u)
		}
	},

	"environ": func(t *testing.T, s *suite) {
		t.Setenv("SATCHEL_SECRET", "host")
		for _, v := range s.one(t, runner.Container{}).must(wire.Request{Op: "environ"}).Names {
			if v != "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" {
				t.Errorf("environment variable %q", v)
			}
		}
	},

	"open-files": func(t *testing.T, s *suite) {
		f, err := os.Open("/")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		c := s.one(t, runner.Container{})
		for _, name := range c.must(wire.Request{Op: "names", Path: "/proc/self/fd"}).Names {
			r := c.ask(wire.Request{Op: "list", Path: "/proc/self/fd/" + name})
			if r.Error != "" {
				continue // that of the listing itself
			}
			link := r.Files[0].Link
			if n := name; n > "2" && !strings.HasPrefix(link, "anon_inode:") && !strings.HasPrefix(link, "/proc/1/fd") && !strings.HasPrefix(link, "/sys/fs/cgroup") {
				t.Errorf("file %s is open: %s", n, link) // Go opens its poller, and its cgroup's cpu.max
			}
		}
	},

	"dev": func(t *testing.T, s *suite) {
		c := s.common(t)
		got := c.must(wire.Request{Op: "names", Path: "/dev"}).Names
		want := []string{"fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom", "zero"}
		got = slices.DeleteFunc(got, func(s string) bool { return s == "core" }) // Docker's link to /proc/kcore
		if !slices.Equal(got, want) {
			t.Errorf("/dev holds %q, want %q", got, want)
		}
		for name, number := range map[string]uint64{"null": 0x103, "zero": 0x105, "full": 0x107, "random": 0x108, "urandom": 0x109, "tty": 0x500} {
			f := c.must(wire.Request{Op: "list", Path: "/dev/" + name}).Files[0]
			if f.Mode != typeChr|0o666 || f.Rdev != number {
				t.Errorf("/dev/%s: mode %o, device %#x; want %o, %#x", name, f.Mode, f.Rdev, typeChr|0o666, number)
			}
		}
		c.must(wire.Request{Op: "open", Path: "/dev/null", N: int64(os.O_RDWR)})
		c.must(wire.Request{Op: "open", Path: "/dev/ptmx", N: int64(os.O_RDWR)})
		c.must(wire.Request{Op: "write", Path: "/dev/shm/x", Mode: 0o600})
		c.must(wire.Request{Op: "remove", Path: "/dev/shm/x"})
	},

	"hostname": func(t *testing.T, s *suite) {
		c := s.one(t, runner.Container{Hostname: "gitian-box"})
		if got := string(c.must(wire.Request{Op: "hostname"}).Data); got != "gitian-box" {
			t.Errorf("host name %q", got)
		}
		if got := c.read("/proc/sys/kernel/domainname"); got != "(none)\n" {
			t.Errorf("domain name %q", got)
		}
		if got := c.read("/etc/hostname"); got != "gitian-box\n" {
			t.Errorf("/etc/hostname: %q", got)
		}
		if got := c.read("/etc/hosts"); got != "127.0.0.1\tlocalhost\n127.0.1.1\tgitian-box\n" {
			t.Errorf("/etc/hosts: %q", got)
		}
		if got := c.read("/etc/resolv.conf"); got != "nameserver 127.0.0.1\n" {
			t.Errorf("/etc/resolv.conf: %q", got)
		}
	},

	"bad-container": func(t *testing.T, s *suite) {
		e := s.engine(t)
		for _, c := range []runner.Container{
			{Hostname: "a b"}, {Hostname: "x\n127.0.0.1 evil"}, {Hostname: strings.Repeat("x", 65)}, {Memory: -1}, {Processes: -1},
		} {
			if p, err := e.Start(t.Context(), c); err == nil {
				p.Close()
				t.Errorf("Start(%+v) went well", c)
			}
		}
	},

	"capabilities": func(t *testing.T, s *suite) {
		st := s.common(t).read("/proc/self/status")
		for name, want := range map[string]string{
			"NoNewPrivs": "1", "CapInh": "0000000000000000", "CapPrm": capabilityMask, "CapEff": capabilityMask,
			"CapBnd": capabilityMask, "CapAmb": "0000000000000000", "Seccomp": "2", "Uid": "0\t0\t0\t0",
		} {
			if got := field(st, name); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
	},

	"mounts": func(t *testing.T, s *suite) {
		c := s.common(t)
		for line := range strings.Lines(c.read("/proc/self/mountinfo")) {
			f := strings.Fields(line)
			if len(f) < 6 || f[4] == "/" {
				continue
			}
			if !slices.ContainsFunc([]string{"/dev", "/proc", "/sys", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/.satchel"}, func(p string) bool {
				return f[4] == p || strings.HasPrefix(f[4], p+"/")
			}) {
				t.Errorf("mounted: %s", line)
			}
			if f[4] == "/sys" && !strings.HasPrefix(f[5], "ro,") {
				t.Errorf("writable: %s", line)
			}
		}
	},

	"limits": func(t *testing.T, s *suite) {
		c := s.common(t)
		for line := range strings.Lines(c.read("/proc/self/limits")) {
			for name, want := range map[string]string{"Max open files": "1024", "Max core file size": "0", "Max stack size": "8388608"} {
				if v, ok := strings.CutPrefix(line, name); ok && strings.Fields(v)[0] != want && !raised(name, strings.Fields(v)) {
					t.Errorf("%s, want %s", strings.TrimSpace(line), want)
				}
			}
		}
	},

	"two-at-once": func(t *testing.T, s *suite) {
		e := s.engine(t)
		a, b := s.start(t, e, runner.Container{Hostname: "a"}), s.start(t, e, runner.Container{Hostname: "b"})
		for _, c := range []*container{a, b} {
			name := string(c.must(wire.Request{Op: "hostname"}).Data)
			c.must(wire.Request{Op: "write", Path: "/mine", Data: []byte(name), Mode: 0o644})
		}
		for c, want := range map[*container]string{a: "a", b: "b"} {
			if got := c.read("/mine"); got != want {
				t.Errorf("/mine in %s: %q", want, got)
			}
		}
		a.end()
		b.end()
	},

	"processes": func(t *testing.T, s *suite) {
		c := s.one(t, runner.Container{Processes: 60})
		mark := fmt.Sprintf("mark-%d", time.Now().UnixNano())
		r := c.ask(wire.Request{Op: "spawn", N: 500, Path: mark})
		if r.Error == "" || r.N < 2 || r.N > 60 {
			t.Errorf("started %d processes of 500 (%s), want at most 60", r.N, r.Error)
		}
		c.end()
		if s.grouped(c) && !c.docker && !c.Exhausted().Processes { // daemons do not tell
			t.Error("nobody says that processes were refused")
		}
		within(t, 30*time.Second, "Close", func() { c.Close() })
		eventually(t, 5*time.Second, func() string { return alive(mark) })
	},

	"processors": func(t *testing.T, s *suite) {
		c := s.one(t, runner.Container{CPUs: 1})
		if !s.grouped(c) {
			t.Log("without control groups nothing is held back")
			return
		}
		begin := time.Now()
		used := time.Duration(c.must(wire.Request{Op: "burn", N: int64(500 * time.Millisecond)}).N)
		if wall := time.Since(begin); used > wall*3/2 {
			t.Errorf("%v of processor time in %v, want that of one processor", used, wall)
		}
	},

	"memory": func(t *testing.T, s *suite) {
		c := s.one(t, runner.Container{Memory: 128 << 20})
		c.send(wire.Request{Op: "grab", N: 512 << 20})
		line, err := c.out.ReadString('\n')
		if err == nil && !strings.Contains(line, `"N":0`) {
			t.Errorf("took 512 MiB of 128: %s", line)
		}
		if err != nil {
			if code, werr := c.Wait(); code != 128+9 || werr == nil {
				t.Errorf("Wait: %d, %v; want 137", code, werr)
			}
			if !c.Exhausted().Memory {
				t.Error("nobody says that memory ran out")
			}
		}
	},
}

// grouped tells whether a container is held to its limits by control groups:
// a user may make none on most machines.
func (s *suite) grouped(c *container) bool { return c.docker || os.Geteuid() == 0 }

// raised tells whether Go's runtime has raised the soft limit of open files
// to the hard one, as it does in every Go program.
func raised(name string, values []string) bool {
	return name == "Max open files" && len(values) > 1 && near(values[0], values[1])
}

// near tells whether two numbers differ by no more than one.
func near(a, b string) bool {
	x, errX := strconv.Atoi(a)
	y, errY := strconv.Atoi(b)
	return errX == nil && errY == nil && y-x <= 1
}
