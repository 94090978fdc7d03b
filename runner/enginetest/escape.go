package enginetest

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"satchel/runner"
	"satchel/runner/enginetest/wire"
)

// escapeTests try to get out, or to change the host.
var escapeTests = map[string]func(*testing.T, *suite){
	"calls": func(t *testing.T, s *suite) {
		c := s.common(t)
		c.must(wire.Request{Op: "mkdir", Path: "/m", Mode: 0o755})
		attributes := make([]byte, 256)
		attributes[0] = 1
		for name, q := range map[string]wire.Request{
			"mount tmpfs":       syscallOf(unix.SYS_MOUNT, "x", "/m", "tmpfs", 0, 0),
			"mount proc":        syscallOf(unix.SYS_MOUNT, "x", "/m", "proc", 0, 0),
			"mount bind":        syscallOf(unix.SYS_MOUNT, "/proc", "/m", "", unix.MS_BIND, 0),
			"remount /sys":      syscallOf(unix.SYS_MOUNT, "", "/sys", "", unix.MS_REMOUNT|unix.MS_BIND, 0),
			"remount /proc/sys": syscallOf(unix.SYS_MOUNT, "", "/proc/sys", "", unix.MS_REMOUNT|unix.MS_BIND, 0),
			"umount":            syscallOf(unix.SYS_UMOUNT2, "/proc/sys", unix.MNT_DETACH),
			"pivot_root":        syscallOf(unix.SYS_PIVOT_ROOT, "/m", "/m"),
			"fsopen":            syscallOf(unix.SYS_FSOPEN, "tmpfs", 0),
			"open_tree":         syscallOf(unix.SYS_OPEN_TREE, unix.AT_FDCWD, "/", unix.OPEN_TREE_CLONE),
			"unshare user":      syscallOf(unix.SYS_UNSHARE, unix.CLONE_NEWUSER),
			"unshare mount":     syscallOf(unix.SYS_UNSHARE, unix.CLONE_NEWNS),
			"unshare net":       syscallOf(unix.SYS_UNSHARE, unix.CLONE_NEWNET),
			"clone user":        syscallOf(unix.SYS_CLONE, unix.CLONE_NEWUSER|int64(unix.SIGCHLD), 0, 0, 0, 0),
			"clone3":            syscallOf(unix.SYS_CLONE3, make([]byte, 88), 88),
			"setns":             syscallOf(unix.SYS_SETNS, 0, 0),
			"keyctl":            syscallOf(unix.SYS_KEYCTL, 0, -3, 0, 0, 0),
			"add_key":           syscallOf(unix.SYS_ADD_KEY, "user", "x", "y", 1, -3),
			"bpf":               syscallOf(unix.SYS_BPF, 0, make([]byte, 128), 128),
			"perf":              syscallOf(unix.SYS_PERF_EVENT_OPEN, attributes, 0, -1, -1, 0),
			"userfaultfd":       syscallOf(unix.SYS_USERFAULTFD, 0),
			"io_uring":          syscallOf(unix.SYS_IO_URING_SETUP, 1, make([]byte, 120)),
			"kexec":             syscallOf(unix.SYS_KEXEC_LOAD, 0, 0, 0, 0),
			"reboot":            syscallOf(unix.SYS_REBOOT, int64(0xfee1dead), 672274793, 0x89abcdef, 0),
			"module":            syscallOf(unix.SYS_DELETE_MODULE, "none", 0),
			"swapon":            syscallOf(unix.SYS_SWAPON, "/m", 0),
			"settimeofday":      syscallOf(unix.SYS_CLOCK_SETTIME, 0, make([]byte, 16)),
			"sethostname":       syscallOf(unix.SYS_SETHOSTNAME, "evil", 4),
			"syslog":            syscallOf(unix.SYS_SYSLOG, 3, make([]byte, 100), 100),
			"open by handle":    syscallOf(unix.SYS_OPEN_BY_HANDLE_AT, unix.AT_FDCWD, make([]byte, 64), 0),
			"personality":       syscallOf(unix.SYS_PERSONALITY, 0x0400000), // READ_IMPLIES_EXEC
			"vsock":             syscallOf(unix.SYS_SOCKET, unix.AF_VSOCK, unix.SOCK_STREAM, 0),
			"acct":              syscallOf(unix.SYS_ACCT, "/m"),
			"quota":             syscallOf(unix.SYS_QUOTACTL, int64(0x800007)<<8, "/m", 0, 0),
			"fanotify":          syscallOf(unix.SYS_FANOTIFY_INIT, 0, 0),
		} {
			r := c.ask(q)
			s.saw(name, r)
			if name == "clone3" && unix.Errno(r.Errno) != unix.ENOSYS {
				t.Errorf("clone3: %q; want ENOSYS, for on anything else posix_spawn gives up", r.Error)
			}
			switch unix.Errno(r.Errno) {
			case unix.EPERM, unix.ENOSYS, unix.EACCES, unix.EAFNOSUPPORT, unix.EROFS:
			default:
				t.Errorf("%s: %d, %q; want it refused", name, r.N, r.Error)
			}
		}
		// posix_spawn falls back on clone after this error, and no other.
		if r := c.ask(syscallOf(unix.SYS_CLONE3, make([]byte, 88), 88)); r.Errno != int(unix.ENOSYS) {
			t.Errorf("clone3: %q, want function not implemented", r.Error)
		}
		if got := c.ask(wire.Request{Op: "hostname"}); string(got.Data) == "evil" {
			t.Error("the host name changed")
		}
	},

	// The old way into the kernel has numbers of its own, and one call that
	// makes sockets of any family.
	"calls-32-bit": func(t *testing.T, s *suite) {
		if runtime.GOARCH != "amd64" {
			t.Skip("this machine's 32-bit calls are not tried")
		}
		c := s.common(t)
		vsock := []byte{unix.AF_VSOCK, 0, 0, 0, unix.SOCK_STREAM, 0, 0, 0, 0, 0, 0, 0}
		attempts := map[string]wire.Request{
			"mount":            {N: 21, Args: []wire.Arg{{}, {Bytes: []byte("/\x00")}, {}}},
			"umount":           {N: 52, Args: []wire.Arg{{Bytes: []byte("/proc\x00")}, {Int: 2}}},
			"vsock":            {N: 359, Args: []wire.Arg{{Int: unix.AF_VSOCK}, {Int: unix.SOCK_STREAM}, {}}},
			"socketcall vsock": {N: 102, Args: []wire.Arg{{Int: 1}, {Bytes: vsock}, {}}},
			"unshare user":     {N: 310, Args: []wire.Arg{{Int: unix.CLONE_NEWUSER}}},
			"keyctl":           {N: 288, Args: []wire.Arg{{}, {Int: -3}, {}}},
			"bpf":              {N: 357, Args: []wire.Arg{{}, {}, {}}},
			"io_uring":         {N: 425, Args: []wire.Arg{{Int: 1}, {Bytes: make([]byte, 120)}}},
			"iopl":             {N: 110, Args: []wire.Arg{{Int: 3}}},
		}
		// A process of its own asks first for its number: some kernels kill who calls so.
		if r := c.ask(wire.Request{Op: "syscall32", N: 20, Child: true}); r.Error != "" || r.N <= 0 {
			for name := range attempts {
				s.rows[name+", 32 bits"] = notTried
			}
			t.Skipf("this kernel takes no 32-bit calls: %d, %q", r.N, r.Error)
		}
		for name, q := range attempts {
			q.Op = "syscall32"
			r := c.ask(q)
			s.saw(name+", 32 bits", r)
			switch unix.Errno(r.Errno) {
			case unix.EPERM, unix.ENOSYS, unix.EAFNOSUPPORT:
			default:
				t.Errorf("%s: %d, %q; want it refused", name, r.N, r.Error)
			}
		}
	},

	// What compilers, packages and tests need is not refused.
	"allowed": func(t *testing.T, s *suite) {
		c := s.common(t)
		c.must(wire.Request{Op: "mkdir", Path: "/d", Mode: 0o755})
		for name, q := range map[string]wire.Request{
			"personality query": syscallOf(unix.SYS_PERSONALITY, int64(0xffffffff)),
			"linux32":           syscallOf(unix.SYS_PERSONALITY, 8),
			"no randomising":    syscallOf(unix.SYS_PERSONALITY, 0x0040000),
			"chroot":            syscallOf(unix.SYS_CHROOT, "/"),
			"setgroups":         syscallOf(unix.SYS_SETGROUPS, 0, 0),
			"setuid 0":          syscallOf(unix.SYS_SETRESUID, 0, 0, 0),
			"chown":             syscallOf(unix.SYS_FCHOWNAT, unix.AT_FDCWD, "/d", 1000, 1000, 0),
			"mkfifo":            syscallOf(unix.SYS_MKNODAT, unix.AT_FDCWD, "/d/fifo", typeFIFO|0o600, 0),
			"memfd":             syscallOf(unix.SYS_MEMFD_CREATE, "x", 0),
			"sync":              syscallOf(unix.SYS_SYNC),
			"unshare files":     syscallOf(unix.SYS_UNSHARE, unix.CLONE_FILES|unix.CLONE_FS),
			"shared memory":     syscallOf(unix.SYS_SHMGET, 0, 4096, 0o600|unix.IPC_CREAT),
			"socketpair":        syscallOf(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_STREAM, 0, make([]byte, 8)),
			"getrandom":         syscallOf(unix.SYS_GETRANDOM, make([]byte, 8), 8, 0),
			"no new privileges": syscallOf(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
			"drop capability":   syscallOf(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, unix.CAP_MKNOD, 0, 0, 0),
		} {
			if r := c.ask(q); r.Error != "" {
				t.Errorf("%s: %s", name, r.Error)
			}
		}
	},

	"kernel-files": func(t *testing.T, s *suite) {
		c := s.common(t)
		for _, path := range []string{
			"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches", "/proc/sys/net/ipv4/ip_forward",
			"/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/sys/kernel/uevent_helper", "/sys/power/state", "/sys/kernel/mm/transparent_hugepage/enabled",
			"/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/release_agent",
			"/proc/sys/kernel/modprobe", "/proc/sys/fs/binfmt_misc/register", "/sys/kernel/debug/x",
		} {
			r := c.ask(wire.Request{Op: "open", Path: path, N: int64(os.O_WRONLY)})
			s.saw("write "+path, r)
			if r.Error == "" {
				t.Errorf("%s can be opened for writing", path)
			}
		}
		for _, path := range []string{"/proc/kcore", "/proc/keys", "/proc/timer_list"} {
			if r := c.ask(wire.Request{Op: "read", Path: path}); r.Error == "" && len(r.Data) > 0 {
				t.Errorf("%s shows %d bytes", path, len(r.Data))
			}
		}
		for _, path := range []string{"/sys/firmware", "/proc/acpi", "/proc/scsi"} {
			if r := c.ask(wire.Request{Op: "names", Path: path}); len(r.Names) > 0 {
				t.Errorf("%s holds %q", path, r.Names)
			}
		}
	},

	// A device file, made or found, opens nothing.
	"device-files": func(t *testing.T, s *suite) {
		c := s.common(t)
		for _, dir := range []string{"/", "/dev/", "/dev/shm/"} {
			for name, node := range map[string][2]int64{
				"vda": {typeBlk, 254 << 8}, "sda": {typeBlk, 8 << 8}, "loop": {typeBlk, 7 << 8}, "mem": {typeChr, 1<<8 | 1}, "kmsg": {typeChr, 1<<8 | 11},
				"kvm": {typeChr, 10<<8 | 232}, "fuse": {typeChr, 10<<8 | 229}, "vsock": {typeChr, 10<<8 | 121},
			} {
				r := c.ask(wire.Request{Op: "mknod", Path: dir + name, Mode: uint32(node[0]) | 0o666, N: node[1]})
				if r.Error != "" {
					s.saw("device file "+name, r)
					continue
				}
				r = c.ask(wire.Request{Op: "open", Path: dir + name, N: int64(os.O_RDONLY)})
				s.saw("device file "+name, r)
				if e := unix.Errno(r.Errno); e != unix.EPERM && e != unix.EACCES {
					t.Errorf("%s%s can be opened, or almost: %q", dir, name, r.Error)
				}
			}
		}
	},

	// The classic way out of chroot.
	"chroot": func(t *testing.T, s *suite) {
		c := s.one(t, runner.Container{})
		c.must(wire.Request{Op: "mkdir", Path: "/jail", Mode: 0o755})
		root := c.must(wire.Request{Op: "list", Path: "/proc/self/ns/mnt"}).Files[0].Link
		c.must(syscallOf(unix.SYS_CHROOT, "/jail"))
		for range 20 {
			c.must(syscallOf(unix.SYS_CHDIR, ".."))
		}
		c.must(syscallOf(unix.SYS_CHROOT, "."))
		if got := c.must(wire.Request{Op: "list", Path: "/proc/self/ns/mnt"}).Files[0].Link; got != root {
			t.Errorf("in mount namespace %s, was in %s", got, root)
		}
		if r := c.ask(wire.Request{Op: "names", Path: "/jail"}); r.Error != "" {
			t.Errorf("out of the container's root: %s", r.Error)
		}
	},

	// Process 1 sees its own kind only, and no namespace is the host's.
	"namespaces": func(t *testing.T, s *suite) {
		c := s.common(t)
		for _, ns := range []string{"mnt", "pid", "ipc", "uts", "net", "cgroup"} {
			host, err := os.Readlink("/proc/self/ns/" + ns)
			if err != nil {
				continue
			}
			if got := c.must(wire.Request{Op: "list", Path: "/proc/self/ns/" + ns}).Files[0].Link; got == host {
				t.Errorf("the %s namespace is the host's", ns)
			}
		}
		for _, name := range c.must(wire.Request{Op: "names", Path: "/proc"}).Names {
			if name[0] >= '1' && name[0] <= '9' && name != "1" {
				t.Errorf("process %s is visible", name)
			}
		}
	},
}
