package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"satchel/manifest"
	"satchel/runner/guest"
)

// build is one build of a run: a descriptor for one target.
type build struct {
	run        *Run
	pin        manifest.DescriptorPin
	descriptor *manifest.Descriptor
	target     manifest.Target
	name       string // SUITE-ARCHITECTURE
	folder     string // of the descriptor's result, from the whole result's
	prefix     string // of what it tells, where several tell at a time

	started time.Time // by the run's clock; zero if it has none, or an earlier run did it
	done    *finished // nil until it is
	told    bool      // done may be looked at by others

	placed   bool              // the script has begun, with all its inputs
	ran      time.Time         // when its container was started; zero before
	seen     guest.Seen        // by the script
	unvaried map[string]string // what was not varied, and why
}

// step tells what happens now.
func (b *build) step(line string) { b.run.Story.Step(b.prefix + line) }

// sudo tells whether the script may become root inside: the descriptor wants it, and whoever
// runs it lets it.
func (b *build) sudo() bool { return b.descriptor.Sudo && b.run.Options.AllowSudo }

// dir is where a finished build is kept until all are.
func (b *build) dir(stage string) string {
	return filepath.Join(stage, finishedDir, b.pin.Name, b.name)
}

// logs is the beginning of the names of the build's log files.
func (b *build) logs(stage string) string { return filepath.Join(stage, b.folder, "logs", b.name) }

// carryOut makes or finds the environment, runs the script in it, and keeps what comes
// out in stage.
func (b *build) carryOut(ctx context.Context, stage string) error {
	b.started = b.run.now()
	b.step(fmt.Sprintf("--- Building for %s %s ---", b.target.Suite, b.target.Architecture))
	b.step("Making a new image copy")
	env, err := b.environment(ctx, b.logs(stage))
	if err != nil {
		return err
	}
	b.step("Environment " + env.Root.String())
	plan, err := BuildPlan(b.pin, b.descriptor, b.target, b.run.Options)
	if err != nil {
		return err
	}
	b.run.vary.plan(&plan)
	results, err := newCollector(b.dir(stage))
	if err != nil {
		return err
	}
	defer results.Close()
	unlock := b.run.locks.cache(b)
	defer unlock()
	keep, err := b.run.openCache(b.descriptor, b.target, results)
	if err != nil {
		return err
	}
	defer keep.Close()
	b.step("Starting target")
	b.ran = b.run.now()
	proc, err := b.run.Engine.Start(ctx, b.container(env))
	if err != nil {
		return fmt.Errorf("starting the build of %s: %w", b.name, err)
	}
	defer proc.Close()
	if err := b.script(ctx, proc, plan, keep, b.logs(stage), results); err != nil {
		b.leave(ctx, proc, env, err)
		return err
	}
	if err := keep.save(); err != nil {
		return err
	}
	b.step("Cleaning up target")
	b.done, err = b.finish(stage, env, results)
	return err
}

// container is what the script runs in.
func (b *build) container(env Environment) Container {
	c := Container{Environment: env.Key, Hostname: hostname, Memory: b.run.Options.Memory << 20, CPUs: b.run.Options.Jobs}
	b.run.vary.container(&c)
	return c
}

// live returns a writer to log that tells the run's Output, too. flush tells
// what is left of a line.
func (b *build) live(log io.Writer) (w io.Writer, flush func()) {
	if b.run.Output == nil {
		return log, func() {}
	}
	l := &lines{say: func(line string) { b.run.Output(b.name, b.prefix+line) }}
	return io.MultiWriter(log, l), l.flush
}

// environment finds or makes the environment; logs is the beginning of its log files' names.
func (b *build) environment(ctx context.Context, logs string) (Environment, error) {
	log, err := newLogFile(logs + "-install.log")
	if err != nil {
		return Environment{}, err
	}
	defer log.Close()
	for _, a := range b.run.Lock.Archives {
		for _, w := range a.Waived {
			fmt.Fprintf(log, "Archive %s: %s.\n", a.ID(), w.Meaning())
		}
	}
	for _, a := range b.run.Lock.AssertsOf(b.descriptor.Name) {
		fmt.Fprintf(log, "The packages are those of %s; %d of them are in no index.\n", a.Label(), b.run.Lock.Vouched(a.Descriptor))
		break
	}
	list, err := os.Create(logs + "-environment.txt")
	if err != nil {
		return Environment{}, fmt.Errorf("making the listing: %w", err)
	}
	defer list.Close()
	live, flush := b.live(log)
	defer flush()
	env, made, err := b.prepared(ctx, live, filepath.Join("logs", b.name+"-install.log"), list)
	if err != nil {
		return Environment{}, fmt.Errorf("%w%s", err, log.tail.Quote())
	}
	if !made {
		b.step("Using the prepared environment")
		fmt.Fprintf(log, "The environment %s was prepared by an earlier run.\n", env.Root)
		return env, os.Remove(list.Name())
	}
	return env, nil
}

// prepared finds the environment or makes it; made tells which. log, list and
// logName, for people, are preparation's.
func (b *build) prepared(ctx context.Context, log io.Writer, logName string, list io.Writer) (env Environment, made bool, err error) {
	r := b.run
	plan, err := PreparePlan(r.Lock, b.descriptor, b.target)
	if err != nil {
		return Environment{}, false, err
	}
	r.locks.preparing.Lock() // it takes all processors, and two may want the same one
	defer r.locks.preparing.Unlock()
	p := preparation{engine: r.Engine, plan: plan, image: b.target.Image, source: r.Source, scratch: r.Scratch, log: log, logName: logName, list: list, step: b.step}
	return p.environment(ctx)
}

// script runs the build and unpacks its results.
func (b *build) script(ctx context.Context, proc Process, plan guest.Build, keep *buildCache, logs string, results *collector) error {
	log, err := newLogFile(logs + "-build.log")
	if err != nil {
		return err
	}
	defer log.Close()
	live, flush := b.live(begun{log, &b.placed})
	defer flush()
	pr, pw := io.Pipe()
	unpacked := make(chan error, 1)
	go func() {
		err := results.take(b.name, pr)
		pr.CloseWithError(err)
		unpacked <- err
	}()
	out, err := converse(ctx, proc, guest.Plan{Build: &plan}, b.run.inputs(plan, keep), handlers{log: live, step: b.step, tar: pw})
	pw.CloseWithError(err)
	uerr := <-unpacked
	b.seen, b.unvaried = out.Seen, out.Unvaried
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	short, limits := proc.Exhausted(), b.run.Options
	short.Memory, short.Processes = short.Memory || out.OutOfMemory, short.Processes || out.OutOfProcesses
	switch {
	case err == nil && out.Exit != 0:
		return &ScriptError{Descriptor: b.pin.Name, Target: b.name, Exit: out.Exit, Wanted: wantedOf(b.descriptor, plan.Script, out.Wanted),
			Log: log.f.Name(), Tail: log.tail.String(), Exhausted: short, Limits: limits}
	case err != nil && !errors.Is(err, uerr):
		return fmt.Errorf("building %s: %w%s", b.name, err, short.shortage(limits, ""))
	}
	if words := short.shortage(limits, ""); words != "" {
		b.step("The script ended well, but" + strings.ReplaceAll(words, "\n", " "))
	}
	return uerr
}

// begun is the build log, and notes that the script says something: bash -x does at once.
type begun struct {
	io.Writer
	is *bool
}

func (b begun) Write(text []byte) (int, error) {
	*b.is = true
	return b.Writer.Write(text)
}
