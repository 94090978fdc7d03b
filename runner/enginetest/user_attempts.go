package enginetest

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"satchel/runner"
	"satchel/runner/enginetest/wire"
)

// scriptTests try what a script would: as the build user, without rights.
var scriptTests = map[string]func(*testing.T, *suite){
	// The init belongs to root, and shows the build user nothing.
	"init": func(t *testing.T, s *suite) {
		c := s.common(t)
		c.must(wire.Request{Op: "mkdir", Path: "/own", Mode: 0o755, UID: 1000, GID: 1000})
		for name, q := range map[string]wire.Request{
			"script: read the init's environment": {Op: "read", Path: "/proc/1/environ"},
			"script: list the init's files":       {Op: "names", Path: "/proc/1/fd"},
			"script: the init's root":             {Op: "names", Path: "/proc/1/root/"},
			"script: the init's memory":           {Op: "open", Path: "/proc/1/mem", N: int64(os.O_RDWR)},
			"script: ptrace the init":             syscallOf(unix.SYS_PTRACE, unix.PTRACE_ATTACH, 1, 0, 0),
			"script: kill the init":               syscallOf(unix.SYS_KILL, 1, 9),
			"script: compare with the init":       syscallOf(unix.SYS_KCMP, 1, 1, 0, 0, 0),
			"script: the init's oom_score_adj":    {Op: "open", Path: "/proc/1/oom_score_adj", N: int64(os.O_WRONLY)},
			"script: write /etc/hosts":            {Op: "open", Path: "/etc/hosts", N: int64(os.O_WRONLY)},
			"script: write the init's program":    {Op: "open", Path: "/.satchel/init", N: int64(os.O_WRONLY)},
			"script: become root":                 syscallOf(unix.SYS_SETRESUID, 0, 0, 0),
			"script: change its groups":           syscallOf(unix.SYS_SETGROUPS, 1, make([]byte, 4)),
			"script: chroot":                      syscallOf(unix.SYS_CHROOT, "/"),
			"script: make a device file":          {Op: "mknod", Path: "/own/mem", Mode: typeChr | 0o666, N: 1<<8 | 1},
			"script: give a file away":            syscallOf(unix.SYS_FCHOWNAT, unix.AT_FDCWD, "/own", 0, 0, 0),
			"script: user namespace":              syscallOf(unix.SYS_UNSHARE, unix.CLONE_NEWUSER),
			"script: nice above others":           syscallOf(unix.SYS_SETPRIORITY, 0, 0, -20),
			"script: read the kernel's log":       syscallOf(unix.SYS_SYSLOG, 3, make([]byte, 100), 100),
		} {
			q.Child = true
			r := c.ask(q)
			s.saw(name, r)
			if r.Error == "" || strings.HasPrefix(r.Error, "the child") {
				t.Errorf("%s: %d, %q; want it refused", name, r.N, r.Error)
			}
		}
	},

	// Neither the set-id bit nor a file's capabilities give anybody anything.
	"set-id": func(t *testing.T, s *suite) {
		c := s.one(t, runner.Container{})
		c.must(wire.Request{Op: "copy", Path: "/.satchel/init", To: "/suid"})
		c.must(wire.Request{Op: "stamp", Path: "/suid", Mode: 0o6755})
		c.must(wire.Request{Op: "copy", Path: "/.satchel/init", To: "/capable"})
		c.must(wire.Request{Op: "setxattr", Path: "/capable", To: "security.capability", Data: capability})
		for _, program := range []string{"/suid", "/capable"} {
			r := c.must(wire.Request{Op: "read", Path: "/proc/self/status", Child: true, Program: program})
			st := string(r.Data)
			gained := field(st, "Uid") != "1000\t1000\t1000\t1000" || field(st, "Gid") != "1000\t1000\t1000\t1000" || strings.Trim(field(st, "CapEff"), "0") != ""
			if gained {
				t.Errorf("%s runs as %s, %s, with capabilities %s", program, field(st, "Uid"), field(st, "Gid"), field(st, "CapEff"))
			}
			s.rows["script: rights from "+strings.TrimPrefix(program, "/")] = map[bool]string{true: "allowed", false: "none"}[gained]
		}
	},
}
