package watch

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Watcher answers what a filter reports: always "go on". Before that it looks
// at the address.
type Watcher struct {
	listener int
	stop     *os.File // closing it ends the loop
	ended    chan struct{}
	note     func(pid int, to netip.AddrPort)
	uid, gid int
	folders  backwards
}

// Watch answers on a descriptor of [Filter], which it closes at the end. note is
// told each address outside that the process pid tries to reach; pid waits as
// long as note takes. uid and gid are those of the processes: whose memory may
// be read depends on them. A kernel that cannot let a call go on after a report
// (before 5.5) must not have a filter at all: see [Usable].
func Watch(listener, uid, gid int, note func(pid int, to netip.AddrPort)) (*Watcher, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("watching for the network: %w", err)
	}
	s := &Watcher{listener: listener, stop: w, ended: make(chan struct{}), note: note, uid: uid, gid: gid}
	go func() {
		defer close(s.ended)
		defer unix.Close(listener)
		defer r.Close()
		s.loop(int(r.Fd()))
	}()
	return s, nil
}

// Close ends the answering. Nothing that is watched may be left by then.
func (w *Watcher) Close() {
	w.stop.Close()
	<-w.ended
}

// Listed is how often a folder was listed backwards, and how often the kernel was left to
// do it as ever; known after Close.
func (w *Watcher) Listed() (backwards, ever int) { return w.folders.done, w.folders.left }

// report is struct seccomp_notif (linux/seccomp.h).
type report struct {
	id    uint64
	pid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// answer is struct seccomp_notif_resp.
type answer struct {
	id    uint64
	val   int64
	error int32
	flags uint32
}

func (w *Watcher) loop(stop int) {
	as := actAs(w.uid, w.gid)
	defer as.back()
	fds := []unix.PollFd{{Fd: int32(w.listener), Events: unix.POLLIN}, {Fd: int32(stop), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return
		}
		if fds[1].Revents != 0 || fds[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0 {
			return
		}
		if fds[0].Revents&unix.POLLIN == 0 {
			continue
		}
		var q report
		if !w.ioctl(unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&q)) {
			continue // whoever called was killed
		}
		if w.listed(&q) {
			continue
		}
		if to, ok := w.address(&q); ok && outside(to.Addr()) && w.ioctl(unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&q.id)) {
			w.note(int(q.pid), to)
		}
		w.ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&answer{id: q.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}))
	}
}

// listed answers a call that lists a folder; false if it is another, or the kernel's to
// answer. Only a filter that was made so reports them.
func (w *Watcher) listed(q *report) bool {
	for _, a := range named {
		if a.arch != q.arch || a.getdents != uint32(q.nr) {
			continue
		}
		n, ok := w.folders.answer(q, w.uid, w.gid, func() bool { return w.ioctl(unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&q.id)) })
		if ok {
			w.folders.done++
			w.ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&answer{id: q.id, val: n}))
		} else {
			w.folders.left++
		}
		return ok
	}
	return false
}

func (w *Watcher) ioctl(request uintptr, arg unsafe.Pointer) bool {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(w.listener), request, uintptr(arg))
	return errno == 0
}

// address reads the address that a reported call names.
func (w *Watcher) address(q *report) (to netip.AddrPort, ok bool) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", q.pid))
	if err != nil {
		return to, false
	}
	defer f.Close()
	for _, a := range named {
		if a.arch != q.arch {
			continue
		}
		at, size := q.args[1], q.args[2] // connect
		switch uint32(q.nr) {
		case a.sendto:
			at, size = q.args[4], q.args[5]
		case a.sendmsg, a.sendmmsg:
			at, size = header(f, q.args[1], a.arch == unix.AUDIT_ARCH_I386 || a.arch == unix.AUDIT_ARCH_ARM)
		}
		var b [unix.SizeofSockaddrInet6]byte
		n := min(size, uint64(len(b)))
		if _, err := f.ReadAt(b[:n], int64(at)); err != nil {
			return to, false
		}
		return parseAddress(b[:n])
	}
	return to, false
}

// header reads where a struct msghdr has its address, and how long that is.
func header(f *os.File, at uint64, small bool) (name, size uint64) {
	var b [16]byte
	if _, err := f.ReadAt(b[:], int64(at)); err != nil {
		return 0, 0
	}
	if small {
		return uint64(binary.NativeEndian.Uint32(b[:])), uint64(binary.NativeEndian.Uint32(b[4:]))
	}
	return binary.NativeEndian.Uint64(b[:]), uint64(binary.NativeEndian.Uint32(b[8:]))
}

// parseAddress reads a struct sockaddr_in or sockaddr_in6.
func parseAddress(b []byte) (to netip.AddrPort, ok bool) {
	if len(b) < 8 {
		return to, false
	}
	port := binary.BigEndian.Uint16(b[2:])
	switch binary.NativeEndian.Uint16(b) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port), true
	case unix.AF_INET6:
		if len(b) < 24 { // the kernel takes it without a scope
			return to, false
		}
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), port), true
	}
	return to, false
}

// acting is a thread that looks at processes with a user's eyes: a container's
// root may not look into them without CAP_SYS_PTRACE, which it has not.
type acting struct{ uid, gid int }

func actAs(uid, gid int) acting {
	runtime.LockOSThread()
	a := acting{uid: os.Geteuid(), gid: os.Getegid()}
	_ = unix.Setfsgid(gid) // what then cannot be seen is not known
	_ = unix.Setfsuid(uid)
	return a
}

func (a acting) back() {
	_ = unix.Setfsuid(a.uid)
	_ = unix.Setfsgid(a.gid)
	runtime.UnlockOSThread()
}
