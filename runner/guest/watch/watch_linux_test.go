package watch

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// partVar makes the test's binary the program that is watched ("watched"), or the
// same without a filter ("free").
const partVar = "SATCHEL_WATCH_PART"

// listingsVar has a watched part report listings, and makes its value the command
// that is run instead of the calls.
const listingsVar = "SATCHEL_WATCH_LISTINGS"

func init() {
	part := os.Getenv(partVar)
	if part == "" {
		return
	}
	runtime.LockOSThread()
	if part == "watched" {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			panic(err)
		}
		fd, err := Filter(os.Getenv(listingsVar) != "")
		if err != nil {
			panic(err)
		}
		sent := make(chan error)
		go func() {
			runtime.LockOSThread()
			sent <- unix.Sendmsg(3, []byte{0}, unix.UnixRights(fd), nil, 0)
		}()
		if err := <-sent; err != nil {
			panic(err)
		}
		unix.Close(fd)
	}
	if script := os.Getenv(listingsVar); script != "" {
		panic(unix.Exec("/bin/bash", []string{"bash", "-c", script}, []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}))
	}
	tryAll()
	os.Exit(0)
}

// tryAll makes all the calls, and prints what the kernel answers.
func tryAll() {
	call := func(what string, nr uintptr, args ...uintptr) {
		args = append(args, 0, 0, 0, 0, 0, 0)
		_, _, e := unix.Syscall6(nr, args[0], args[1], args[2], args[3], args[4], args[5])
		fmt.Printf("%s: %d\n", what, int(e))
	}
	v4 := func(a string, port byte) []byte {
		ip := netip.MustParseAddr(a).As4()
		return append([]byte{unix.AF_INET, 0, 0, port, ip[0], ip[1], ip[2], ip[3]}, make([]byte, 8)...)
	}
	v6 := func(a string, port byte) []byte {
		ip := netip.MustParseAddr(a).As16()
		return append(append([]byte{unix.AF_INET6, 0, 0, port, 0, 0, 0, 0}, ip[:]...), make([]byte, 4)...)
	}
	socket := func(family, kind int) uintptr {
		fd, err := unix.Socket(family, kind, 0)
		if err != nil {
			fmt.Println("socket:", err)
		}
		return uintptr(fd)
	}
	connect := func(what string, fd uintptr, b []byte) {
		call("connect "+what, unix.SYS_CONNECT, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	}
	tcp, udp, tcp6, local := socket(unix.AF_INET, unix.SOCK_STREAM), socket(unix.AF_INET, unix.SOCK_DGRAM), socket(unix.AF_INET6, unix.SOCK_STREAM), socket(unix.AF_UNIX, unix.SOCK_STREAM)
	connect("outside", tcp, v4("192.0.2.1", 1))
	connect("loopback", tcp, v4("127.0.0.1", 2))
	connect("any", tcp, v4("0.0.0.0", 3))
	connect("six", tcp6, v6("2001:db8::4", 4))
	connect("mapped", tcp6, v6("::ffff:192.0.2.5", 5))
	connect("mapped loopback", tcp6, v6("::ffff:127.0.0.1", 6))
	connect("loopback six", tcp6, v6("::1", 7))
	connect("unix", local, append([]byte{unix.AF_UNIX, 0}, "/nowhere\x00"...))
	connect("nothing", udp, []byte{unix.AF_UNSPEC, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	connect("short", tcp, v4("192.0.2.99", 8)[:4])
	call("connect nowhere", unix.SYS_CONNECT, tcp, 8, 16)
	call("connect without a socket", unix.SYS_CONNECT, 999, uintptr(unsafe.Pointer(&v4("192.0.2.9", 9)[0])), 16)
	x := []byte("x")
	to := v4("192.0.2.10", 10)
	call("sendto", unix.SYS_SENDTO, udp, uintptr(unsafe.Pointer(&x[0])), 1, 0, uintptr(unsafe.Pointer(&to[0])), 16)
	call("send", unix.SYS_SENDTO, tcp, uintptr(unsafe.Pointer(&x[0])), 1, unix.MSG_NOSIGNAL)
	to11, to12 := v4("192.0.2.11", 11), v4("192.0.2.12", 12)
	message := func(to []byte) unix.Msghdr {
		iov := &unix.Iovec{Base: &x[0]}
		iov.SetLen(1)
		m := unix.Msghdr{Name: &to[0], Namelen: uint32(len(to)), Iov: iov}
		m.SetIovlen(1)
		return m
	}
	one := message(to11)
	call("sendmsg", unix.SYS_SENDMSG, udp, uintptr(unsafe.Pointer(&one)), 0)
	many := [1]struct {
		m unix.Msghdr
		n uint32
	}{{m: message(to12)}}
	call("sendmmsg", unix.SYS_SENDMMSG, udp, uintptr(unsafe.Pointer(&many)), 1, 0)
	bare := unix.Msghdr{}
	call("sendmsg to nobody", unix.SYS_SENDMSG, udp, uintptr(unsafe.Pointer(&bare)), 0)
	call("sendmsg nowhere", unix.SYS_SENDMSG, udp, 8, 0)
	begin := time.Now()
	for range 2000 {
		unix.Syscall(unix.SYS_CONNECT, 999, uintptr(unsafe.Pointer(&to[0])), 16)
	}
	fmt.Fprintf(os.Stderr, "%v a call\n", time.Since(begin)/2000)
}

// start runs a part in a network of its own, which has nothing.
func start(t *testing.T, part string, env []string, more ...*os.File) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("it takes root to have a network of its own")
	}
	var out, story bytes.Buffer
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(env, partVar+"="+part)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = &out, &story, more
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, &out, &story
}

// TestWatch: every address outside is told with the process, and each call is answered as
// if nobody watched.
func TestWatch(t *testing.T) {
	if !Usable() {
		t.Skip("the kernel cannot report calls")
	}
	cmd, listener, out, story := watched(t)
	var seen []string
	w, err := Watch(listener, 1000, 1000, func(pid int, to netip.AddrPort) {
		if s := to.String(); len(seen) == 0 || seen[len(seen)-1] != s {
			seen = append(seen, s)
		}
		if parent(pid) != os.Getpid() && pid != cmd.Process.Pid {
			t.Errorf("process %d, want %d", pid, cmd.Process.Pid)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, story)
	}
	w.Close()
	want := []string{"192.0.2.1:1", "[2001:db8::4]:4", "[::ffff:192.0.2.5]:5", "192.0.2.9:9", "192.0.2.10:10", "192.0.2.11:11", "192.0.2.12:12", "192.0.2.10:10"}
	if !slices.Equal(seen, want) {
		t.Errorf("seen %q, want %q", seen, want)
	}
	t.Logf("watched: %s", story)
	free, plain, fast := start(t, "free", nil)
	if err := free.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, fast)
	}
	t.Logf("not watched: %s", fast)
	if out.String() != plain.String() {
		t.Errorf("watched calls give\n%swant\n%s", out, plain)
	}
}

