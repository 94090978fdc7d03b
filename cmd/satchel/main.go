// Command satchel carries a whole deterministic build across an air gap.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
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
	Verify  verifyCmd  `cmd:"" help:"Check a bundle: signatures, every blob, the archive's own chain."`
	Inspect inspectCmd `cmd:"" help:"Say what a descriptor, lock, bundle, result or assert holds, and whether it is sound."`
	Why     whyCmd     `cmd:"" help:"Explain why a package is in a lock or a bundle."`
	Sign    signCmd    `cmd:"" help:"Verify a bundle and add a signature."`
	Run     runCmd     `cmd:"" help:"Verify a bundle and build it in a container without network (offline)."`
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
	ctx, stop := interruptible()
	defer stop()
	k.BindTo(ctx, (*context.Context)(nil))
	k.Bind(ui, &globals{Cache: c.Cache})
	err = k.Run()
	ui.finish()
	if err != nil {
		return ui.fail(err)
	}
	return exitDone
}

// interruptible returns a context that the first Ctrl-C, TERM or HUP ends. A
// second one ends the program at once.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	c := make(chan os.Signal, 2)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		if s, ok := <-c; ok {
			cancel(fmt.Errorf("%w by %s", errInterrupted, s))
			signal.Stop(c)
		}
	}()
	return ctx, func() { signal.Stop(c); cancel(nil) }
}
