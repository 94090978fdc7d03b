package runner

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"satchel/manifest"
	"satchel/runner/guest"
)

// ErrChoice says that it is not clear what a shell is to be opened in, ErrNothingLeft that
// no script that failed has left anything there.
var (
	ErrChoice      = errors.New("choosing where to open a shell")
	ErrNothingLeft = errors.New("opening a shell after a failure")
)

// Shell is a shell in the environment of a build, with all in place that a
// run of it would place. What is done in it is thrown away at its end.
type Shell struct {
	// Run is the run that would be made: its Engine, Source, Lock, Options,
	// Scratch, Cache, Story and Only count.
	Run     *Run
	Target  string   // SUITE-ARCHITECTURE; may be "" if there is one alone
	After   bool     // where the last script of it that failed has left all; Target may be "" then
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
	How        string // After: how the script ended
	Made       time.Time
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
	b, left, err := s.choose(ctx)
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
	if s.After && left.Environment != env {
		return Closed{}, fmt.Errorf("%w: %s was left in environment %s, and it has become another", ErrNothingLeft, left.Name, left.Environment.Root)
	}
	plan, err := s.plan(b)
	if err != nil {
		return Closed{}, err
	}
	inputs := func(*tar.Writer) error { return nil } // they are there
	if !s.After {
		keep, err := s.Run.readCache(b.descriptor, b.target)
		if err != nil {
			return Closed{}, err
		}
		inputs = s.Run.inputs(plan.Build, keep)
	}
	c := b.container(env)
	c.Remains = left.Name
	proc, err := s.Run.Engine.Start(ctx, c)
	if err != nil {
		return Closed{}, fmt.Errorf("starting a shell for %s: %w", b.name, err)
	}
	defer proc.Close()
	streams := s.Streams
	streams.Begin = func() error {
		if s.Opened != nil {
			o := Opened{Descriptor: b.pin.Name, Target: b.name, User: plan.Build.User, Home: plan.Build.Home, Script: plan.ScriptPath(), Made: left.Made}
			if n, ok := readNote(left); ok {
				o.How = n.How
			}
			s.Opened(o)
		}
		if s.Begin != nil {
			return s.Begin()
		}
		return nil
	}
	out, err := Attach(ctx, proc, plan, inputs, streams, b.step)
	if err != nil {
		return Closed{}, err
	}
	end := Closed{Exit: out.Exit, Wanted: wantedOf(b.descriptor, plan.Build.Script, out.Wanted), Exhausted: proc.Exhausted()}
	end.Memory, end.Processes = end.Memory || out.OutOfMemory, end.Processes || out.OutOfProcesses
	return end, nil
}

// Find says whether Do would find what it is to open a shell in: an error with
// [ErrChoice] or [ErrNothingLeft] if not.
func (s *Shell) Find(ctx context.Context) error {
	_, _, err := s.choose(ctx)
	return err
}

// choose finds the one build that is meant and, for a shell after a failure, what is left
// of it.
func (s *Shell) choose(ctx context.Context) (*build, Remains, error) {
	all, err := s.Run.plan()
	if err != nil {
		return nil, Remains{}, err
	}
	var names []string
	for _, b := range all {
		names = append(names, fmt.Sprintf("--only %s --target %s", b.pin.Name, b.name))
	}
	fit := slices.DeleteFunc(slices.Clone(all), func(b *build) bool { return s.Target != "" && b.name != s.Target })
	switch {
	case len(fit) == 0:
		return nil, Remains{}, fmt.Errorf("%w: there is no target %q; there are\n%s", ErrChoice, s.Target, strings.Join(names, "\n"))
	case s.After:
		return s.left(ctx, fit)
	case len(fit) == 1:
		return fit[0], Remains{}, nil
	}
	return nil, Remains{}, fmt.Errorf("%w: the bundle builds several things; say one of\n%s", ErrChoice, strings.Join(names, "\n"))
}

// left finds the newest remains of one of the builds.
func (s *Shell) left(ctx context.Context, fit []*build) (*build, Remains, error) {
	list, err := s.Run.Engine.Remains(ctx)
	if err != nil {
		return nil, Remains{}, err
	}
	var others []string
	for _, r := range list {
		n, ok := readNote(r)
		if !ok {
			continue
		}
		for _, b := range fit {
			own, err := b.note()
			if err != nil {
				return nil, Remains{}, err
			}
			if n.same(own) {
				return b, r, nil
			}
		}
		others = append(others, fmt.Sprintf("%s %s of bundle %s, from %s", n.Descriptor, n.Target, n.Bundle, r.Made.UTC().Format(time.DateTime)))
	}
	err = fmt.Errorf("%w: the %s engine keeps nothing that a script of this bundle left%s: run it, and if it fails what it leaves is kept until clean (not with --no-keep, and of %d builds at the most)",
		ErrNothingLeft, s.Run.Engine.Name(), s.wanted(), maxRemains)
	if len(others) > 0 {
		err = fmt.Errorf("%w\nthere is only\n%s", err, strings.Join(others, "\n"))
	}
	return nil, Remains{}, err
}

// wanted are the words for what was chosen of the bundle.
func (s *Shell) wanted() (words string) {
	if len(s.Run.Only) > 0 {
		words = " of " + strings.Join(s.Run.Only, ", ")
	}
	if s.Target != "" {
		words += " for " + s.Target
	}
	return words
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
	prelude, before := settings(d, bits, s.Run.Options)+reference(pin)+"cd build\n", resets(pin)
	if s.After { // nothing is changed, and the script may have removed the folder
		prelude, before = strings.Replace(prelude, "cd build\n", "[ ! -d build ] || cd build\n", 1), ""
	}
	if s.Root {
		prelude += "export HOME=/root USER=root LOGNAME=root\n"
	}
	if s.Terminal != nil && len(s.Command) == 0 {
		prelude += fmt.Sprintf("PS1='%s \\u:\\w\\$ '\n", pin.Name)
	}
	return guest.Shell{Build: plan, Before: before, Placed: s.After, Prelude: prelude, Command: s.Command, Root: s.Root, Terminal: s.Terminal}
}
