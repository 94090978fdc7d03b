package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"satchel/runner"
)

// DefaultProcesses is how many processes and threads a container may have when
// its Container does not say.
const DefaultProcesses = 16384

// pipeSize is asked for the pipes between the host and the init.
const pipeSize = 1 << 20

// Start makes a container and starts its init. When ctx ends, the container
// is killed.
func (e *Engine) Start(ctx context.Context, c runner.Container) (runner.Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := e.start(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("starting a sandbox: %w", err)
	}
	return p, nil
}

func (e *Engine) start(ctx context.Context, c runner.Container) (_ *process, err error) {
	if err := checkContainer(&c); err != nil {
		return nil, err
	}
	if err := e.prepare(); err != nil {
		return nil, err
	}
	r, err := e.newRun()
	if err != nil {
		return nil, err
	}
	p := &process{engine: e, run: r, empty: c.Environment.IsZero(), done: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	b, err := e.lay(r, c)
	if err != nil {
		return nil, err
	}
	if err := p.launch(b, limits{memory: c.Memory, processes: c.Processes}); err != nil {
		return nil, err
	}
	p.stop = context.AfterFunc(ctx, func() {
		cause := context.Cause(ctx)
		p.cause.Store(&cause)
		p.kill()
	})
	return p, nil
}

// checkContainer refuses what cannot be, and fills defaults in.
func checkContainer(c *runner.Container) error {
	if c.Hostname == "" {
		c.Hostname = "satchel"
	}
	bad := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.')
	}
	if len(c.Hostname) > 64 || strings.ContainsFunc(c.Hostname, bad) {
		return fmt.Errorf("host name %.80q: want at most 64 letters, digits, hyphens and dots", c.Hostname)
	}
	if c.Memory < 0 || c.Processes < 0 {
		return errors.New("a negative limit of memory or processes")
	}
	if c.Processes == 0 {
		c.Processes = DefaultProcesses
	}
	return nil
}

// lay makes the folders that the container's root consists of.
func (e *Engine) lay(r *run, c runner.Container) (*boot, error) {
	b := &boot{Init: e.copied, Hostname: c.Hostname, Sudo: e.sudo}
	if c.Environment.IsZero() {
		var err error
		b.Root, err = r.mkdir(rootName, 0o755)
		return b, err
	}
	var err error
	if r.uses, err = e.hold(c.Environment); err != nil {
		return nil, err
	}
	b.Lower = e.path("environments", c.Environment.Hex(), rootName)
	if b.Root, err = r.mkdir("merged", 0o755); err != nil {
		return nil, err
	}
	if b.Upper, err = r.mkdir("upper", 0o755); err != nil {
		return nil, err
	}
	b.Work, err = r.mkdir("work", 0o700)
	return b, err
}

// process is a container.
type process struct {
	engine *Engine
	run    *run
	empty  bool // began with an empty root
	cmd    *exec.Cmd
	stdin  *os.File
	stdout *os.File
	stderr tail
	groups []group
	stop   func() bool // of the context's hook

	cause    atomic.Pointer[error] // why the context ended
	done     chan struct{}         // closed when the init has ended and its words are read
	launched bool
	code     int
	err      error

	mu     sync.Mutex // of what follows
	kept   bool
	closed bool
	cerr   error
}

// launch starts the process that becomes the container and waits until it has.
func (p *process) launch(b *boot, want limits) error {
	pipes, err := newPipes()
	if err != nil {
		return err
	}
	defer pipes.closeChild()
	p.stdin, p.stdout = pipes.stdin[1], pipes.stdout[0]
	p.cmd = &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{"satchel", InitWord}, Env: []string{}, Dir: "/",
		Stdin: pipes.stdin[0], Stdout: pipes.stdout[1], Stderr: pipes.stderr[1],
		ExtraFiles: []*os.File{pipes.boot[0], pipes.report[1]}, // bootFD, errorFD
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNET,
			Pdeathsig:  syscall.SIGKILL,
		},
	}
	if err := p.spawn(pipes); err != nil {
		pipes.closeHost()
		return err
	}
	pipes.closeChild()
	if err := p.hand(b, want, pipes.boot[1]); err != nil {
		pipes.report[0].Close()
		return err
	}
	defer pipes.report[0].Close()
	words, err := io.ReadAll(io.LimitReader(pipes.report[0], maxWords))
	if err == nil && len(words) > 0 {
		err = errors.New(string(words))
	}
	return err
}

// spawn starts the process and a goroutine that waits for it. That goroutine
// keeps its thread, because the death of the thread that started a process is
// what the kernel takes for the death of its parent.
func (p *process) spawn(pipes *pipes) error {
	started := make(chan error)
	words := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		err = p.cmd.Wait()
		<-words
		p.finish(err)
		close(p.done)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("starting the container's first process: %w", explain(err))
	}
	p.launched = true
	go func() {
		io.Copy(&p.stderr, pipes.stderr[0])
		pipes.stderr[0].Close()
		close(words)
	}()
	return nil
}

