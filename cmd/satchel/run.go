package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"satchel/manifest"
	"satchel/runner"
)

type runCmd struct {
	Bundle string   `arg:"" type:"existingfile" help:"The bundle."`
	Only   []string `help:"Build only these descriptors." placeholder:"NAME"`
	Engine string   `help:"What runs the containers: ${enum}." enum:"auto,sandbox,docker" default:"auto"`
	Output string   `short:"o" default:"result" help:"Folder to make." placeholder:"DIR"`
	Jobs   int      `short:"j" default:"2" help:"Processes for make, and processors." placeholder:"N"`
	Memory int64    `short:"m" default:"2000" help:"Memory for the script, in MiB." placeholder:"MiB"`
	Expect []string `help:"What must come out: an assert, a result or a list of sums. Exit 4 if an output differs, with the reason." type:"existingfile" placeholder:"FILE" sep:"none"`
	JSON   bool     `name:"json" help:"Print the results as JSON."`
	Needs  string   `help:"File to write what is missing to: blobs of the bundle, hosts that a script asked for." placeholder:"FILE"`

	Parallel  int    `default:"1" help:"Build so many targets side by side, as far as memory allows." placeholder:"N"`
	Resume    bool   `help:"Take the targets that an earlier run of the same command finished before it failed."`
	Keep      bool   `help:"Keep the container of a script that fails, for shell --after-failure, until clean." default:"true" negatable:""`
	AllowSudo bool   `help:"Let scripts become root in their container, if their descriptor has sudo: true."`
	LogLevel  string `help:"What is told of the builds: ${enum}." enum:"steps,output" default:"steps"`
	Times     bool   `help:"Begin each line that is told with the time of day (UTC); log files have none."`
	twiceFlags
	trustFlags
}

// Run verifies and builds.
func (c *runCmd) Run(ctx context.Context, g *globals, ui *ui) error {
	if c.Jobs < 1 || c.Memory < 1 || c.Parallel < 1 {
		return fmt.Errorf("%w: -j, -m and --parallel want a positive number", errUsage)
	}
	if err := c.twiceFlags.check(c.Resume); err != nil {
		return err
	}
	ui.times = c.Times
	v, _, err := open(ctx, ui, c.Bundle, c.trustFlags)
	if err != nil {
		return writeNeeds(ui, c.Needs, nil, err)
	}
	defer v.Close()
	expected, err := readExpectations(c.Expect, c.names(v.Lock()))
	if err != nil {
		return err
	}
	own, err := ownExpectations(v, c.names(v.Lock()))
	if err != nil {
		return err
	}
	expected = append(expected, own...)
	cache, err := g.cacheDir()
	if err != nil {
		return err
	}
	engine, err := chooseEngine(ctx, c.Engine, cache, c.AllowSudo)
	if err != nil {
		return err
	}
	tellWaived(ui, v.Lock())
	tellVouched(ui, v.Lock())
	ui.Stepf("Bundle %s, engine %s", v.Identity(), engine.Name())
	run := runner.Run{
		Engine: engine, Source: v, Lock: v.Lock(), Only: c.Only, Options: runner.Options{Jobs: c.Jobs, Memory: c.Memory, AllowSudo: c.AllowSudo},
		Result: c.Output, Scratch: cache, Cache: filepath.Join(cache, "build"), Story: ui,
		Bundle: v.Identity(), Satchel: version(), Now: time.Now,
		SideBySide: sideBySide(ui, c.Parallel, c.Memory), Resume: c.Resume,
	}
	left := leftovers{flags: c.trustFlags, bundle: c.Bundle, engine: c.Engine, cache: g.Cache, sudo: c.AllowSudo, jobs: c.Jobs, memory: c.Memory}
	if c.Keep {
		run.Kept = left.add
	}
	if c.LogLevel == "output" {
		run.Output = func(_, line string) { ui.Step(line) }
	}
	if c.Twice {
		return left.tell(c.twice(ctx, ui, &run, expected))
	}
	built, err := run.Do(ctx)
	if err != nil {
		showTail(ui, err)
		return left.tell(writeNeeds(ui, c.Needs, nil, err))
	}
	if err := c.print(ui, built); err != nil {
		return err
	}
	ui.Step("Done.")
	return meet(ui, expected, built)
}

// names are the descriptors that will be built.
func (c *runCmd) names(lock *manifest.Lock) []string {
	var all []string
	for _, d := range lock.Descriptors {
		if len(c.Only) == 0 || slices.Contains(c.Only, d.Name) {
			all = append(all, d.Name)
		}
	}
	return all
}

// print gives hash and name of each output, then of the manifest, as gbuild does.
func (c *runCmd) print(ui *ui, built []runner.Built) error {
	if c.JSON {
		return ui.json(built)
	}
	for _, b := range built {
		for _, o := range append(b.Outputs, b.Manifest) {
			if err := ui.answer("%s  %s\n", o.SHA256.Hex(), o.Path); err != nil {
				return err
			}
		}
	}
	return nil
}

// showTail prints the end of a failed script's output.
func showTail(ui *ui, err error) {
	var se *runner.ScriptError
	if errors.As(err, &se) {
		ui.Step(se.Tail)
	}
}
