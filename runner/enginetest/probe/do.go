//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"satchel/runner/enginetest/wire"
)

// do answers one request.
func do(q wire.Request) (r wire.Reply) {
	if q.Child {
		return child(q)
	}
	var err error
	switch q.Op {
	case "list":
		r.Files, err = list(q.Path)
	case "read":
		r.Data, err = os.ReadFile(q.Path)
	case "names":
		r.Names, err = names(q.Path)
	case "copy":
		err = copyFile(q.Path, q.To)
	case "write", "mkdir", "symlink", "link", "mknod", "setxattr", "rename", "remove", "stamp":
		err = change(q)
	case "environ":
		r.Names = os.Environ()
	case "args":
		r.Names = os.Args
	case "syscall":
		r.N, err = call(q.N, q.Args)
	case "syscall32":
		r.N, err = call32(q.N, q.Args)
	case "connect":
		err = connect(q.Path, q.To)
	case "sendto":
		err = sendto(q.To)
	case "hostname":
		var name string
		name, err = os.Hostname()
		r.Data = []byte(name)
	case "interfaces":
		r.Names, err = interfaces()
	case "stderr":
		_, err = os.Stderr.Write(q.Data)
	case "spawn":
		r.N, err = spawn(q.N, q.Path)
	case "burn":
		r.N = burn(time.Duration(q.N))
	case "grab":
		r.N = grab(q.N)
	case "open":
		var fd int
		fd, err = unix.Open(q.Path, int(q.N), 0)
		unix.Close(fd)
	case "exit":
		os.Exit(int(q.N))
	case "crash":
		crash()
	default:
		err = fmt.Errorf("unknown request %q", q.Op)
	}
	if err != nil {
		r.Error = err.Error()
		var no unix.Errno
		if errors.As(err, &no) {
			r.Errno = int(no)
		}
	}
	return r
}

// call makes a system call on a thread that is then thrown away.
func call(nr int64, args []wire.Arg) (int64, error) {
	type result struct {
		v int64
		e unix.Errno
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: what the call changes of the thread dies with it
		var raw [6]uintptr
		for i, a := range args {
			raw[i] = uintptr(a.Int)
			if a.Bytes != nil {
				raw[i] = uintptr(unsafe.Pointer(unsafe.SliceData(a.Bytes)))
			}
		}
		v, _, e := unix.Syscall6(uintptr(nr), raw[0], raw[1], raw[2], raw[3], raw[4], raw[5])
		runtime.KeepAlive(args)
		done <- result{int64(v), e}
	}()
	d := <-done
	if d.e != 0 {
		return d.v, d.e
	}
	return d.v, nil
}

func connect(network, address string) error {
	c, err := net.DialTimeout(network, address, 5*time.Second)
	if err != nil {
		return err
	}
	return c.Close()
}

// sendto sends one datagram, which needs no answer.
func sendto(address string) error {
	c, err := net.Dial("udp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write([]byte("x"))
	return err
}

func interfaces() (names []string, err error) {
	all, err := net.Interfaces()
	for _, i := range all {
		addrs, _ := i.Addrs()
		names = append(names, fmt.Sprint(i.Name, " ", addrs, " ", i.Flags&net.FlagUp != 0))
	}
	return names, err
}

func names(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// list describes everything below root; of the file systems that are not the
// root's own only the top.
func list(root string) (files []wire.File, err error) {
	var top unix.Stat_t
	if err := unix.Lstat(root, &top); err != nil {
		return nil, err
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		f := wire.File{Path: path, Mode: st.Mode, UID: st.Uid, GID: st.Gid, Size: st.Size,
			Time: st.Mtim.Sec, Nlink: uint64(st.Nlink), Ino: st.Ino, Rdev: st.Rdev, Xattrs: xattrs(path)}
		if st.Mode&unix.S_IFMT == unix.S_IFLNK {
			f.Link, _ = os.Readlink(path)
		}
		files = append(files, f)
		if d.IsDir() && st.Dev != top.Dev {
			return fs.SkipDir
		}
		return nil
	})
	sort.Slice(files, func(i, j int) bool { return files[i].Path < files[j].Path })
	return files, err
}

func xattrs(path string) map[string][]byte {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	if err != nil || n == 0 {
		return nil
	}
	m := map[string][]byte{}
	for _, name := range strings.Split(strings.TrimRight(string(buf[:n]), "\x00"), "\x00") {
		value := make([]byte, 64<<10)
		if n, err := unix.Lgetxattr(path, name, value); err == nil && name != "security.selinux" {
			m[name] = value[:n]
		}
	}
	return m
}

// change makes or alters one file.
func change(q wire.Request) error {
	switch q.Op {
	case "write":
		if err := os.WriteFile(q.Path, q.Data, 0o600); err != nil {
			return err
		}
	case "mkdir":
		if err := os.Mkdir(q.Path, 0o700); err != nil {
			return err
		}
	case "symlink":
		return os.Symlink(q.To, q.Path)
	case "link":
		return os.Link(q.To, q.Path)
	case "mknod":
		return unix.Mknod(q.Path, q.Mode, int(q.N))
	case "setxattr":
		return unix.Lsetxattr(q.Path, q.To, q.Data, 0)
	case "rename":
		return os.Rename(q.Path, q.To)
	case "remove":
		return os.RemoveAll(q.Path)
	}
	if err := os.Lchown(q.Path, q.UID, q.GID); err != nil {
		return err
	}
	if err := unix.Chmod(q.Path, q.Mode); err != nil { // after chown, which clears set-id bits
		return err
	}
	t := time.Unix(q.Time, 0)
	return os.Chtimes(q.Path, t, t)
}
