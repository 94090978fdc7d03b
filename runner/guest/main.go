//go:build linux

package guest

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// maxPlan bounds the plan; a plan of a thousand packages takes 300 kB.
const maxPlan = 64 << 20

// Main is the init of a container. It reads a plan and its inputs from stdin,
// does it, and answers in frames on stdout; stderr gets only what could not be
// said there. The value is the exit status: 0 when the outcome was written and
// has no Error.
//
// As process 1 it starts itself once more to do the work and only reaps: every
// orphan of a build becomes a child of process 1, and none must be taken from
// under the worker's own waiting. When the worker ends, so does process 1, and
// the kernel kills whatever the build has left behind. args are the program's
// arguments after the verb: none, or execWord's step into a command.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == execWord {
		fmt.Fprintf(stderr, "satchel guest: %v\n", execMain(args[1:])) // returns only when it fails
		return 127
	}
	if len(args) > 0 {
		fmt.Fprintf(stderr, "satchel guest: unexpected argument %q\n", args[0])
		return 2
	}
	if os.Getpid() == 1 {
		return reap(stderr)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return work(ctx, stdin, stdout, stderr)
}

// work carries out the one plan of stdin.
func work(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) int {
	syscall.Umask(0o022)
	frames := NewFrames(stdout)
	ctx, gone := context.WithCancelCause(ctx)
	defer gone(nil)
	from := untilGone(stdin, gone)
	in := tar.NewReader(from)
	out := Outcome{Exit: 1}
	plan, err := readPlan(in)
	switch {
	case err != nil:
		out.Error = err.Error()
	case plan.Prepare != nil:
		out = runPrepare(ctx, plan.Prepare, in, frames)
	case plan.Build != nil:
		out = runBuild(ctx, plan.Build, in, frames)
	case plan.Tree:
		if err := sendTree(ctx, "", frames.Writer(KindTar)); err != nil {
			out.Error = err.Error()
		}
	default:
		out = runShell(ctx, plan.Shell, in, from, frames)
	}
	if out.Error != "" && ctx.Err() != nil {
		out.Error = fmt.Sprintf("%v (%s)", context.Cause(ctx), out.Error)
	}
	if err := frames.Done(out); err != nil {
		fmt.Fprintf(stderr, "satchel guest: %v (outcome: %s)\n", err, out.Error)
		return 1
	}
	stayUntilHeard(ctx, from)
	if out.Error != "" {
		return 1
	}
	return 0
}

// readPlan reads the first entry of the stream.
func readPlan(in *tar.Reader) (Plan, error) {
	var p Plan
	h, err := in.Next()
	if err != nil {
		return p, fmt.Errorf("reading plan: %w", err)
	}
	if h.Name != PlanName || h.Size > maxPlan {
		return p, fmt.Errorf("reading plan: the stream begins with %q of %d bytes", clip(h.Name, 80), h.Size)
	}
	d := json.NewDecoder(in)
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fmt.Errorf("reading plan: %w", err)
	}
	n := 0
	for _, there := range []bool{p.Prepare != nil, p.Build != nil, p.Shell != nil, p.Tree} {
		if there {
			n++
		}
	}
	if n != 1 {
		return p, errors.New("reading plan: want exactly one of prepare, build, shell and tree")
	}
	return p, nil
}

// reap runs this program again as a child, hands it the signals that ask for
// an end, and waits for every process that ends here until it is that child.
func reap(stderr io.Writer) int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	child, err := os.StartProcess("/proc/self/exe", os.Args, &os.ProcAttr{
		Env:   os.Environ(),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	if err != nil {
		fmt.Fprintf(stderr, "satchel guest: starting the worker: %v\n", err)
		return 1
	}
	pid := child.Pid
	go func() {
		for s := range signals {
			syscall.Kill(pid, s.(syscall.Signal))
		}
	}()
	for {
		var ws syscall.WaitStatus
		switch got, err := syscall.Wait4(-1, &ws, 0, nil); {
		case err == syscall.EINTR:
		case err != nil:
			fmt.Fprintf(stderr, "satchel guest: waiting for the worker: %v\n", err)
			return 1
		case got == pid && ws.Signaled():
			fmt.Fprintf(stderr, "satchel guest: the worker was killed: %v\n", ws.Signal())
			return 128 + int(ws.Signal())
		case got == pid && ws.Exited():
			return ws.ExitStatus()
		}
	}
}
