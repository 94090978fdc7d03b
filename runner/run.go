package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"satchel/manifest"
	"satchel/runner/guest"
)

// hostname is what every container is called, so that no result can hold the
// host's own name.
const hostname = "satchel"

// Story takes lines that a person may follow while a run goes on.
type Story interface {
	// Step says what happens now.
	Step(line string)
}

// Run builds what a verified bundle holds. All fields but Only and those for the
// provenance are needed.
type Run struct {
	Engine  Engine
	Source  Source
	Lock    *manifest.Lock
	Only    []string // names of descriptors; none means all
	Options Options
	Result  string // folder to make; it must not be there, or be empty
	Scratch string // folder for what is in the way only for a while
	Cache   string // folder that keeps gitian's build caches between runs
	Story   Story

	// For the provenance.
	Bundle  manifest.Digest  // the bundle's identity
	Satchel string           // satchel's version
	Now     func() time.Time // nil: the provenance tells no times
}

// now is the time for the provenance; zero if it tells none.
func (r *Run) now() time.Time {
	if r.Now == nil {
		return time.Time{}
	}
	return r.Now()
}

// Output is one file of a result.
type Output struct {
	SHA256 manifest.Digest `json:"sha256"`
	Path   string          `json:"path"` // from the out folder
}

// Built is one descriptor's result.
type Built struct {
	Descriptor   string        `json:"descriptor"`
	Dir          string        `json:"dir"` // holds out, NAME-res.yml, logs
	Manifest     Output        `json:"manifest"`
	Provenance   string        `json:"provenance"` // NAME-provenance.json
	Outputs      []Output      `json:"outputs"`
	Environments []Environment `json:"environments"` // one a target
}

// ScriptError says that a build script failed.
type ScriptError struct {
	Descriptor string
	Target     string   // suite-architecture
	Exit       int      // the script's status
	Lookups    []string // host names that it asked for: it wanted the network
	Log        string   // file with all that it printed
	Tail       string   // the last of it

	Exhausted         // what it ran out of
	Limits    Options // what it had
}

// Error names the status, the log and the hosts.
func (e *ScriptError) Error() string {
	s := fmt.Sprintf("the build script for %s ended with status %d; its output is in %s", e.Target, e.Exit, e.Log)
	if len(e.Lookups) > 0 {
		s += fmt.Sprintf("\nit asked for the network, which there never is in a build: %s"+
			"\nput what it wanted into the bundle: name it under files: in the descriptor, and say where it is in satchel.yaml", e.Lookups)
	}
	return s + e.shortage(e.Limits, e.Tail)
}

// Do builds everything that is asked for. Result appears only when all of it
// is there; after a failure what there is (logs above all) is kept beside it,
// in a folder that the error names.
func (r *Run) Do(ctx context.Context) (built []Built, err error) {
	pins, err := r.chosen()
	if err != nil {
		return nil, err
	}
	if err := freeFor(r.Result); err != nil {
		return nil, err
	}
	parent := filepath.Dir(filepath.Clean(r.Result))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("making %s: %w", parent, err)
	}
	stage, err := os.MkdirTemp(parent, ".satchel-result-")
	if err != nil {
		return nil, fmt.Errorf("making the result folder: %w", err)
	}
	if err := os.Chmod(stage, 0o755); err != nil {
		return nil, err
	}
	for _, pin := range pins {
		dir := stage
		if len(pins) > 1 {
			dir = filepath.Join(stage, pin.Name)
		}
		b, err := r.descriptor(ctx, pin, dir)
		if err != nil {
			return nil, r.keepFailed(ctx, stage, err)
		}
		b.Dir = filepath.Join(r.Result, pin.Name)
		if len(pins) == 1 {
			b.Dir = r.Result
		}
		built = append(built, b)
	}
	return built, publish(stage, r.Result)
}

// chosen returns the descriptors to build, in the lock's order.
func (r *Run) chosen() ([]manifest.DescriptorPin, error) {
	var pins []manifest.DescriptorPin
	var names []string
	for _, d := range r.Lock.Descriptors {
		names = append(names, d.Name)
		if len(r.Only) == 0 || slices.Contains(r.Only, d.Name) {
			pins = append(pins, d)
		}
	}
	for _, o := range r.Only {
		if !slices.Contains(names, o) {
			return nil, fmt.Errorf("choosing %q: the bundle holds %v", o, names)
		}
	}
	return pins, nil
}

// descriptor builds all targets of one descriptor into dir.
func (r *Run) descriptor(ctx context.Context, pin manifest.DescriptorPin, dir string) (Built, error) {
	d, err := r.read(pin)
	if err != nil {
		return Built{}, err
	}
	for _, sub := range []string{"out", "logs"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return Built{}, fmt.Errorf("making the result folder: %w", err)
		}
	}
	results, err := newCollector(dir)
	if err != nil {
		return Built{}, err
	}
	defer results.Close()
	built := Built{Descriptor: pin.Name}
	started := r.now()
	var targets []manifest.Target
	for _, t := range r.Lock.Targets {
		if t.Descriptor != pin.Name {
			continue
		}
		env, err := r.target(ctx, pin, d, t, dir, results)
		if err != nil {
			return Built{}, err
		}
		targets = append(targets, t)
		built.Environments = append(built.Environments, env)
	}
	r.Story.Step("Generating report")
	text, err := r.report(&built, pin, d, targets, dir, results)
	if err != nil {
		return built, err
	}
	return built, r.provenance(&built, pin, targets, dir, text, started)
}