// watched starts the watched part, and gets the descriptor to answer on.
func watched(t *testing.T, env ...string) (cmd *exec.Cmd, listener int, out, story *bytes.Buffer) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	mouth := os.NewFile(uintptr(fds[1]), "")
	cmd, out, story = start(t, "watched", env, mouth)
	mouth.Close()
	conn, err := net.FileConn(os.NewFile(uintptr(fds[0]), ""))
	if err != nil {
		t.Fatal(err)
	}
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.(*net.UnixConn).ReadMsgUnix(make([]byte, 1), oob)
	if err != nil {
		cmd.Wait()
		t.Fatalf("%v\n%s", err, story)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		t.Fatal(err)
	}
	got, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		t.Fatal(err)
	}
	return cmd, got[0], out, story
}

// TestOwner finds this program by its socket, and nobody by a free port.
func TestOwner(t *testing.T) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	if got := Owner("udp", port, os.Getuid(), os.Getgid()); got != os.Getpid() {
		t.Errorf("process %d, want %d", got, os.Getpid())
	}
	c.Close()
	if got := Owner("udp", port, os.Getuid(), os.Getgid()); got != 0 {
		t.Errorf("process %d has a socket that is closed", got)
	}
	if runtime.GOOS == "linux" && os.Geteuid() != int(os.Getuid()) {
		t.Error("the looking has changed who this program is")
	}
}

// TestAsker follows commands up to the shell.
func TestAsker(t *testing.T) {
	f, err := NewFeed("echo ready\n(sh -c '(sleep 77; :); :'; :)\n")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("bash")
	cmd.Stdin = f.Stdin()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	pid := 0
	for deadline := time.Now().Add(10 * time.Second); pid == 0 && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		pid = childNamed(cmd.Process.Pid, "sleep 77")
	}
	got := Process{Pid: cmd.Process.Pid, Feed: f}.Asker(pid)
	if want := []string{"sh -c (sleep 77; :); :", "sleep 77"}; !slices.Equal(got.Commands, want) || got.Line != 2 {
		t.Errorf("got %+v, want line 2 and %q", got, want)
	}
	if got := (Process{Pid: cmd.Process.Pid, Feed: f}).Asker(0); len(got.Commands) != 0 {
		t.Errorf("nobody is %+v", got)
	}
}

// childNamed looks for a process below pid by its command line.
func childNamed(pid int, name string) int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, word := range strings.Fields(string(b)) {
		var child int
		fmt.Sscan(word, &child)
		if command(child) == name {
			return child
		}
		if found := childNamed(child, name); found != 0 {
			return found
		}
	}
	return 0
}
