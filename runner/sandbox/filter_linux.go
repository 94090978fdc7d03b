package sandbox

import (
	"fmt"
	"runtime"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// The system call filter refuses what a build has no business with and a
// kernel has had holes in. It is not the wall (namespaces and capabilities
// are); it is the ditch before it. Calls younger than the table of names are
// unknown to the container, as on an older kernel.

// refused fail with EPERM.
var refused = [...]string{
	// mounts and roots
	"mount", "umount", "umount2", "pivot_root", "move_mount", "open_tree", "open_tree_attr", "mount_setattr",
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

// syncs succeed at once when nothing that is written needs to outlive a crash.
var syncs = [...]string{"fsync", "fdatasync", "sync", "syncfs", "sync_file_range", "sync_file_range2", "arm_sync_file_range"}

// newNamespaces are the flags of clone and unshare that make namespaces.
// CLONE_NEWTIME is one for unshare alone: for clone that bit is a signal's.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// families are the kinds of socket there can be; vsock would reach the host
// of a virtual machine, whatever the network namespace.
var families = []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

// personalities are those that setarch and linux32 ask for, and the question.
var personalities = []uint32{
	0, perLinux32, uname26, uname26 | perLinux32,
	noRandomize, noRandomize | perLinux32, 0xffffffff,
}

// Values of personality(2), from the kernel's uapi/linux/personality.h.
const (
	perLinux32  = 0x0008
	uname26     = 0x0020000
	noRandomize = 0x0040000
)

// Results of a filter.
const (
	allow = unix.SECCOMP_RET_ALLOW
	kill  = unix.SECCOMP_RET_KILL_PROCESS
)

// fail is the result that makes a call fail with errno; 0 makes it succeed.
func fail(errno unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(errno) }

// filter returns the program for this machine's architecture and, where there
// is one, its 32-bit sibling. Any other kills.
func filter(noSync bool) ([]unix.SockFilter, error) {
	var arches []*arch.Info
	switch runtime.GOARCH {
	case "amd64":
		arches = []*arch.Info{arch.X86_64, arch.I386}
	case "arm64":
		arches = []*arch.Info{arch.AARCH64, arch.ARM}
	case "386":
		arches = []*arch.Info{arch.I386}
	case "arm":
		arches = []*arch.Info{arch.ARM}
	default:
		return nil, fmt.Errorf("making the system call filter: no table for %s; use --engine docker", runtime.GOARCH)
	}
	p := []unix.SockFilter{load(offsetArch)}
	for _, a := range arches {
		block := callBlock(a, noSync)
		p = append(p, jump(unix.BPF_JEQ, uint32(a.ID), 1, 0), // one over the next
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(len(block))})
		p = append(p, block...)
	}
	return append(p, ret(kill)), nil
}

// callBlock decides about one architecture's calls; every path through it ends.
func callBlock(a *arch.Info, noSync bool) []unix.SockFilter {
	last := 0
	for n := range a.SyscallNumbers {
		if n < armPrivate {
			last = max(last, n)
		}
	}
	p := []unix.SockFilter{load(offsetNumber)}
	if a == arch.ARM { // its private calls (cacheflush, set_tls) have numbers of their own
		p = append(p, jump(unix.BPF_JGE, armPrivate, 0, 1), ret(allow))
	}
	// This covers x32's numbers too, which have bit 30.
	p = append(p, jump(unix.BPF_JGT, uint32(last), 0, 1), ret(fail(unix.ENOSYS)))
	on := func(name string, then ...unix.SockFilter) {
		if n, ok := a.SyscallNames[name]; ok {
			p = append(p, jump(unix.BPF_JEQ, uint32(n), 0, uint8(len(then))))
			p = append(p, then...)
		}
	}
	for _, name := range refused {
		on(name, ret(fail(unix.EPERM)))
	}
	for _, name := range unknown {
		on(name, ret(fail(unix.ENOSYS)))
	}
	if noSync {
		for _, name := range syncs {
			on(name, ret(fail(0)))
		}
	}
	on("clone", load(argument(0)), jump(unix.BPF_JSET, newNamespaces, 0, 1), ret(fail(unix.EPERM)), ret(allow))
	on("unshare", load(argument(0)), jump(unix.BPF_JSET, newNamespaces|unix.CLONE_NEWTIME, 0, 1), ret(fail(unix.EPERM)), ret(allow))
	on("socket", oneOf(argument(0), families, unix.EAFNOSUPPORT)...)
	// The old way of 32-bit programs to make a socket hides the family in memory.
	on("socketcall", load(argument(0)), jump(unix.BPF_JEQ, 1, 0, 1), ret(fail(unix.EAFNOSUPPORT)), ret(allow))
	on("personality", oneOf(argument(0), personalities, unix.EPERM)...)
	// Typing into a terminal that is somebody else's.
	on("ioctl", load(argument(1)), jump(unix.BPF_JEQ, unix.TIOCSTI, 1, 0), jump(unix.BPF_JEQ, unix.TIOCLINUX, 0, 1),
		ret(fail(unix.EPERM)), ret(allow))
	return append(p, ret(allow))
}

// oneOf allows a call whose argument is one of the values.
func oneOf(offset uint32, values []uint32, errno unix.Errno) []unix.SockFilter {
	p := []unix.SockFilter{load(offset)}
	for _, v := range values {
		p = append(p, jump(unix.BPF_JEQ, v, 0, 1), ret(allow))
	}
	return append(p, ret(fail(errno)))
}

// Offsets in struct seccomp_data.
const (
	offsetNumber = 0
	offsetArch   = 4
	armPrivate   = 0xf0000
)

// argument is the offset of the low half of an argument; every machine here
// is little endian, and every argument looked at is 32 bits wide.
func argument(n uint32) uint32 { return 16 + 8*n }

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func jump(how uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | how | unix.BPF_K, Jt: yes, Jf: no, K: k}
}

func ret(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
