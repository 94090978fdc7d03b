package runner

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"satchel/bundle/stage"
	"satchel/manifest"
)

// hostname is what every container is called, so that no result can hold the
// host's own name.
const hostname = "satchel"

// Story takes lines that a person may follow while a run goes on. Several
// goroutines may tell at the same time.
type Story interface {
	// Step says what happens now.
	Step(line string)
}

// Run builds what a verified bundle holds. The fields from Only on may be left empty.
type Run struct {
	Engine  Engine
	Source  Source
	Lock    *manifest.Lock
	Options Options
	Result  string // folder to make; it must not be there, or be empty
	Scratch string // folder for what is in the way only for a while
	Cache   string // folder that keeps gitian's build caches between runs
	Story   Story

	Only       []string // names of descriptors; none means all
	SideBySide int      // builds at a time; 0 is 1
	Resume     bool     // take what an earlier run of the same finished before it failed
	// Output gets every line that a target's packages and script print, without its end. Several
	// goroutines may call it at the same time.
	Output func(target, line string)

	// Kept is told what a script that failed has left in its container; nil: nothing is kept.
	// Several goroutines may call it at the same time. It takes Now.
	Kept func(Left)

	locks locks
	vary  vary // of the second build of Twice

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
	Environments []Environment `json:"environments"`   // one a target
	Sudo         bool          `json:"sudo,omitempty"` // its script could become root inside
}

// Do builds everything that is asked for. Result appears only when all of it
// is there; after a failure what there is (logs, and the targets that are
// finished) is kept beside it, in a folder that the error names.
func (r *Run) Do(ctx context.Context) (built []Built, err error) {
	builds, err := r.plan()
	if err != nil {
		return nil, err
	}
	return r.do(ctx, builds)
}

// do builds what has been planned.
func (r *Run) do(ctx context.Context, builds []*build) (built []Built, err error) {
	if err := freeFor(r.Result); err != nil {
		return nil, err
	}
	parent := filepath.Dir(filepath.Clean(r.Result))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("making %s: %w", parent, err)
	}
	stage, held, err := stage.Folder(parent, ".satchel-result-")
	if err != nil {
		return nil, fmt.Errorf("making the result folder: %w", err)
	}
	defer held.Close()
	if err := os.Chmod(stage, 0o755); err != nil {
		return nil, err
	}
	if built, err = r.into(ctx, stage, builds); err != nil {
		return nil, r.keepFailed(ctx, stage, err)
	}
	return built, publish(stage, r.Result)
}

// plan returns the builds of the descriptors that are chosen, in the lock's order.
func (r *Run) plan() ([]*build, error) {
	pins, err := r.chosen()
	if err != nil {
		return nil, err
	}
	var all []*build
	for _, pin := range pins {
		d, err := r.read(pin)
		if err != nil {
			return nil, err
		}
		folder := "."
		if len(pins) > 1 {
			folder = pin.Name
		}
		for _, t := range r.Lock.Targets {
			if t.Descriptor == pin.Name {
				all = append(all, &build{run: r, pin: pin, descriptor: d, target: t, folder: folder, name: t.Suite + "-" + t.Architecture})
			}
		}
	}
	for _, b := range all {
		if r.SideBySide > 1 && len(all) > 1 {
			b.prefix = b.name + ": "
			if len(pins) > 1 {
				b.prefix = b.pin.Name + " " + b.prefix
			}
		}
	}
	return all, nil
}

// into carries the builds out and puts their results together in stage.
func (r *Run) into(ctx context.Context, stage string, builds []*build) ([]Built, error) {
	if err := r.buildAll(ctx, stage, builds); err != nil {
		return nil, err
	}
	var built []Built
	for rest := builds; len(rest) > 0; {
		n := slices.IndexFunc(rest, func(b *build) bool { return b.pin.Name != rest[0].pin.Name })
		if n < 0 {
			n = len(rest)
		}
		b, err := r.together(stage, rest[:n])
		if err != nil {
			return nil, err
		}
		built, rest = append(built, b), rest[n:]
	}
	return built, os.RemoveAll(filepath.Join(stage, finishedDir))
}

// together makes one result of the builds of a descriptor.
func (r *Run) together(stage string, builds []*build) (Built, error) {
	first := builds[0]
	dir := filepath.Join(stage, first.folder)
	built := Built{Descriptor: first.pin.Name, Dir: filepath.Join(r.Result, first.folder), Sudo: first.sudo()}
	results, err := newCollector(dir)
	if err != nil {
		return built, err
	}
	defer results.Close()
	r.Story.Step("Generating report")
	var targets []manifest.Target
	started := r.now()
	for _, b := range builds {
		if !b.started.IsZero() && b.started.Before(started) {
			started = b.started
		}
		if err := results.merge(b.done, filepath.Join(b.dir(stage), "out")); err != nil {
			return built, err
		}
		targets = append(targets, b.target)
		built.Environments = append(built.Environments, b.done.Environment)
	}
	text, err := r.report(&built, first.pin, first.descriptor, targets, dir, results)
	if err != nil {
		return built, err
	}
	return built, r.provenance(&built, first.pin, targets, dir, text, started)
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
