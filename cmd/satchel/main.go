// Command satchel carries a whole deterministic build across an air gap.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/alecthomas/kong"

	"satchel/runner"
	"satchel/runner/guest"
	"satchel/runner/sandbox"
)

// cli is the command line: one field a verb, in the order of use.
type cli struct {
	Lock    lockCmd    `cmd:"" help:"Pin everything that descriptors need, and write the lock."`
	Gather  gatherCmd  `cmd:"" help:"Fetch what a lock pins and pack it into one bundle (online)."`
	Verify  verifyCmd  `cmd:"" help:"Check a bundle: signatures, every blob, the archive's own chain; or the provenance of a result."`
	Inspect inspectCmd `cmd:"" help:"Say what a descriptor, lock, bundle, result or assert holds, and whether it is sound."`
	Why     whyCmd     `cmd:"" help:"Explain why a package is in a lock or a bundle."`
	Sign    signCmd    `cmd:"" help:"Verify a bundle and add a signature."`
	Run     runCmd     `cmd:"" help:"Verify a bundle and build it in a container without network (offline)."`
	Shell   shellCmd   `cmd:"" help:"Open a shell where a bundle's script would run, with all in place (offline)."`
	Attest  attestCmd  `cmd:"" help:"Write the assert of a result into a gitian.sigs tree, and sign it."`
	Compare compareCmd `cmd:"" help:"Say whether results, asserts or a gitian.sigs tree agree, who signed, and why outputs differ."`
	Check   checkCmd   `cmd:"" help:"Say which release a file is of, who vouches for it, and whether that is enough."`
	Doctor  doctorCmd  `cmd:"" help:"Say what this machine can do, and what mends what it cannot."`
	Clean   cleanCmd   `cmd:"" help:"Remove prepared environments and what killed runs left."`

	Cache   string           `help:"Folder that keeps downloads and prepared environments." env:"SATCHEL_CACHE" placeholder:"DIR"`
	Quiet   bool             `short:"q" help:"Tell only what went wrong."`
	Version kong.VersionFlag `help:"Print the version."`
}

func main() { os.Exit(start(os.Args)) }

// start takes the words that satchel says to itself first: as the init of a
// container, or on the way to becoming one, nothing else may run.
func start(args []string) int {
	if len(args) > 1 {
		switch args[1] {
		case "guest":
			return guest.Main(args[2:], os.Stdin, os.Stdout, os.Stderr)
		case sandbox.InitWord:
			return sandbox.Main(args)
		}
	}
	return command(args[1:], newUI(os.Stdout, os.Stderr))
}

// command parses and runs one command line, and returns its exit code.
func command(args []string, ui *ui) int {
	var c cli
	parser, err := kong.New(&c,
		kong.Name("satchel"), kong.Description("Carry a whole deterministic build across an air gap."),
		kong.Vars{"version": version(), "variations": strings.Join(runner.Variations(), ", ")}, kong.UsageOnError(), kong.Writers(ui.out, ui.err),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		return ui.fail(err)
	}
	k, err := parser.Parse(args)
	if err != nil {
		ui.complain(fmt.Errorf("%w (satchel --help lists the commands)", err))
		return exitUsage
	}
	ui.quiet = c.Quiet
	ctx, interrupts, stop := interruptible()
	defer stop()
	k.BindTo(ctx, (*context.Context)(nil))
	k.Bind(ui, &globals{Cache: c.Cache}, interrupts)
	err = k.Run()
	ui.finish()
	if err != nil {
		return ui.fail(err)
	}
	return exitDone
}

// interrupts lets a command take the signals that would end it.
type interrupts struct {
	mu   sync.Mutex
	take func(os.Signal) bool
}

// divert gives take every signal from now on; one for which it answers false
// ends the command after all. nil is nobody.
func (i *interrupts) divert(take func(os.Signal) bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.take = take
}

func (i *interrupts) taken(s os.Signal) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.take != nil && i.take(s)
}

// interruptible returns a context that the first Ctrl-C, TERM or HUP ends that
// nobody has taken. A second one ends the program at once.
func interruptible() (context.Context, *interrupts, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	i := &interrupts{}
	c := make(chan os.Signal, 2)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for s := range c {
			if i.taken(s) {
				continue
			}
			cancel(fmt.Errorf("%w by %s", errInterrupted, s))
			signal.Stop(c)
			return
		}
	}()
	return ctx, i, func() { signal.Stop(c); cancel(nil) }
}