// read parses the descriptor that the lock pins.
func (r *Run) read(pin manifest.DescriptorPin) (*manifest.Descriptor, error) {
	f, err := r.Source.Open(pin.Blob)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("reading descriptor %s: %w", pin.File, err)
	}
	return manifest.ParseDescriptor(pin.File, text)
}

// target makes or finds the environment of t and runs the script in it.
func (r *Run) target(ctx context.Context, pin manifest.DescriptorPin, d *manifest.Descriptor, t manifest.Target, dir string, results *collector) (Environment, error) {
	name := t.Suite + "-" + t.Architecture
	r.Story.Step(fmt.Sprintf("--- Building for %s %s ---", t.Suite, t.Architecture))
	env, err := r.environment(ctx, d, t, filepath.Join(dir, "logs", name))
	if err != nil {
		return Environment{}, err
	}
	r.Story.Step("Environment " + env.Root.String())
	plan, err := BuildPlan(pin, d, t, r.Options)
	if err != nil {
		return Environment{}, err
	}
	keep, err := r.openCache(d, t, results)
	if err != nil {
		return Environment{}, err
	}
	defer keep.Close()
	proc, err := r.Engine.Start(ctx, Container{Environment: env.Key, Hostname: hostname, Memory: r.Options.Memory << 20, CPUs: r.Options.Jobs})
	if err != nil {
		return Environment{}, fmt.Errorf("starting the build of %s: %w", name, err)
	}
	defer proc.Close()
	if err := r.script(ctx, proc, plan, keep, name, filepath.Join(dir, "logs", name+"-build.log"), results); err != nil {
		var se *ScriptError
		if errors.As(err, &se) {
			se.Descriptor = pin.Name
		}
		return Environment{}, err
	}
	return env, keep.save()
}

// environment finds or makes the environment of t; logs is the beginning of its log files' names.
func (r *Run) environment(ctx context.Context, d *manifest.Descriptor, t manifest.Target, logs string) (Environment, error) {
	plan, err := PreparePlan(r.Lock, d, t)
	if err != nil {
		return Environment{}, err
	}
	log, err := newLogFile(logs + "-install.log")
	if err != nil {
		return Environment{}, err
	}
	defer log.Close()
	for _, a := range r.Lock.Archives {
		for _, w := range a.Waived {
			fmt.Fprintf(log, "Archive %s: %s.\n", a.ID(), w.Meaning())
		}
	}
	list, err := os.Create(logs + "-environment.txt")
	if err != nil {
		return Environment{}, fmt.Errorf("making the listing: %w", err)
	}
	defer list.Close()
	p := preparation{engine: r.Engine, plan: plan, image: t.Image, source: r.Source, scratch: r.Scratch, log: log, list: list, step: r.Story.Step}
	env, made, err := p.environment(ctx)
	if err != nil {
		return Environment{}, fmt.Errorf("%w%s", err, log.tail.Quote())
	}
	if !made {
		r.Story.Step("Using the prepared environment")
		fmt.Fprintf(log, "The environment %s was prepared by an earlier run.\n", env.Root)
		return env, os.Remove(list.Name())
	}
	return env, nil
}

// script runs the build and unpacks its results.
func (r *Run) script(ctx context.Context, proc Process, plan guest.Build, keep *buildCache, name, logName string, results *collector) error {
	log, err := newLogFile(logName)
	if err != nil {
		return err
	}
	defer log.Close()
	pr, pw := io.Pipe()
	unpacked := make(chan error, 1)
	go func() {
		err := results.take(name, pr)
		pr.CloseWithError(err)
		unpacked <- err
	}()
	out, err := converse(ctx, proc, guest.Plan{Build: &plan}, r.inputs(plan, keep), handlers{log: log, step: r.Story.Step, tar: pw})
	pw.CloseWithError(err)
	uerr := <-unpacked
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	short := proc.Exhausted()
	short.Memory, short.Processes = short.Memory || out.OutOfMemory, short.Processes || out.OutOfProcesses
	switch {
	case err == nil && out.Exit != 0:
		return &ScriptError{Target: name, Exit: out.Exit, Lookups: out.Lookups, Log: logName, Tail: log.tail.String(), Exhausted: short, Limits: r.Options}
	case err != nil && !errors.Is(err, uerr):
		return fmt.Errorf("building %s: %w%s", name, err, short.shortage(r.Options, ""))
	}
	if words := short.shortage(r.Options, ""); words != "" {
		r.Story.Step("The script ended well, but" + strings.ReplaceAll(words, "\n", " "))
	}
	return uerr
}
