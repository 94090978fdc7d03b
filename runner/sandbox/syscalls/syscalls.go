// Package syscalls says which system calls a container may make. Both engines
// enforce the same: the sandbox as a program that it loads itself, docker as a
// profile that it hands to the daemon.
//
// The filter refuses what a build has no business with and a kernel has had
// holes in. It is not the wall (namespaces and capabilities are); it is the
// ditch before it. In one place it is the wall: sockets of the family vsock,
// by which a virtual machine speaks with its host, know no network namespace.
//
// Calls younger than the table of names are unknown to the container, as on
// an older kernel. The numbers here are Linux's, the same for every
// architecture that there is a table for; so the package works on any system
// from which a daemon on Linux is asked.
package syscalls

import (
	"fmt"

	"github.com/elastic/go-seccomp-bpf/arch"
)

// Error numbers of Linux.
const (
	EPERM  = 1
	ENOSYS = 38
)

// refused fail with EPERM.
var refused = [...]string{
	// mounts and roots
	"mount", "umount", "umount2", "pivot_root", "move_mount", "open_tree", "mount_setattr",
	"fsopen", "fsconfig", "fsmount", "fspick", "statmount", "listmount",
	// namespaces of others; new ones are refused by their flags
	"setns",
	// keys, programs in the kernel, observing it
	"keyctl", "add_key", "request_key", "bpf", "perf_event_open", "userfaultfd", "lookup_dcookie", "kcmp",
	"fanotify_init", "quotactl", "quotactl_fd", "syslog", "acct",
	// the machine
	"kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "init_module", "finit_module", "delete_module",
	"create_module", "query_module", "get_kernel_syms", "iopl", "ioperm", "settimeofday", "stime", "clock_settime",
	"clock_settime64", "clock_adjtime", "clock_adjtime64", "vhangup", "nfsservctl", "uselib", "ustat", "sysfs", "_sysctl", "vm86", "vm86old",
	// files and memory by number
	"open_by_handle_at", "move_pages", "migrate_pages",
}

// unknown fail with ENOSYS, on which programs fall back. The flags of clone3
// lie in memory, where a filter cannot see them.
var unknown = [...]string{"clone3", "io_uring_setup", "io_uring_enter", "io_uring_register"}

// NewNamespaces are the flags of clone by which it makes namespaces: mount,
// cgroup, uts, ipc, user, pid, net.
const NewNamespaces = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000

// NewTime is such a flag of unshare alone; for clone that bit is a signal's.
const NewTime = 0x80

// Families are the kinds of socket that there are: unix, inet, inet6, netlink.
func Families() []uint32 { return []uint32{1, 2, 10, 16} }

// SocketcallSocket is how the old system call of 32-bit programs is told to
// make a socket; the family lies in memory then, so it is refused.
const SocketcallSocket = 1

// Personalities are those that setarch and linux32 ask for (32 bits, a
// version 2.6, no random addresses), and the question which one it is.
func Personalities() []uint32 {
	const linux32, uname26, noRandomize = 0x0008, 0x0020000, 0x0040000
	return []uint32{0, linux32, uname26, uname26 | linux32, noRandomize, noRandomize | linux32,
		noRandomize | uname26, noRandomize | uname26 | linux32, 0xffffffff}
}

// Requests of ioctl that type into a terminal: TIOCSTI, TIOCLINUX.
func Typing() []uint32 { return []uint32{0x5412, 0x541c} }

// byArgument are the calls that are allowed with some arguments only.
var byArgument = [...]string{"clone", "unshare", "socket", "socketcall", "personality", "ioctl"}

// A Table says what becomes of an architecture's calls, by number.
type Table struct {
	*arch.Info
	Last  int         // the highest number; what is above fails with ENOSYS
	Fails map[int]int // number to error
}

// armPrivate is where 32-bit ARM's private calls begin; they are harmless.
const armPrivate = 0xf0000

// Tables returns the tables of a machine (a GOARCH): its own calls and, where
// there is one, its 32-bit sibling's.
func Tables(goarch string) ([]Table, error) {
	var arches []*arch.Info
	switch goarch {
	case "amd64":
		arches = []*arch.Info{arch.X86_64, arch.I386}
	case "arm64":
		arches = []*arch.Info{arch.AARCH64, arch.ARM}
	case "386":
		arches = []*arch.Info{arch.I386}
	case "arm":
		arches = []*arch.Info{arch.ARM}
	default:
		return nil, fmt.Errorf("making the system call filter: no table for %s", goarch)
	}
	var tables []Table
	for _, a := range arches {
		tables = append(tables, newTable(a))
	}
	return tables, nil
}

func newTable(a *arch.Info) Table {
	t := Table{Info: a, Fails: map[int]int{}}
	for n := range a.SyscallNumbers {
		if n < armPrivate {
			t.Last = max(t.Last, n)
		}
	}
	set := func(names []string, errno int) {
		for _, name := range names {
			if n, ok := a.SyscallNames[name]; ok {
				t.Fails[n] = errno
			}
		}
	}
	set(refused[:], EPERM)
	set(unknown[:], ENOSYS)
	return t
}
