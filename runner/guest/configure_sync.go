//go:build linux

package guest

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// syncCalls are the system calls that only wait until data is on the disc,
// by the audit architecture of the calling program: fsync, fdatasync, sync,
// syncfs, sync_file_range(2), msync. Numbers from the kernel's tables
// arch/x86/entry/syscalls/syscall_64.tbl, syscall_32.tbl and
// include/uapi/asm-generic/unistd.h.
var syncCalls = []struct {
	arch  uint32
	calls []uint32
}{
	{unix.AUDIT_ARCH_X86_64, []uint32{74, 75, 162, 306, 277, 26}},
	{unix.AUDIT_ARCH_I386, []uint32{118, 148, 36, 344, 314, 144}},
	{unix.AUDIT_ARCH_AARCH64, []uint32{82, 83, 81, 267, 84, 227}},
	{unix.AUDIT_ARCH_ARM, []uint32{118, 148, 36, 373, 341, 144}},
	{unix.AUDIT_ARCH_RISCV64, []uint32{82, 83, 81, 267, 84, 227}},
}

// skipSync makes this process, all its threads and whatever it starts from
// now on believe that data reaches the disc at once. dpkg waits after every
// file, and an environment that a crash has spoilt is thrown away in any case.
// It cannot be undone, and takes set-id bits their power for this process's
// children, all of which are root's.
func skipSync() error {
	prog, err := bpf.Assemble(syncFilter())
	if err != nil {
		return fmt.Errorf("assembling the filter: %w", err)
	}
	raw := make([]unix.SockFilter, len(prog))
	for i, p := range prog {
		raw[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	fprog := unix.SockFprog{Len: uint16(len(raw)), Filter: &raw[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("setting no_new_privs: %w", err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return fmt.Errorf("setting the filter: %w", errno)
	}
	return nil
}

// Offsets in struct seccomp_data.
const (
	seccompNumber = 0
	seccompArch   = 4
)

// syncFilter answers 0 to the calls of syncCalls, and lets all others be made.
func syncFilter() []bpf.Instruction {
	const answerZero = unix.SECCOMP_RET_ERRNO // | errno 0
	prog := []bpf.Instruction{bpf.LoadAbsolute{Off: seccompArch, Size: 4}}
	for _, a := range syncCalls {
		n := uint8(len(a.calls))
		prog = append(prog,
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: a.arch, SkipTrue: n + 3},
			bpf.LoadAbsolute{Off: seccompNumber, Size: 4})
		for i, call := range a.calls {
			prog = append(prog, bpf.JumpIf{Cond: bpf.JumpEqual, Val: call, SkipTrue: n - uint8(i)})
		}
		prog = append(prog,
			bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
			bpf.RetConstant{Val: answerZero})
	}
	return append(prog, bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW})
}
