package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A static program asks the kernel for the time, and most often not even that: it reads
// the clock in memory that the kernel shares (the vDSO). So no library can tell it
// another day. A tracer can: it takes the address of that memory off the stack before
// the program's first instruction, and rewrites what clock_gettime answers from then on.

// onDay runs satchel as if it were day, and returns the exit code and what it said.
// All its threads live on that day, and children that ask as they do (gpg asks otherwise).
// The day goes on as ours does.
func onDay(t *testing.T, day time.Time, dir string, env []string, args ...string) (code int, out string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "out")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	type end struct {
		code int
		err  error
	}
	done := make(chan end)
	go func() {
		// Who traces is a thread. It is never unlocked, so it ends with this function, and
		// with it whatever it still traces.
		runtime.LockOSThread()
		tr := tracer{ahead: time.Until(day), inside: map[int]entry{}}
		code, err := tr.run(self, append([]string{self}, args...), &syscall.ProcAttr{
			Dir: dir, Env: append(append(os.Environ(), asSatchel+"=1"), env...),
			Files: []uintptr{0, file.Fd(), file.Fd()}, Sys: &syscall.SysProcAttr{Ptrace: true},
		})
		done <- end{code, err}
	}()
	e := <-done
	if errors.Is(e.err, syscall.EPERM) {
		skip(t, "this machine lets no program trace another")
	}
	text, err := os.ReadFile(name)
	if err = errors.Join(e.err, err); err != nil {
		t.Fatalf("running satchel %q on %s: %v\n%s", args, day.Format(time.DateOnly), err, text)
	}
	return e.code, string(text)
}

// tracer runs one program and what it starts.
type tracer struct {
	ahead  time.Duration
	inside map[int]entry // by thread: the call that it is in
}

// entry is a system call that has begun.
type entry struct {
	number int64
	args   [6]uint64
}

// stop is struct ptrace_syscall_info of linux/ptrace.h; the numbers and the arguments are
// those of op 1, a call that begins.
type stop struct {
	op     uint8
	_      [3]uint8
	arch   uint32
	ip, sp uint64
	number int64
	args   [6]uint64
}

const (
	stopEntry = 1
	stopExit  = 2
)

// run starts the program and returns its exit code.
func (tr *tracer) run(program string, args []string, attr *syscall.ProcAttr) (int, error) {
	first, err := syscall.ForkExec(program, args, attr)
	if err != nil {
		return 0, err
	}
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL
	known := map[int]bool{}
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, fmt.Errorf("waiting: %w", err)
		case ws.Exited() && pid == first:
			return ws.ExitStatus(), nil
		case ws.Signaled() && pid == first:
			return 0, fmt.Errorf("it was ended by %v", ws.Signal())
		case !ws.Stopped():
			delete(known, pid)
			delete(tr.inside, pid)
			continue
		}
		signal := int(ws.StopSignal())
		switch {
		case !known[pid] && pid == first: // its exec
			if err = unix.PtraceSetOptions(pid, options); err == nil {
				err = tr.hideClock(pid)
			}
			signal = 0
		case !known[pid]: // a new thread or child stops once
			signal = 0
		case ws.StopSignal() == unix.SIGTRAP|0x80:
			err, signal = tr.call(pid), 0
		case ws.StopSignal() == unix.SIGTRAP && ws.TrapCause() == unix.PTRACE_EVENT_EXEC:
			err, signal = tr.hideClock(pid), 0
		case ws.StopSignal() == unix.SIGTRAP && ws.TrapCause() > 0:
			signal = 0
		}
		known[pid] = true
		if err == nil {
			err = unix.PtraceSyscall(pid, signal)
		}
		if err != nil && err != unix.ESRCH { // it may be gone: another thread ended them all
			return 0, fmt.Errorf("tracing: %w", err)
		}
	}
}

// where asks what a stopped thread is about.
func where(pid int) (s stop, err error) {
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(pid), unsafe.Sizeof(s), uintptr(unsafe.Pointer(&s)), 0, 0)
	if errno != 0 {
		err = errno
	}
	return s, err
}

// hideClock rewrites the key AT_SYSINFO_EHDR, the address of the shared memory, to
// AT_IGNORE. On the new stack are: the number of arguments, these, a zero,
// the environment, a zero, and pairs of a key and a value.
func (tr *tracer) hideClock(pid int) error {
	s, err := where(pid)
	if err != nil {
		return err
	}
	const atNull, atIgnore, atSysinfoEHDR, word = 0, 1, 33, 8
	at := uintptr(s.sp)
	read := func() (v uint64) {
		var b [word]byte
		if _, e := unix.PtracePeekData(pid, at, b[:]); e != nil {
			err = e
		}
		at += word
		return binary.NativeEndian.Uint64(b[:])
	}
	at += uintptr(read()+1) * word
	for err == nil && read() != 0 {
	}
	for err == nil {
		key := read()
		if key == atNull {
			return errors.New("it has no clock in memory")
		}
		if key == atSysinfoEHDR {
			_, err = unix.PtracePokeData(pid, at-word, binary.NativeEndian.AppendUint64(nil, atIgnore))
			return err
		}
		at += word
	}
	return err
}

// call is told of each system call twice. When one has asked for the time of day, the
// answer is put ahead.
func (tr *tracer) call(pid int) error {
	s, err := where(pid)
	if err != nil {
		return err
	}
	if s.op == stopEntry {
		tr.inside[pid] = entry{s.number, s.args}
		return nil
	}
	e := tr.inside[pid]
	if s.op != stopExit || e.number != unix.SYS_CLOCK_GETTIME || e.args[0] != unix.CLOCK_REALTIME && e.args[0] != unix.CLOCK_REALTIME_COARSE {
		return nil
	}
	var seconds [8]byte // the nanoseconds after them stay
	if _, err := unix.PtracePeekData(pid, uintptr(e.args[1]), seconds[:]); err != nil {
		return err
	}
	then := int64(binary.NativeEndian.Uint64(seconds[:])) + int64(tr.ahead/time.Second)
	_, err = unix.PtracePokeData(pid, uintptr(e.args[1]), binary.NativeEndian.AppendUint64(nil, uint64(then)))
	return err
}
