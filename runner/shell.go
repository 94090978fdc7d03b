package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"satchel/manifest"
	"satchel/runner/guest"
)

// ErrChoice says that it is not clear what a shell is to be opened in.
var ErrChoice = errors.New("choosing where to open a shell")

// Shell is a shell in the environment of a build, with all in place that a
// run of it would place. What is done in it is thrown away at its end.
type Shell struct {
	// Run is the run that would be made: its Engine, Source, Lock, Options,
	// Scratch, Cache, Story and Only count.
	Run     *Run
	Target  string   // SUITE-ARCHITECTURE; may be "" if there is one alone
	Command []string // what it does; none: what it reads
	Root    bool     // root, with the rights of a preparation, in place of the build user
	// Terminal is what it is joined to; nil: three streams.
	Terminal *guest.Terminal
	Streams
	// Opened is called before Begin.
	Opened func(Opened)
}

// Opened tells of a shell that begins.
type Opened struct {
	Descriptor string
	Target     string
	User       string
	Home       string
	Script     string // path of the file with the script, inside
}

// Closed tells of a shell that has ended.
type Closed struct {
	Exit      int      // its status, 128 + signal if one ended it
	Wanted    []Wanted // what was asked for from outside
	Exhausted          // what ran out
}

// Do opens the shell and waits for its end. A shell that ends with another
// status than 0 is no error.
func (s *Shell) Do(ctx context.Context) (Closed, error) {
	b, err := s.choose()
	if err != nil {
		return Closed{}, err
	}
	tail := &Tail{Max: tailSize}
	log, flush := b.live(tail)
	defer flush()
	env, made, err := b.prepared(ctx, log, "", io.Discard)
	if err != nil {
		return Closed{}, fmt.Errorf("%w%s", err, tail.Quote())
	}
	if !made {
		b.step("Using the prepared environment")
	}
	b.step("Environment " + env.Root.String())
	plan, err := s.plan(b)
	if err != nil {
		return Closed{}, err
	}
	keep, err := s.Run.readCache(b.descriptor, b.target)
	if err != nil {
		return Closed{}, err
	}
	proc, err := s.Run.Engine.Start(ctx, b.container(env))
	if err != nil {
		return Closed{}, fmt.Errorf("starting a shell for %s: %w", b.name, err)
	}
	defer proc.Close()
	streams := s.Streams
	streams.Begin = func() error {
		if s.Opened != nil {
			s.Opened(Opened{Descriptor: b.pin.Name, Target: b.name, User: plan.Build.User, Home: plan.Build.Home, Script: plan.Build.Home + "/" + guest.ScriptFile})
		}
		if s.Begin != nil {
			return s.Begin()
		}
		return nil
	}
	out, err := Attach(ctx, proc, plan, s.Run.inputs(plan.Build, keep), streams, b.step)
	if err != nil {
		return Closed{}, err
	}
	end := Closed{Exit: out.Exit, Wanted: wantedOf(b.descriptor, plan.Build.Script, out.Wanted), Exhausted: proc.Exhausted()}
	end.Memory, end.Processes = end.Memory || out.OutOfMemory, end.Processes || out.OutOfProcesses
	return end, nil
}

// choose finds the one build that is meant.
func (s *Shell) choose() (*build, error) {
	all, err := s.Run.plan()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, b := range all {
		names = append(names, fmt.Sprintf("--only %s --target %s", b.pin.Name, b.name))
	}
	fit := slices.DeleteFunc(slices.Clone(all), func(b *build) bool { return s.Target != "" && b.name != s.Target })
	switch len(fit) {
	case 1:
		return fit[0], nil
	case 0:
		return nil, fmt.Errorf("%w: there is no target %q; there are\n%s", ErrChoice, s.Target, strings.Join(names, "\n"))
	}
	return nil, fmt.Errorf("%w: the bundle builds several things; say one of\n%s", ErrChoice, strings.Join(names, "\n"))
}

// plan is what the guest is told.
func (s *Shell) plan(b *build) (guest.Shell, error) {
	plan, err := BuildPlan(b.pin, b.descriptor, b.target, s.Run.Options)
	if err != nil {
		return guest.Shell{}, err
	}
	arch, err := architectureOf(b.target.Architecture)
	if err != nil {
		return guest.Shell{}, err
	}
	return shellPlan(plan, b.pin, b.descriptor, arch.bits, s), nil
}

// shellPlan makes a shell of a build: bash gets the prelude's variables, as
// the script does, but not its set -e, with which a person's first mistake
// would be the last.
func shellPlan(plan guest.Build, pin manifest.DescriptorPin, d *manifest.Descriptor, bits int, s *Shell) guest.Shell {
	prelude := settings(d, bits, s.Run.Options) + reference(pin) + "cd build\n"
	if s.Root {
		prelude += "export HOME=/root USER=root LOGNAME=root\n"
	}
	if s.Terminal != nil && len(s.Command) == 0 {
		prelude += fmt.Sprintf("PS1='%s \\u:\\w\\$ '\n", pin.Name)
	}
	return guest.Shell{Build: plan, Before: resets(pin), Prelude: prelude, Command: s.Command, Root: s.Root, Terminal: s.Terminal}
}
