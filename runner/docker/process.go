package docker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"satchel/runner"
)

// patience is how long a daemon may take to remove a container.
const patience = 2 * time.Minute

// Start makes a container and starts its init. When ctx ends, the container
// is killed.
func (e *Engine) Start(ctx context.Context, c runner.Container) (runner.Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := e.start(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("starting a docker container: %w", err)
	}
	return p, nil
}

func (e *Engine) start(ctx context.Context, c runner.Container) (*process, error) {
	e.sweepOnce(ctx)
	image, err := e.imageFor(ctx, c)
	if err != nil {
		return nil, err
	}
	return e.startFrom(ctx, image, c)
}

// startFrom starts c from the image of that id.
func (e *Engine) startFrom(ctx context.Context, image string, c runner.Container) (*process, error) {
	f, err := e.initFile()
	if err != nil {
		return nil, err
	}
	d, err := e.knowDaemon(ctx)
	if err != nil {
		return nil, err
	}
	name := e.newName()
	plan, err := newPlan(c, setting{image: image, name: name, filter: d.filter, podman: d.podman(), cpus: d.cpus, sudo: e.options.Sudo, labels: map[string]string{
		e.label(labelRun): name, e.label(labelOwner): owner(), e.label(labelInit): f.sum.Hex(),
	}})
	if err != nil {
		return nil, err
	}
	p := &process{engine: e, stderr: runner.Tail{Max: runner.LastWords}, id: plan.name, empty: c.Environment.IsZero(), from: c, done: make(chan struct{}), copied: make(chan struct{})}
	if err := p.create(ctx, plan); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.stop = context.AfterFunc(ctx, func() {
		cause := context.Cause(ctx)
		p.cause.Store(&cause)
		p.kill()
	})
	return p, nil
}

// imageFor returns the id of the image to start c from.
func (e *Engine) imageFor(ctx context.Context, c runner.Container) (string, error) {
	if c.Environment.IsZero() {
		return e.initImage(ctx)
	}
	if c.Remains != "" {
		return e.remainsImage(ctx, c)
	}
	_, id, err := e.environment(ctx, c.Environment)
	if err != nil {
		return "", fmt.Errorf("environment %s: %w", c.Environment.Hex(), err)
	}
	return id, nil
}

// newName returns a container's name, which no other has.
func (e *Engine) newName() string {
	var random [8]byte
	rand.Read(random[:]) // never fails
	return e.options.Name + "-" + hex.EncodeToString(random[:])
}

// process is a container. Its id is its name until the daemon has told the id.
type process struct {
	engine *Engine
	id     string
	empty  bool // began with an empty root
	from   runner.Container
	conn   types.HijackedResponse
	stdout *io.PipeReader
	stderr runner.Tail
	stop   func() bool // of the context's hook
	unwait func()      // ends the waiting for the container's end

	cause   atomic.Pointer[error] // why the context ended
	started bool
	done    chan struct{} // closed when code and err are known
	copied  chan struct{} // closed when the output has ended
	code    int
	err     error

	mu     sync.Mutex // of what follows
	closed bool
	cerr   error
}

// create makes the container, joins its streams and starts it, in this order,
// so that nothing it says is lost.
func (p *process) create(ctx context.Context, plan plan) error {
	cli := p.engine.client
	// Not cancelled: whether a container was made would not be known.
	made, err := cli.ContainerCreate(context.WithoutCancel(ctx), plan.config, plan.host, plan.network, nil, plan.name)
	if err != nil {
		return err
	}
	p.id = made.ID
	if err := ctx.Err(); err != nil {
		return err
	}
	p.conn, err = cli.ContainerAttach(ctx, p.id, container.AttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		// Podman makes the container ready now; the client's library keeps to
		// itself why that failed, and starting it fails of the same.
		if why := cli.ContainerStart(ctx, p.id, container.StartOptions{}); why != nil {
			err = why
		}
		return err
	}
	if err := cli.ContainerStart(ctx, p.id, container.StartOptions{}); err != nil {
		return err
	}
	p.started = true
	waiting, unwait := context.WithCancel(context.WithoutCancel(ctx))
	p.unwait = unwait
	// Not for the next exit: Podman looks from time to time, and may have missed it.
	ended, failed := cli.ContainerWait(waiting, p.id, container.WaitConditionNotRunning)
	r, w := io.Pipe()
	p.stdout = r
	go func() {
		_, err := stdcopy.StdCopy(w, &p.stderr, p.conn.Reader)
		w.CloseWithError(err) // nil: the end
		// A daemon that nobody reads from waits for a reader before the container's end.
		io.Copy(io.Discard, p.conn.Reader)
		close(p.copied)
	}()
	go p.watch(ended, failed)
	return nil
}

