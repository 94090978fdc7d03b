package runner

import (
	"context"
	"io"

	"satchel/manifest"
)

// An Engine starts containers whose init is satchel itself (package guest).
// There is no way to ask one for a network: every container has a loopback
// interface and nothing else. What goes in goes through the init's standard
// input and what comes out through its standard output; no directory of the
// host is ever visible inside.
//
// Package enginetest holds the tests that every engine must pass.
type Engine interface {
	// Name is "sandbox" or "docker".
	Name() string
	// Check says why this engine cannot work here, and what would mend it; nil if it can.
	Check(ctx context.Context) error
	// Environment looks a kept root up by its key; ok tells whether it is there.
	Environment(ctx context.Context, key manifest.Digest) (env Environment, ok bool, err error)
	// Remains lists what has been left and can be started from here, the newest first. What
	// is half there, or another satchel's, is not listed.
	Remains(ctx context.Context) ([]Remains, error)
	// Forget removes remains; what is gone already is no error. [ErrInUse] says that a
	// container needs them.
	Forget(ctx context.Context, name string) error
	// Start creates a container and starts its init. The caller must Close the
	// Process, whatever happens.
	Start(ctx context.Context, c Container) (Process, error)
}

// Environment is a prepared root file system that an engine keeps.
type Environment struct {
	Key  manifest.Digest `json:"key"`  // of what it was made from: the guest's plan
	Root manifest.Digest `json:"root"` // of what came out: the guest's listing of the normalised tree
}

// Container says what to start.
type Container struct {
	// Environment is the key of the kept root to start from. The zero Digest
	// means an empty root, which is how an environment begins.
	Environment manifest.Digest
	// Remains is the name of what a container of that environment left, to start from in its
	// place; "" is none. They stay as they are, whatever this container does.
	Remains   string
	Hostname  string
	Memory    int64 // bytes; 0: no limit of its own
	Processes int64 // at the most; 0: the engine's default
	CPUs      int   // as much time as so many give; 0: no limit
	// Uptime is by how many seconds the machine seems to have run longer than it has.
	// An engine that cannot do that does not: nothing may depend on it.
	Uptime int64
	// Users says who the container's users are on the host, but for its root: user 1 is this
	// one, and so on, and the files of the environment are still theirs. 0: whoever the engine
	// has. An engine that cannot do that does not: nothing may depend on it.
	Users int64
}

// Exhausted says which limits a container has run into, as far as the kernel
// tells: without control groups it does not.
type Exhausted struct {
	Memory    bool // something was killed for want of it
	Processes bool // a new one was refused
}

// Process is a container with its init running.
type Process interface {
	// Stdin is the init's standard input; closing it is seen as its end.
	Stdin() io.WriteCloser
	// Stdout is the init's standard output; it ends when the init does.
	Stdout() io.Reader
	// Wait waits until the init has ended. code is its exit status; an init
	// killed by a signal gives 128 + signal. err is the engine's own trouble,
	// with the last words the init left on standard error.
	Wait() (code int, err error)
	// Exhausted is known from the end of Wait to Close.
	Exhausted() Exhausted
	// Keep makes the root of a container whose init has ended the environment
	// env.Key: whole, or not at all. An environment that is there already stays.
	Keep(ctx context.Context, env Environment) error
	// Leave keeps the root of a container whose init has ended as it is now: whole, or not
	// at all. The container must have been started from r.Environment, and not from remains.
	// Nothing but Close may follow.
	Leave(ctx context.Context, r Remains) error
	// Close kills what still runs and removes the container and all it wrote.
	// It may be called twice.
	Close() error
}
