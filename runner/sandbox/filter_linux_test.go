package sandbox

import (
	"encoding/binary"
	"runtime"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"satchel/runner/sandbox/syscalls"
)

// decide runs the program as the kernel does. The kernel loads words in its
// own byte order, the machine of package bpf in the network's.
func decide(t *testing.T, nr int, auditArch uint32, args ...uint64) uint32 {
	t.Helper()
	program, err := filter()
	if err != nil {
		t.Skip(err)
	}
	var raw []bpf.RawInstruction
	for _, i := range program {
		raw = append(raw, bpf.RawInstruction{Op: i.Code, Jt: i.Jt, Jf: i.Jf, K: i.K})
	}
	instructions, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("the filter holds an instruction that is none")
	}
	vm, err := bpf.NewVM(instructions)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[offsetNumber:], uint32(nr))
	binary.BigEndian.PutUint32(data[offsetArch:], auditArch)
	for i, a := range args {
		binary.BigEndian.PutUint32(data[argument(uint32(i)):], uint32(a))
		binary.BigEndian.PutUint32(data[argument(uint32(i))+4:], uint32(a>>32))
	}
	result, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(result)
}

// Every call of every table gets the answer that the table says; what no
// table has is unknown; another machine's programs die.
func TestFilterTables(t *testing.T) {
	tables, err := syscalls.Tables(runtime.GOARCH)
	if err != nil {
		t.Skip(err)
	}
	for _, table := range tables {
		id := uint32(table.ID)
		for n, name := range table.SyscallNumbers {
			want := uint32(allow)
			if errno, ok := table.Fails[n]; ok {
				want = fail(unix.Errno(errno))
			}
			if name == "socket" || name == "personality" {
				continue // decided by argument
			}
			if got := decide(t, n, id); got != want {
				t.Errorf("%s %s: %#x, want %#x", table.Name, name, got, want)
			}
		}
		for _, n := range []int{table.Last + 1, 0x40000000, 0x40000000 + 165, 0x7fffffff, -1} {
			if got := decide(t, n, id); got != fail(unix.ENOSYS) && table.Name != "arm" {
				t.Errorf("%s call %#x: %#x, want ENOSYS", table.Name, n, got)
			}
		}
	}
	for _, id := range []uint32{0, 0xffffffff, unix.AUDIT_ARCH_PPC64} {
		if got := decide(t, 0, id); got != kill {
			t.Errorf("architecture %#x: %#x, want the process killed", id, got)
		}
	}
}

// What is decided by argument. The upper half of an argument of 32 bits is
// not looked at by the kernel, and must not matter.
func TestFilterArguments(t *testing.T) {
	tables, err := syscalls.Tables(runtime.GOARCH)
	if err != nil {
		t.Skip(err)
	}
	eperm, family := fail(unix.EPERM), fail(unix.EAFNOSUPPORT)
	for _, table := range tables {
		for _, c := range []struct {
			name string
			args []uint64
			want uint32
		}{
			{"clone", []uint64{uint64(unix.SIGCHLD)}, allow},
			{"clone", []uint64{unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD}, allow},
			{"clone", []uint64{unix.CLONE_NEWUSER | uint64(unix.SIGCHLD)}, eperm},
			{"clone", []uint64{unix.CLONE_NEWNS}, eperm},
			{"clone", []uint64{unix.CLONE_NEWNET}, eperm},
			{"clone", []uint64{0x80}, allow}, // a signal
			{"unshare", []uint64{unix.CLONE_FS}, allow},
			{"unshare", []uint64{unix.CLONE_NEWTIME}, eperm},
			{"unshare", []uint64{unix.CLONE_NEWCGROUP | unix.CLONE_FS}, eperm},
			{"socket", []uint64{unix.AF_UNIX}, allow},
			{"socket", []uint64{unix.AF_NETLINK}, allow},
			{"socket", []uint64{unix.AF_VSOCK}, family},
			{"socket", []uint64{1<<32 | unix.AF_VSOCK}, family},
			{"socket", []uint64{1<<32 | unix.AF_INET}, allow},
			{"socket", []uint64{unix.AF_PACKET}, family},
			{"socketcall", []uint64{1}, family},
			{"socketcall", []uint64{3}, allow},
			{"personality", []uint64{8}, allow},
			{"personality", []uint64{0xffffffff}, allow},
			{"personality", []uint64{0x0400000}, eperm},
			{"ioctl", []uint64{0, unix.TCGETS}, allow},
			{"ioctl", []uint64{0, unix.TIOCSTI}, eperm},
			{"ioctl", []uint64{0, 1<<32 | unix.TIOCSTI}, eperm},
			{"ioctl", []uint64{0, unix.TIOCLINUX}, eperm},
		} {
			n, ok := table.SyscallNames[c.name]
			if !ok {
				continue
			}
			if got := decide(t, n, uint32(table.ID), c.args...); got != c.want {
				t.Errorf("%s %s(%#x): %#x, want %#x", table.Name, c.name, c.args, got, c.want)
			}
		}
	}
}
