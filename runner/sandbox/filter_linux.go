package sandbox

import (
	"fmt"
	"maps"
	"runtime"
	"slices"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"

	"satchel/runner/sandbox/syscalls"
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
func filter() ([]unix.SockFilter, error) {
	tables, err := syscalls.Tables(runtime.GOARCH)
	if err != nil {
		return nil, fmt.Errorf("%w; use --engine docker", err)
	}
	p := []unix.SockFilter{load(offsetArch)}
	for _, t := range tables {
		block := callBlock(t)
		p = append(p, jump(unix.BPF_JEQ, uint32(t.ID), 1, 0), // one over the next
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(len(block))})
		p = append(p, block...)
	}
	return append(p, ret(kill)), nil
}

// callBlock decides about one architecture's calls; every path through it ends.
func callBlock(t syscalls.Table) []unix.SockFilter {
	p := []unix.SockFilter{load(offsetNumber)}
	if t.Info == arch.ARM { // its private calls (cacheflush, set_tls) have numbers of their own
		p = append(p, jump(unix.BPF_JGE, armPrivate, 0, 1), ret(allow))
	}
	// This covers x32's numbers too, which have bit 30.
	p = append(p, jump(unix.BPF_JGT, uint32(t.Last), 0, 1), ret(fail(unix.ENOSYS)))
	for _, n := range slices.Sorted(maps.Keys(t.Fails)) {
		p = append(p, jump(unix.BPF_JEQ, uint32(n), 0, 1), ret(fail(unix.Errno(t.Fails[n]))))
	}
	on := func(name string, then ...unix.SockFilter) {
		if n, ok := t.SyscallNames[name]; ok {
			p = append(p, jump(unix.BPF_JEQ, uint32(n), 0, uint8(len(then))))
			p = append(p, then...)
		}
	}
	const namespaces = syscalls.NewNamespaces
	on("clone", load(argument(0)), jump(unix.BPF_JSET, namespaces, 0, 1), ret(fail(unix.EPERM)), ret(allow))
	on("unshare", load(argument(0)), jump(unix.BPF_JSET, namespaces|syscalls.NewTime, 0, 1), ret(fail(unix.EPERM)), ret(allow))
	on("socket", oneOf(argument(0), syscalls.Families(), unix.EAFNOSUPPORT)...)
	on("socketcall", load(argument(0)), jump(unix.BPF_JEQ, syscalls.SocketcallSocket, 0, 1), ret(fail(unix.EAFNOSUPPORT)), ret(allow))
	on("personality", oneOf(argument(0), syscalls.Personalities(), unix.EPERM)...)
	typing := []unix.SockFilter{load(argument(1))}
	for _, v := range syscalls.Typing() {
		typing = append(typing, jump(unix.BPF_JEQ, v, 0, 1), ret(fail(unix.EPERM)))
	}
	on("ioctl", append(typing, ret(allow))...)
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
