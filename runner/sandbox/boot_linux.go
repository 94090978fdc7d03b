package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// boot is what the host tells the process that becomes the container. Paths
// are the host's.
type boot struct {
	Init string `json:"init"` // the binary to become
	Root string `json:"root"` // the folder that is the root (empty start), or where the overlay goes
	// Lower, Above, Upper and Work make an overlay; Lower is "" for an empty start, and
	// Above, what a container has left on top of Lower, for one that starts without.
	Lower string `json:"lower,omitempty"`
	Above string `json:"above,omitempty"`
	Upper string `json:"upper,omitempty"`
	Work  string `json:"work,omitempty"`

	Hostname  string `json:"hostname"`
	Processes int64  `json:"processes,omitempty"` // as a resource limit; 0: a control group holds it
	Memory    int64  `json:"memory,omitempty"`    // likewise
	UserNS    bool   `json:"userNS,omitempty"`    // rootless: the namespaces belong to a user namespace
	Sudo      bool   `json:"sudo,omitempty"`      // set-id programs give rights
	Rehearse  bool   `json:"rehearse,omitempty"`  // do everything but start the init
	Uptime    int64  `json:"uptime,omitempty"`    // seconds by which the machine seems older
	Mapped    string `json:"mapped,omitempty"`    // the state folder, which treeFD shows with the ids of the container's users

	overlaid bool                     // the root is an overlay, not a copy
	dates    map[string]unix.Timespec // of the root's folders that the engine writes to
}

// File descriptors that the host hands over, besides the standard three.
const (
	bootFD  = 3 // boot as JSON, ended by the host's closing it
	errorFD = 4 // why there is no container; closed when there is one
	treeFD  = 5 // what is mounted on Mapped; only if that is there
)

// Main becomes a container when args (os.Args) ask for it, and does not
// return then unless that fails. Otherwise it returns -1 at once, and the
// program goes on as usual. With EnterWord it is in a container already, made
// by a daemon; it makes sure that there is no network, evens out what daemons
// do differently, loads the filter and becomes the init.
//
// Call it first in main and TestMain:
//
//	if code := sandbox.Main(os.Args); code >= 0 {
//		os.Exit(code)
//	}
func Main(args []string) int {
	if len(args) < 2 || args[1] != InitWord {
		return -1
	}
	// Namespaces, capabilities and the filter are a thread's own; the thread
	// that has them is the one that executes the init.
	runtime.LockOSThread()
	if len(args) > 2 && args[2] == EnterWord {
		fmt.Fprintf(os.Stderr, "satchel: entering the container: %v\n", enter())
		return 125
	}
	if len(args) > 2 && args[2] == errandWord {
		return runErrand(os.Stdin, os.Stdout)
	}
	report := os.NewFile(errorFD, "report")
	err := become()
	if _, werr := fmt.Fprint(report, err); werr != nil {
		fmt.Fprintf(os.Stderr, "satchel %s is how satchel starts a container; it is not for people (%v)\n", InitWord, err)
	}
	return 125
}

// become reads what to do and does it. It returns only with an error.
func become() error {
	unix.CloseOnExec(bootFD)
	unix.CloseOnExec(errorFD)
	// Ask to be killed with the host's program, then make sure that it lived
	// when we asked: it must still be there to send boot's end.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("asking to be killed with satchel: %w", err)
	}
	b, err := readBoot(os.NewFile(bootFD, "boot"))
	if err != nil {
		return err
	}
	if b.Mapped != "" {
		unix.CloseOnExec(treeFD)
	}
	unix.Umask(0o022)
	if _, err := unix.Setsid(); err != nil && err != unix.EPERM { // EPERM: it leads one
		return fmt.Errorf("starting a session: %w", err)
	}
	unix.KeyctlJoinSessionKeyring("") // away from the host's keys; keyctl is refused later
	if err := b.mountAll(); err != nil {
		return err
	}
	if err := b.settle(); err != nil {
		return err
	}
	if err := b.confine(); err != nil {
		return err
	}
	return b.execute()
}

func readBoot(r io.ReadCloser) (*boot, error) {
	defer r.Close()
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	var b boot
	if err := d.Decode(&b); err != nil {
		return nil, fmt.Errorf("reading what to start: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("reading what to start: more follows its end")
	}
	return &b, nil
}

// execute makes sure that satchel still lives and becomes the init.
func (b *boot) execute() error {
	// Asked for again: giving up capabilities has cleared it.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("asking to be killed with satchel: %w", err)
	}
	if orphaned() {
		return errors.New("satchel has ended")
	}
	if b.Rehearse {
		return b.tell()
	}
	return executeInit()
}

// overlaid is what a rehearsal says of an environment that was not copied.
const overlaid = "overlay"

// tell ends a rehearsal where the init would begin.
func (b *boot) tell() error {
	if err := unix.Access(hidden+"/init", unix.X_OK); err != nil {
		return fmt.Errorf("starting programs from the state folder: %w (its file system is mounted noexec?)", err)
	}
	if b.overlaid {
		fmt.Print(overlaid)
	}
	os.Exit(0)
	return nil
}

// executeInit hands the process to the container's init: three open files, an
// environment of one line, no signal blocked or ignored.
func executeInit() error {
	const path = "/.satchel/init"
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		if err := closeOnExecAll(); err != nil {
			return err
		}
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("entering the root: %w", err)
	}
	resetSignals()
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	return fmt.Errorf("starting %s: %w", path, unix.Exec(path, []string{path, "guest"}, env))
}

// orphaned tells whether the host's program has gone: it alone holds the
// other end of errorFD.
func orphaned() bool {
	fds := []unix.PollFd{{Fd: errorFD, Events: unix.POLLOUT}}
	_, err := unix.Poll(fds, 0)
	return err == nil && fds[0].Revents&unix.POLLERR != 0
}

// closeOnExecAll is close_range for kernels before 5.11.
func closeOnExecAll() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("closing files: %w", err)
	}
	for _, e := range entries {
		var fd int
		if _, err := fmt.Sscan(e.Name(), &fd); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}
