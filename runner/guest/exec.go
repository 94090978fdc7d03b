//go:build linux

package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"satchel/runner/guest/watch"
)

// execWord is what follows "guest" on the command line of the small step that
// gives up every privilege and then becomes the command it was given.
const execWord = "exec"

// per_linux32 makes uname -m answer i686, as setarch i386 does (linux/personality.h).
const perLinux32 = 0x0008

// runScript feeds the script to bash -x as the build user and waits for it.
// When bash has ended, whatever it left running is killed. The answer is the
// script's exit status, 128 + signal if a signal ended it.
func runScript(ctx context.Context, b *Build, frames *Frames, asked *asked, v *variation) (int, error) {
	feed, err := watch.NewFeed(b.Script)
	if err != nil {
		return 0, err
	}
	defer feed.Close()
	ears, mouth, err := askedPipe()
	if err != nil {
		return 0, err
	}
	defer ears.Close()
	return runAsUser(ctx, b, userCommand{
		argv:   []string{"/bin/bash", "-x"},
		dir:    b.Home,
		env:    b.Env,
		stdin:  feed.Stdin(),
		out:    frames.Writer(KindBuildLog),
		report: mouth,
		sudo:   b.Sudo,
		vary:   v.now,
		started: func(pid int) (func(), error) {
			return asked.listen(ears, watch.Process{Pid: pid, Feed: feed}, v.listed)
		},
	})
}

// userCommand is one command of the build user.
type userCommand struct {
	argv  []string
	dir   string
	env   []string
	stdin io.Reader
	out   io.Writer // both streams
	// report is where the step before the command sends the descriptor of
	// package watch; nil: the command is not watched. It is closed here.
	report *os.File
	// started is called with the command's process, and what it returns when
	// nothing of it is left; nil: nobody is.
	started func(pid int) (ended func(), err error)
	sudo    bool // it may become root again
	vary    Vary
	root    bool     // it stays root
	extra   *os.File // its descriptor extraFD; nil: none
}

// extraFD is where a command finds userCommand's extra.
const extraFD = reportFD + 1

// Words on the command line of the step before a command.
const (
	wordWatched   = "watched"
	wordSudo      = "sudo"
	wordBackwards = "backwards"
	wordFixed     = "fixed"
	wordOld       = "old"
	wordRoot      = "root"
)

// runAsUser runs a command and hands its output on.
func runAsUser(ctx context.Context, b *Build, u userCommand) (int, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("starting %s: %w", u.argv[0], err)
	}
	defer r.Close()
	defer u.report.Close()
	cmd := u.command(ctx, b)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = u.stdin, w, w
	if err := cmd.Start(); err != nil {
		w.Close()
		return 0, fmt.Errorf("starting %s: %w", u.argv[0], err)
	}
	w.Close()
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(u.out, r)
		copied <- err
	}()
	code, err := u.wait(cmd)
	if cerr := <-copied; cerr != nil {
		return 0, fmt.Errorf("sending the output of %s: %w", u.argv[0], cerr)
	}
	return code, err
}

// command is the step that becomes u's command; it is not started, and its
// streams are not joined to anything.
func (u *userCommand) command(ctx context.Context, b *Build) *exec.Cmd {
	how := "-"
	if u.report != nil {
		how += wordWatched
	}
	if u.sudo {
		how += wordSudo
	}
	if u.root {
		how += wordRoot
	}
	how += u.vary.words()
	args := append([]string{"guest", execWord, b.Personality, strconv.Itoa(b.Umask), strconv.Itoa(b.CPUs), how, "--"}, u.argv...)
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	if u.report != nil || u.extra != nil {
		cmd.ExtraFiles = []*os.File{u.report, u.extra} // reportFD, extraFD
	}
	cmd.Dir, cmd.Env = u.dir, u.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// wait waits for a command that has been started, and kills whatever it left
// running. The answer is its exit status, 128 + signal if a signal ended it.
func (u *userCommand) wait(cmd *exec.Cmd) (int, error) {
	ended, lerr := func() {}, error(nil)
	if u.started != nil {
		u.report.Close() // so that its other end sees the command's do it
		if ended, lerr = u.started(cmd.Process.Pid); lerr != nil {
			cmd.Process.Kill()
		}
	}
	err := cmd.Wait()
	killRest()
	if lerr != nil {
		return 0, lerr
	}
	ended()
	return exitStatus(u.argv[0], err)
}

// exitStatus turns what Wait answered into a shell's exit status.
func exitStatus(name string, err error) (int, error) {
	var ee *exec.ExitError
	if !errors.As(err, &ee) {
		if err != nil {
			return 0, fmt.Errorf("running %s: %w", name, err)
		}
		return 0, nil
	}
	if ws, ok := ee.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return ee.ExitCode(), nil
}

// killRest kills every other process of the container, so that nothing
// changes the results while they are read: kill(-1) reaches all but the caller
// and process 1. It is done only where process 1 is this very program, so only
// in a container; anywhere else it would reach foreign processes.
func killRest() {
	first, err := os.Stat("/proc/1/exe")
	if err != nil {
		return
	}
	self, err := os.Stat("/proc/self/exe")
	if err == nil && os.Getppid() == 1 && os.SameFile(first, self) {
		_ = unix.Kill(-1, unix.SIGKILL) // ESRCH: nothing is left
	}
}

// execMain is the step between the init and the user's command: personality,
// umask, processors, bounding set, ids, no_new_privs, then exec. args are what
// follows execWord.
func execMain(args []string) error {
	if len(args) < 6 || args[4] != "--" {
		return errors.New("starting command: want PERSONALITY UMASK CPUS HOW -- COMMAND")
	}
	runtime.LockOSThread() // privileges are a thread's own until exec
	if args[0] == "i386" {
		if _, _, e := unix.RawSyscall(unix.SYS_PERSONALITY, perLinux32, 0, 0); e != 0 {
			return fmt.Errorf("setting personality %s: %w", args[0], e)
		}
	}
	mask, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("reading umask %q: %w", args[1], err)
	}
	unix.Umask(mask)
	cpus, err := strconv.Atoi(args[2])
	if err != nil {
		return fmt.Errorf("reading number of processors %q: %w", args[2], err)
	}
	if err := narrow(cpus); err != nil {
		return err
	}
	// When memory runs out, the script goes before the init that tells of it.
	// Not worth failing for.
	os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	if !strings.Contains(args[3], wordRoot) {
		if err := dropPrivileges(strings.Contains(args[3], wordSudo)); err != nil {
			return err
		}
	}
	if strings.Contains(args[3], wordWatched) {
		if err := sendReports(strings.Contains(args[3], wordBackwards)); err != nil {
			return err
		}
	}
	if err := layOut(args[3]); err != nil {
		return err
	}
	argv := args[5:]
	return fmt.Errorf("starting %s: %w", argv[0], syscall.Exec(argv[0], argv, os.Environ()))
}

// dropPrivileges makes this thread the build user: no capability, not even in
// the bounding set, no supplementary group, no way to gain anything by exec;
// but with sudo by that.
func dropPrivileges(sudo bool) error {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP && !sudo; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL {
			return fmt.Errorf("dropping capability %d: %w", c, err)
		}
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); e != 0 {
		return fmt.Errorf("dropping groups: %w", e)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, buildGID, buildGID, buildGID); e != 0 {
		return fmt.Errorf("becoming group %d: %w", buildGID, e)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, buildUID, buildUID, buildUID); e != 0 {
		return fmt.Errorf("becoming user %d: %w", buildUID, e)
	}
	if sudo {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up new privileges: %w", err)
	}
	return nil
}
