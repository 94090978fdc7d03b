//go:build linux

package guest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"satchel/runner/guest/watch"
)

// Bounds of what is remembered of a script that asks without end: things, and
// commands of one.
const (
	maxAsked    = 256
	maxCommands = 4
)

// asked collects what a script asks for from outside: each thing once, the first time.
type asked struct {
	mu     sync.Mutex
	seen   map[string]bool
	list   []Wanted
	script *watch.Process // nil while none runs
}

// List returns what was asked for, in the order of asking.
func (a *asked) List() []Wanted {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.list
}

// name notes a host name that the resolver was asked for from an address.
func (a *asked) name(name string, from net.Addr) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "" {
		return
	}
	a.note(name, Wanted{Name: name}, func() int {
		at, err := netip.ParseAddrPort(from.String())
		if err != nil {
			return 0
		}
		return watch.Owner(from.Network(), at.Port(), buildUID, buildGID)
	})
}

// address notes an address that a process tries to reach.
func (a *asked) address(pid int, to netip.AddrPort) {
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	a.note(to.String(), Wanted{Address: to.String()}, func() int { return pid })
}

func (a *asked) note(key string, w Wanted, pid func() int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen[key] || len(a.list) >= maxAsked {
		return
	}
	if a.seen == nil {
		a.seen = map[string]bool{}
	}
	a.seen[key] = true
	if a.script != nil {
		who := a.script.Asker(pid())
		w.Line, w.Commands = who.Line, who.Commands
		if n := len(w.Commands); n > maxCommands { // the first, and the nearest
			w.Commands = append(w.Commands[:1:1], w.Commands[n-maxCommands+1:]...)
		}
	}
	a.list = append(a.list, w)
}

// askedPipe is what the step before a command sends its descriptor of package
// watch through: the end to listen at, and the end for the command.
func askedPipe() (ears, mouth *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("watching for the network: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "ears"), os.NewFile(uintptr(fds[1]), "mouth"), nil
}

// listen takes the descriptor that the script's process sends before it becomes
// bash, and answers on it. A kernel that cannot report gives none; then names are noted, and
// addresses are not.
// listed is told at the end how often folders were listed backwards, and as ever.
func (a *asked) listen(ears *os.File, script watch.Process, listed func(backwards, ever int)) (ended func(), err error) {
	a.mu.Lock()
	a.script = &script
	a.mu.Unlock()
	forget := func() {
		a.mu.Lock()
		a.script = nil
		a.mu.Unlock()
	}
	fd, err := receiveFD(ears)
	if err != nil || fd < 0 {
		return forget, err
	}
	w, err := watch.Watch(fd, buildUID, buildGID, a.address)
	if err != nil {
		unix.Close(fd)
		return forget, err
	}
	return func() {
		w.Close()
		forget()
		listed(w.Listed())
	}, nil
}

// receiveFD waits for the one message of sendReports; -1 means that it holds none.
func receiveFD(ears *os.File) (int, error) {
	conn, err := net.FileConn(ears)
	if err != nil {
		return -1, fmt.Errorf("watching for the network: %w", err)
	}
	defer conn.Close()
	var b [1]byte
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.(*net.UnixConn).ReadMsgUnix(b[:], oob)
	if errors.Is(err, io.EOF) || err == nil && n == 0 {
		return -1, nil
	}
	if err != nil {
		return -1, fmt.Errorf("watching for the network: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return -1, fmt.Errorf("watching for the network: %d messages, %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, fmt.Errorf("watching for the network: %d descriptors, %w", len(fds), err)
	}
	unix.CloseOnExec(fds[0])
	return fds[0], nil
}

// reportFD is the mouth of askedPipe in the step before the command.
const reportFD = 3

// sendReports makes this thread, which is to become the script, report the
// addresses that it names, and sends the descriptor for that. It is sent by another
// thread, for to send is such a call. backwards has it report when folders are
// listed, too.
func sendReports(backwards bool) error {
	unix.CloseOnExec(reportFD)
	var rights []byte
	if watch.Usable() {
		if fd, err := watch.Filter(backwards); err == nil { // else a kernel without, or another watcher's
			rights = unix.UnixRights(fd)
		}
	}
	sent := make(chan error)
	go func() {
		runtime.LockOSThread()
		sent <- unix.Sendmsg(reportFD, []byte{0}, rights, nil, 0)
	}()
	if err := <-sent; err != nil {
		return fmt.Errorf("watching for the network: %w", err)
	}
	return nil
}
