package watch

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// named are the calls that name an address, by the audit architecture of the
// calling program: connect, sendmsg, sendmmsg, and sendto, which may do
// without; and getdents64, which lists a folder. Numbers from the kernel's tables
// (arch/x86/entry/syscalls/syscall_64.tbl, syscall_32.tbl, arch/arm/tools/syscall.tbl,
// include/uapi/asm-generic/unistd.h).
var named = []struct {
	arch                                         uint32
	connect, sendmsg, sendmmsg, sendto, getdents uint32
}{
	{unix.AUDIT_ARCH_X86_64, 42, 46, 307, 44, 217},
	{unix.AUDIT_ARCH_I386, 362, 370, 345, 369, 220},
	{unix.AUDIT_ARCH_AARCH64, 203, 211, 269, 206, 61},
	{unix.AUDIT_ARCH_ARM, 283, 296, 374, 290, 217},
	{unix.AUDIT_ARCH_RISCV64, 203, 211, 269, 206, 61},
}

// Offsets in struct seccomp_data.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArg4   = 16 + 4*8 // sendto's address
)

// noCall is the number of no call.
const noCall = 0xffffffff

// program reports those calls and lets all others be made; listings of folders only if
// it is asked to.
func program(listings bool) []bpf.Instruction {
	prog := []bpf.Instruction{bpf.LoadAbsolute{Off: offsetArch, Size: 4}}
	for _, a := range named {
		if !listings {
			a.getdents = noCall
		}
		prog = append(prog,
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: a.arch, SkipTrue: 12},
			bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: a.getdents, SkipTrue: 9},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: a.connect, SkipTrue: 8},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: a.sendmsg, SkipTrue: 7},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: a.sendmmsg, SkipTrue: 6},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: a.sendto, SkipTrue: 4},
			bpf.LoadAbsolute{Off: offsetArg4, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: 3},
			bpf.LoadAbsolute{Off: offsetArg4 + 4, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: 1},
			bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
			bpf.RetConstant{Val: unix.SECCOMP_RET_USER_NOTIF})
	}
	return append(prog, bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW})
}

// Filter makes the calling thread, and what it will execute or start, report
// to the descriptor that it returns; whoever has that must answer ([Watch]
// does), or the calls wait for ever. The thread must have no_new_privs. With listings
// it reports when folders are listed, too: only a Watcher that lists them backwards
// has a use for that.
func Filter(listings bool) (fd int, err error) {
	prog, err := bpf.Assemble(program(listings))
	if err != nil {
		return -1, fmt.Errorf("assembling the filter: %w", err)
	}
	raw := make([]unix.SockFilter, len(prog))
	for i, p := range prog {
		raw[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	fprog := unix.SockFprog{Len: uint16(len(raw)), Filter: &raw[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	got, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return -1, fmt.Errorf("setting the filter: %w", errno)
	}
	return int(got), nil
}
