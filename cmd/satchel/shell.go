package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"

	"satchel/runner"
	"satchel/runner/guest"
)

type shellCmd struct {
	Bundle  string   `arg:"" type:"existingfile" help:"The bundle."`
	Command []string `arg:"" optional:"" help:"After --: what to do in place of reading commands; its exit status is satchel's."`
	Only    string   `help:"The descriptor, if there are several." placeholder:"NAME"`
	Target  string   `help:"The target, if there are several." placeholder:"SUITE-ARCH"`
	Engine  string   `help:"What runs the container: ${enum}." enum:"auto,sandbox,docker" default:"auto"`
	Jobs    int      `short:"j" default:"2" help:"Processes for make, and processors." placeholder:"N"`
	Memory  int64    `short:"m" default:"2000" help:"Memory, in MiB." placeholder:"MiB"`
	Root    bool     `help:"Be root inside, with what preparing the environment has."`

	AfterFailure bool `help:"Open it where the last script of this bundle that failed has left everything."`

	AllowSudo bool `help:"Let the user become root by sudo, if the descriptor has sudo: true."`
	trustFlags
}

// Run verifies as run does, and opens the shell.
func (c *shellCmd) Run(ctx context.Context, g *globals, ui *ui, signals *interrupts) error {
	if c.Jobs < 1 || c.Memory < 1 {
		return fmt.Errorf("%w: -j and -m want a positive number", errUsage)
	}
	v, _, err := open(ctx, ui, c.Bundle, c.trustFlags)
	if err != nil {
		return err
	}
	defer v.Close()
	cache, err := g.cacheDir()
	if err != nil {
		return err
	}
	run := &runner.Run{
		Source: v, Lock: v.Lock(), Options: runner.Options{Jobs: c.Jobs, Memory: c.Memory, AllowSudo: c.AllowSudo},
		Scratch: cache, Cache: filepath.Join(cache, "build"), Story: ui, Bundle: v.Identity(),
	}
	if c.Only != "" {
		run.Only = []string{c.Only}
	}
	shell := runner.Shell{Run: run, Target: c.Target, After: c.AfterFailure, Command: c.Command, Root: c.Root, Opened: func(o runner.Opened) { c.welcome(ui, o) }}
	if err := c.choose(ctx, cache, &shell); err != nil {
		return err
	}
	tellWaived(ui, v.Lock())
	ui.Stepf("Bundle %s, engine %s", v.Identity(), run.Engine.Name())
	return c.attach(ctx, ui, signals, shell)
}

// choose takes the engine that is wanted; after a failure, of all that would do the first
// one that keeps something of it.
func (c *shellCmd) choose(ctx context.Context, cache string, shell *runner.Shell) (err error) {
	if !c.AfterFailure || c.Engine != "auto" {
		if shell.Run.Engine, err = chooseEngine(ctx, c.Engine, cache, c.AllowSudo); err != nil {
			return err
		}
		return shell.Find(ctx)
	}
	var reasons []error
	for _, name := range []string{"sandbox", "docker"} {
		if shell.Run.Engine, err = chooseEngine(ctx, name, cache, c.AllowSudo); err == nil {
			err = shell.Find(ctx)
		}
		if err == nil || errors.Is(err, runner.ErrChoice) {
			return err
		}
		reasons = append(reasons, err)
	}
	return errors.Join(reasons...)
}

// welcome says what this is.
func (c *shellCmd) welcome(ui *ui, o runner.Opened) {
	who := o.User
	if c.Root {
		who = "root"
	}
	if c.AfterFailure {
		ui.Stepf("Here the script of %s for %s failed at %s: %s. Everything is as it left it; you are %s, and there is no network.",
			o.Descriptor, o.Target, o.Made.UTC().Format(time.DateTime), o.How, who)
		ui.Stepf("The script is %s. Whatever is changed is gone when the shell ends; what the script left stays until satchel clean.", o.Script)
		return
	}
	ui.Stepf("Here %s would be built for %s; you are %s. Sources and files are in %s/build; there is no network.", o.Descriptor, o.Target, who, o.Home)
	ui.Stepf("The script is %s: (cd %s && bash -x < %[1]s) runs it as run does. Whatever is changed is gone when the shell ends.", o.Script, o.Home)
}

// attach joins the shell to this program's own terminal, or to its three streams.
func (c *shellCmd) attach(ctx context.Context, ui *ui, signals *interrupts, shell runner.Shell) error {
	shell.Input, shell.Output, shell.Errors = os.Stdin, os.Stdout, os.Stderr
	if c.onTerminal() {
		t, err := openTerminal(ctx, int(os.Stdin.Fd()))
		if err != nil {
			return err
		}
		defer t.Close()
		shell.Terminal = &guest.Terminal{Type: os.Getenv("TERM"), Size: t.size()}
		shell.Sizes, shell.Begin = t.sizes, t.raw
		closed, err := shell.Do(ctx)
		t.Close() // before anything is told
		return c.end(ctx, ui, closed, err)
	}
	forward := make(chan syscall.Signal, 4)
	shell.Signals = forward
	shell.Begin = func() error { signals.divert(once(forward)); return nil }
	closed, err := shell.Do(ctx)
	signals.divert(nil)
	return c.end(ctx, ui, closed, err)
}

// onTerminal tells whether the shell gets a terminal: as bash would take one
// for itself, and a command where it would see one.
func (c *shellCmd) onTerminal() bool {
	return term.IsTerminal(int(os.Stdin.Fd())) && (len(c.Command) == 0 || term.IsTerminal(int(os.Stdout.Fd())))
}

// once hands the first of each signal on, but for the one that says that the
// terminal is gone; the next one ends satchel.
func once(to chan<- syscall.Signal) func(os.Signal) bool {
	seen := map[os.Signal]bool{}
	return func(s os.Signal) bool {
		n, ok := s.(syscall.Signal)
		if !ok || n == syscall.SIGHUP || seen[s] {
			return false
		}
		seen[s] = true
		select {
		case to <- n:
			return true
		default:
			return false
		}
	}
}

// end says what is to be said of a shell that has ended, and passes its status on.
func (c *shellCmd) end(ctx context.Context, ui *ui, closed runner.Closed, err error) error {
	if ctx.Err() != nil {
		ui.complain(errors.New("interrupted; the shell has ended"))
		return statusError(exitInterrupted)
	}
	if err != nil {
		return err
	}
	if len(closed.Wanted) > 0 {
		ui.Step("The network was asked for, which there never is in a build:")
		for _, w := range closed.Wanted {
			ui.Step("  " + w.String())
		}
	}
	if closed.Memory {
		ui.Stepf("Memory ran out: the limit is %d MiB, give more with -m.", c.Memory)
	}
	if closed.Processes {
		ui.Step("A new process was refused: there were too many.")
	}
	if closed.Exit != 0 {
		return statusError(closed.Exit)
	}
	return nil
}
