package watch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// backwards lists folders in the other order: the last entry first. What a program
// makes of a folder's own order is seen that way, whatever file system is below.
//
// The kernel reports the call (getdents64) and waits. The folder is opened once more
// and read to its end, and the caller gets its entries from the last one on. How far it
// is stands where it always does, in the position of the caller's open folder, so that
// rewinding and seeking work. What goes wrong on the way is no
// matter: the kernel then answers as ever.
type backwards struct {
	open  map[folder]*listing
	order []folder // the oldest first

	done, left int // calls answered, and left to the kernel
	buf        []byte
}

// folder is one that a process has open.
type folder struct {
	pid, fd  int
	dev, ino uint64
}

// listing are the entries of a folder, each a struct linux_dirent64, the last one first.
type listing struct{ entries [][]byte }

// Bounds of what is kept of folders that are being read.
const (
	maxFolders = 64
	maxListing = 64 << 20 // bytes; a longer one is listed as ever
)

// answer carries a reported getdents64 out; ok is false if the kernel is to do it.
// valid tells whether who called still waits; uid and gid are its.
func (b *backwards) answer(q *report, uid, gid int, valid func() bool) (n int64, ok bool) {
	pid, fd, err := steal(int(q.pid), int(int32(q.args[0])), uid, gid)
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	at, err := unix.Seek(fd, 0, unix.SEEK_CUR)
	if err != nil || at < 0 || unix.Fstat(fd, &st) != nil || !onDisk(fd) {
		return 0, false
	}
	l, err := b.listing(folder{pid, int(int32(q.args[0])), st.Dev, st.Ino}, fd, at)
	if err != nil {
		return 0, false
	}
	piece, next := l.piece(at, int(uint32(q.args[2])))
	if next == at && at < int64(len(l.entries)) { // no room for one: let the kernel say so
		return 0, false
	}
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", q.pid), os.O_RDWR, 0)
	if err != nil {
		return 0, false
	}
	defer mem.Close()
	if !valid() {
		return 0, false
	}
	if _, err := mem.WriteAt(piece, int64(q.args[1])); err != nil && len(piece) > 0 {
		return 0, false
	}
	if _, err := unix.Seek(fd, next, unix.SEEK_SET); err != nil {
		return 0, false
	}
	return int64(len(piece)), true
}

// listing is what there is of a folder that is read on, or all of it anew at the beginning.
func (b *backwards) listing(f folder, fd int, at int64) (*listing, error) {
	if b.open == nil {
		b.open = map[folder]*listing{}
	}
	if l := b.open[f]; l != nil && at > 0 {
		return l, nil
	}
	if b.buf == nil {
		b.buf = make([]byte, 256<<10)
	}
	l, err := list(fd, b.buf)
	if err != nil {
		return nil, err
	}
	if _, ok := b.open[f]; !ok {
		if len(b.order) >= maxFolders {
			delete(b.open, b.order[0])
			b.order = b.order[1:]
		}
		b.order = append(b.order, f)
	}
	b.open[f] = l
	return l, nil
}

// list reads all of the folder that a descriptor names, from the beginning, by way of buf.
func list(fd int, buf []byte) (*listing, error) {
	own, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(own)
	var l listing
	total := 0
	for {
		n, err := unix.Getdents(own, buf) // which is getdents64
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		if total += n; total > maxListing {
			return nil, unix.EFBIG
		}
		for rest := bytes.Clone(buf[:n]); len(rest) > 0; {
			size := int(binary.NativeEndian.Uint16(rest[16:]))
			if size < 19 || size > len(rest) {
				return nil, unix.EIO
			}
			l.entries = append(l.entries, rest[:size:size])
			rest = rest[size:]
		}
	}
	slices.Reverse(l.entries)
	for i, e := range l.entries { // where to go on after it (d_off)
		binary.NativeEndian.PutUint64(e[8:], uint64(i+1))
	}
	return &l, nil
}

// piece is what fits into so many bytes from an entry on, and the entry after it.
func (l *listing) piece(at int64, room int) (out []byte, next int64) {
	for ; at < int64(len(l.entries)); at++ {
		e := l.entries[at]
		if len(out)+len(e) > room {
			break
		}
		out = append(out, e...)
	}
	return out, at
}

// leader is the process that a thread belongs to.
func leader(tid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return 0, err
	}
	_, after, _ := bytes.Cut(text, []byte("\nTgid:"))
	line, _, _ := bytes.Cut(after, []byte("\n"))
	return strconv.Atoi(string(bytes.TrimSpace(line)))
}

// steal gets a descriptor of the very open file that a thread of a user has, and tells
// its process. That may who has the user's real ids, so this thread has them for a moment.
func steal(tid, fd, uid, gid int) (pid, got int, err error) {
	pid = tid // most often: it takes the leader
	p, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		if pid, err = leader(tid); err == nil {
			p, err = unix.PidfdOpen(pid, 0)
		}
	}
	if err != nil {
		return 0, -1, err
	}
	defer unix.Close(p)
	ownUID, ownGID := os.Getuid(), os.Getgid()
	setReal(uid, gid)
	got, err = unix.PidfdGetfd(p, fd, 0)
	setReal(ownUID, ownGID)
	_ = unix.Setfsgid(gid) // which follow the others
	_ = unix.Setfsuid(uid)
	return pid, got, err
}

// setReal changes the real ids of this thread alone.
func setReal(uid, gid int) {
	const same = ^uintptr(0)
	_, _, _ = unix.RawSyscall(unix.SYS_SETRESGID, uintptr(gid), same, same)
	_, _, _ = unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), same, same)
}

// onDisk tells whether a folder is one of files, and not the kernel's own.
func onDisk(fd int) bool {
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.DEVPTS_SUPER_MAGIC, 0x19800202: // mqueue
		return false
	}
	return true
}
