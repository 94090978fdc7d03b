package sandbox

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// capabilities are what the container's root may do: Docker's default list
// without raw sockets, for which there is no network.
var capabilities = [...]int{
	unix.CAP_AUDIT_WRITE, unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_KILL,
	unix.CAP_MKNOD, unix.CAP_NET_BIND_SERVICE, unix.CAP_SETFCAP, unix.CAP_SETGID, unix.CAP_SETPCAP, unix.CAP_SETUID,
	unix.CAP_SYS_CHROOT,
}

// maxCapability is more than any kernel has.
const maxCapability = 63

// confine takes the process's powers away: what is not in capabilities for
// good (it leaves the bounding set), then the refused system calls, then the
// capabilities held now. Nothing privileged can be done after it.
func (b *boot) confine() error {
	var mask uint64
	for _, c := range capabilities {
		mask |= 1 << c
	}
	for c := 0; c <= maxCapability; c++ {
		if mask&(1<<c) != 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err == unix.EINVAL {
			break // this kernel knows no more
		} else if err != nil {
			return fmt.Errorf("dropping capability %d: %w", c, err)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil && err != unix.EINVAL {
		return fmt.Errorf("clearing ambient capabilities: %w", err)
	}
	if err := loadFilter(); err != nil {
		return err
	}
	if !b.Sudo {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("forbidding set-id programs: %w", err)
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	low, high := uint32(mask), uint32(mask>>32)
	data := [2]unix.CapUserData{{Effective: low, Permitted: low}, {Effective: high, Permitted: high}}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("giving up capabilities: %w", err)
	}
	return nil
}

// loadFilter installs the system call filter.
func loadFilter() error {
	program, err := filter()
	if err != nil {
		return err
	}
	p := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&p)))
	if errno != 0 {
		return fmt.Errorf("installing the system call filter: %w", errno)
	}
	return nil
}

// resetSignals makes every signal's action the default and blocks none: a
// shell started by nohup ignores some, and an ignored signal stays ignored.
func resetSignals() {
	var action [4]uint64 // struct sigaction of the kernel: default, no flags, no mask
	for s := uintptr(1); s <= 64; s++ {
		if unix.Signal(s) == unix.SIGKILL || unix.Signal(s) == unix.SIGSTOP {
			continue
		}
		unix.RawSyscall6(unix.SYS_RT_SIGACTION, s, uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
	}
	var none uint64
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&none)), 0, 8, 0, 0)
}