// watch waits for the container's end.
func (p *process) watch(ended <-chan container.WaitResponse, failed <-chan error) {
	defer close(p.done)
	// Nobody takes input any more; a writer would wait for ever.
	defer p.conn.Conn.SetWriteDeadline(time.Unix(1, 0))
	select {
	case end := <-ended:
		p.code = int(end.StatusCode)
		if end.Error != nil && end.Error.Message != "" {
			p.code, p.err = -1, fmt.Errorf("waiting for the container: the daemon says: %s", runner.Printable(end.Error.Message))
			return
		}
	case err := <-failed:
		p.code, p.err = -1, fmt.Errorf("waiting for the container: %w", err)
		return
	}
	if p.code == 0 {
		return
	}
	select { // the last words may be on their way behind unread output
	case <-p.copied:
	case <-time.After(time.Second):
	}
	p.err = fmt.Errorf("the container's init ended with status %d%s", p.code, p.stderr.Quote())
}

// Stdin is the init's standard input.
func (p *process) Stdin() io.WriteCloser { return stdin{p} }

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

// Exhausted asks the daemon, which knows of memory alone.
func (p *process) Exhausted() (e runner.Exhausted) {
	<-p.done
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if i, err := p.engine.client.ContainerInspect(ctx, p.id); err == nil && i.State != nil {
		e.Memory = i.State.OOMKilled
	}
	return e
}

// kill ends every process of the container.
func (p *process) kill() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p.engine.client.ContainerKill(ctx, p.id, "KILL")
}

// Close kills what still runs and removes the container.
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
	if p.stdout != nil { // what still comes is read, and goes nowhere
		p.stdout.CloseWithError(io.ErrClosedPipe)
	}
	p.cerr = p.engine.remove(p.id)
	if p.conn.Conn != nil {
		p.conn.Close()
	}
	if p.started && p.cerr == nil {
		select { // Podman says nothing of a container that was removed
		case <-p.done:
		case <-time.After(time.Second):
		}
	}
	if p.unwait != nil {
		p.unwait()
	}
	if p.started && p.cerr == nil {
		<-p.done
	}
	return p.cerr
}

// remove removes a container by force, and what it wrote. One that is gone is
// removed already.
func (e *Engine) remove(id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := e.client.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
		if err == nil || cerrdefs.IsNotFound(err) {
			return nil
		}
		// A conflict: its removal is under way. Podman's words: so is its end. A busy
		// daemon gives up when no event tells it in time that what it killed has ended.
		if !cerrdefs.IsConflict(err) && !strings.Contains(err.Error(), "container state improper") && !strings.Contains(err.Error(), "did not receive an exit event") {
			return fmt.Errorf("removing container %s: %w", id, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("removing container %s: %w", id, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stdin is the writing half of the attached connection.
type stdin struct{ p *process }

func (s stdin) Write(b []byte) (int, error) {
	n, err := s.p.conn.Conn.Write(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = io.ErrClosedPipe
	}
	return n, err
}

// Close tells the init that its input has ended; its output goes on.
func (s stdin) Close() error { return s.p.conn.CloseWrite() }