// hand puts the process into its control groups and tells it what to become.
func (p *process) hand(b *boot, want limits, to *os.File) error {
	defer to.Close()
	var held limits
	p.groups, held = newGroups(findHierarchies(), p.run, want)
	for _, g := range p.groups {
		if g.add(p.cmd.Process.Pid) != nil {
			held = limits{} // it holds nobody
		}
	}
	if held.processes != want.processes {
		b.Processes = want.processes
	}
	if held.memory != want.memory {
		b.Memory = want.memory
	}
	text, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("saying what to start: %w", err)
	}
	if _, err := to.Write(text); err != nil {
		return fmt.Errorf("saying what to start: %w", err)
	}
	return nil
}

// finish notes how the init ended.
func (p *process) finish(err error) {
	state := p.cmd.ProcessState
	if state == nil {
		p.code, p.err = -1, fmt.Errorf("waiting for the container: %w", err)
		return
	}
	status := state.Sys().(syscall.WaitStatus)
	p.code = status.ExitStatus()
	how := fmt.Sprintf("ended with status %d", p.code)
	if status.Signaled() {
		p.code = 128 + int(status.Signal())
		how = fmt.Sprintf("was killed by signal %d (%v)", int(status.Signal()), status.Signal())
	}
	if p.code != 0 {
		p.err = fmt.Errorf("the container's init %s%s", how, p.stderr.quote())
	}
}

// Stdin is the init's standard input.
func (p *process) Stdin() io.WriteCloser { return p.stdin }

// Stdout is the init's standard output.
func (p *process) Stdout() io.Reader { return p.stdout }

// Wait waits until the init has ended. err is nil if and only if code is 0.
func (p *process) Wait() (int, error) {
	<-p.done
	if cause := p.cause.Load(); p.err != nil && cause != nil {
		return p.code, fmt.Errorf("%w: %w", *cause, p.err)
	}
	return p.code, p.err
}

// kill ends every process of the container.
func (p *process) kill() {
	if p.launched {
		p.cmd.Process.Kill()
	}
}

// Close kills what still runs and removes what the container wrote.
func (p *process) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return p.cerr
	}
	p.closed = true
	if p.stop != nil {
		p.stop()
	}
	p.kill()
	for _, f := range []*os.File{p.stdin, p.stdout} {
		if f != nil {
			f.Close()
		}
	}
	if p.launched {
		<-p.done
	}
	var errs []error
	for _, g := range p.groups {
		errs = append(errs, g.remove())
	}
	errs = append(errs, p.run.remove())
	if err := errors.Join(errs...); err != nil {
		p.cerr = fmt.Errorf("removing a sandbox: %w", err)
	}
	return p.cerr
}

// Keep moves the root to the environments. Everything is on disk before it
// has its final name.
func (p *process) Keep(ctx context.Context, env runner.Environment) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
	default:
		return errors.New("keeping environment: the container's init still runs")
	}
	switch {
	case p.closed || p.kept:
		return errors.New("keeping environment: the container's root is gone")
	case !p.empty:
		return errors.New("keeping environment: only a container that began with an empty root can be kept")
	case env.Key.IsZero() || env.Root.IsZero():
		return errors.New("keeping environment: no key or no root named")
	}
	if err := p.keep(ctx, env); err != nil {
		return fmt.Errorf("keeping environment %s: %w", env.Key.Hex(), err)
	}
	return nil
}

func (p *process) keep(ctx context.Context, env runner.Environment) error {
	if _, ok, err := p.engine.Environment(ctx, env.Key); err != nil || ok {
		return err
	}
	dir, err := p.assemble(env)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := syncFS(dir); err != nil {
		return err
	}
	err = unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, p.engine.path("environments", env.Key.Hex()), unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EEXIST) {
		return nil // somebody else was faster
	}
	if err != nil {
		return err
	}
	p.kept = true
	return syncDir(p.engine.path("environments"))
}

// assemble makes the environment's folder within the run's and returns it.
// After a failure it can be called again.
func (p *process) assemble(env runner.Environment) (string, error) {
	dir := filepath.Join(p.run.dir, "environment")
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	if err := writeRecord(dir, env); err != nil {
		return "", err
	}
	root, final := filepath.Join(p.run.dir, rootName), filepath.Join(dir, rootName)
	if _, err := os.Lstat(final); err == nil {
		return dir, nil // from an earlier attempt
	}
	if err := unfurnish(root); err != nil {
		return "", err
	}
	return dir, os.Rename(root, final)
}
