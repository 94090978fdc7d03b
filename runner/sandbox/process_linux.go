package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"satchel/runner"
)

// pipeSize is asked for the pipes between the host and the init.
const pipeSize = 1 << 20

// Start makes a container and starts its init. When ctx ends, the container
// is killed.
func (e *Engine) Start(ctx context.Context, c runner.Container) (runner.Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := e.start(ctx, c, false)
	if err != nil && c.Users > 0 { // with users of the engine's own, then
		c.Users = 0
		p, err = e.start(ctx, c, false)
	}
	if err != nil {
		return nil, fmt.Errorf("starting a sandbox: %w", err)
	}
	return p, nil
}

// start makes a container; to rehearse is to stop short of its init.
func (e *Engine) start(ctx context.Context, c runner.Container, rehearse bool) (_ *process, err error) {
	if err := c.Complete(); err != nil {
		return nil, err
	}
	if err := e.prepare(); err != nil {
		return nil, err
	}
	r, err := e.newRun()
	if err != nil {
		return nil, err
	}
	p := &process{engine: e, stderr: runner.Tail{Max: runner.LastWords}, run: r, empty: c.Environment.IsZero(), from: c, done: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	lay := e.lay
	if rehearse {
		lay = e.layTrial
	}
	b, err := lay(r, c)
	if err != nil {
		return nil, err
	}
	if c.Users > 0 {
		if p.tree, err = e.mapTree(c.Users); err != nil {
			return nil, err
		}
		defer p.tree.Close()
		b.Mapped = e.dir
	}
	if err := p.launch(ctx, b, limits{memory: c.Memory, processes: c.Processes, cpus: int64(c.CPUs)}); err != nil {
		return nil, err
	}
	return p, context.Cause(ctx)
}

// process is a container.
type process struct {
	engine *Engine
	run    *run
	empty  bool // began with an empty root
	from   runner.Container
	cmd    *exec.Cmd
	stdin  *os.File
	stdout *os.File
	stderr runner.Tail
	tree   *os.File // treeFD while it starts; nil: its users are the engine's
	groups []group
	want   limits
	held   limits      // of want, those that groups enforce
	stop   func() bool // of the context's hook

	cause    atomic.Pointer[error] // why the context ended
	done     chan struct{}         // closed when the init has ended and its words are read
	launched bool
	code     int
	err      error
	out      runner.Exhausted

	mu     sync.Mutex // of what follows
	kept   bool       // its root, as an environment or as remains
	closed bool
	cerr   error
}

// launch starts the process that becomes the container and waits until it has.
func (p *process) launch(ctx context.Context, b *boot, want limits) error {
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
	if p.engine.ids != nil {
		p.cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		p.cmd.SysProcAttr.AmbientCaps = ambient()
	}
	if p.tree != nil {
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, p.tree)
		mapUsers(p.cmd.SysProcAttr, p.from.Users)
	}
	if err := p.spawn(pipes); err != nil {
		pipes.closeHost()
		return err
	}
	p.stop = context.AfterFunc(ctx, func() {
		cause := context.Cause(ctx)
		p.cause.Store(&cause)
		p.kill()
	})
	pipes.closeChild()
	if err := p.hand(b, want, pipes.boot[1]); err != nil {
		pipes.report[0].Close()
		return err
	}
	defer pipes.report[0].Close()
	words, err := io.ReadAll(io.LimitReader(pipes.report[0], runner.LastWords))
	if err == nil && len(words) > 0 {
		err = errors.New(string(words))
		if p.engine.ids != nil {
			err = explainWords(err)
		}
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
	if p.engine.ids != nil {
		if err := p.engine.ids.give(p.cmd.Process.Pid); err != nil {
			return err
		}
	}
	var held limits
	p.groups, held = newGroups(findHierarchies(), p.run, want)
	for _, g := range p.groups {
		if g.add(p.cmd.Process.Pid) != nil {
			held = limits{} // it holds nobody
		}
	}
	p.want, p.held = want, held
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
	p.out = exhausted(p.groups)
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
		p.err = fmt.Errorf("the container's init %s%s", how, p.stderr.Quote())
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

// Exhausted is what the kernel counted in the container's control groups.
func (p *process) Exhausted() runner.Exhausted {
	<-p.done
	return p.out
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
