package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"satchel/manifest"
	"satchel/runner"
	"satchel/runner/probe"
)

// Engine starts containers made of namespaces. It is safe for use by several
// goroutines, and several engines (in several programs too) may share a Dir.
type Engine struct {
	dir  string
	init string
	sudo bool

	asked  sync.Once // for the ids
	ids    *ids      // nil: root's, which are the host's own
	idsErr error

	once   sync.Once // copies the init
	copied string    // path of the copy
	err    error

	rehearsed sync.Once
	refusal   error
	trial     trial
}

var _ runner.Engine = (*Engine)(nil)

// New returns an engine that keeps its state below o.Dir. It changes nothing
// on disk: the first Start does.
func New(o Options) (*Engine, error) {
	if !filepath.IsAbs(o.Dir) {
		return nil, fmt.Errorf("opening sandbox: state folder %q is not an absolute path", o.Dir)
	}
	if o.Init == "" {
		return nil, errors.New("opening sandbox: no binary named for the container's init")
	}
	return &Engine{dir: filepath.Clean(o.Dir), init: o.Init, sudo: o.Sudo}, nil
}

// Name is "sandbox".
func (e *Engine) Name() string { return "sandbox" }

// Check reports what is missing on this machine; nil if nothing is.
func (e *Engine) Check(ctx context.Context) error { return probe.First(ctx, e.Probes()) }

// rehearse makes a container that starts nothing, once. There is too much that
// may be forbidden to ask for it piece by piece.
func (e *Engine) rehearse(ctx context.Context) error {
	e.rehearsed.Do(func() {
		p, err := e.start(ctx, runner.Container{Memory: trialMemory, CPUs: 1}, true)
		if err != nil {
			e.refusal = fmt.Errorf("trying a sandbox: %w", err)
			return
		}
		said, rerr := io.ReadAll(io.LimitReader(p.Stdout(), 64))
		_, err = p.Wait()
		e.trial = trial{overlay: string(said) == overlaid, held: p.held, unheld: p.held != p.want}
		e.refusal = errors.Join(rerr, err, p.Close())
	})
	return e.refusal
}

// trialMemory is what gitian gives a script, in bytes.
const trialMemory = 2000 << 20

// A trial is what a rehearsal has shown besides that there are containers.
type trial struct {
	overlay bool   // environments need not be copied
	held    limits // by control groups
	unheld  bool   // some are not
}

// prepare makes the folders, copies the init and sweeps what killed programs left.
func (e *Engine) prepare() error {
	if err := e.folders(); err != nil {
		return err
	}
	if err := e.knowIDs(); err != nil {
		return err
	}
	return e.sweep()
}

// folders makes the folders and copies the init.
func (e *Engine) folders() error {
	for _, d := range []string{e.dir, e.path("init"), e.path("environments"), e.path(failedName), e.path("runs")} {
		if err := privateDir(d); err != nil {
			return err
		}
	}
	e.once.Do(func() { e.copied, e.err = copyInit(e.init, e.path("init")) })
	return e.err
}

// knowIDs finds out once who the container's users are on this machine.
func (e *Engine) knowIDs() error {
	e.asked.Do(func() {
		if privileged() {
			e.idsErr = enoughIDs()
			return
		}
		if e.ids, e.idsErr = findIDs(); e.idsErr != nil {
			e.idsErr = fmt.Errorf("making a sandbox without root: %w", e.idsErr)
		}
	})
	return e.idsErr
}

// path joins names to the state folder.
func (e *Engine) path(names ...string) string {
	return filepath.Join(append([]string{e.dir}, names...)...)
}

// privateDir makes sure that d is a folder of this user that nobody else may enter.
func privateDir(d string) error {
	if err := os.MkdirAll(d, 0o700); err != nil {
		return fmt.Errorf("making sandbox folder: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(d, &st); err != nil {
		return fmt.Errorf("making sandbox folder %s: %w", d, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fmt.Errorf("making sandbox folder %s: it is there and is not a folder", d)
	}
	if int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("making sandbox folder %s: it belongs to user %d, not to you (%d); name another with --cache", d, st.Uid, os.Geteuid())
	}
	if st.Mode&0o077 != 0 {
		if err := os.Chmod(d, 0o700); err != nil {
			return fmt.Errorf("closing sandbox folder to others: %w", err)
		}
	}
	return nil
}

// Environment looks a kept root up. A folder that is there but is not what
// Keep writes is an error, not an absence.
func (e *Engine) Environment(_ context.Context, key manifest.Digest) (runner.Environment, bool, error) {
	if key.IsZero() {
		return runner.Environment{}, false, errors.New("looking environment up: no key")
	}
	if err := e.knowIDs(); err != nil {
		return runner.Environment{}, false, err
	}
	env, owners, err := readRecord(e.path("environments", key.Hex()))
	if errors.Is(err, os.ErrNotExist) {
		return runner.Environment{}, false, nil
	}
	if err != nil {
		return runner.Environment{}, false, err
	}
	if now := e.ids.String(); owners != now {
		return runner.Environment{}, false, fmt.Errorf("looking environment %s up: its files belong to the ids %q, and today's are %q "+
			"(/etc/subuid has changed): as root, remove %s", key.Hex(), owners, now, e.path("environments", key.Hex()))
	}
	if env.Key != key {
		return runner.Environment{}, false, fmt.Errorf("looking environment %s up: its record names %s; remove %s",
			key.Hex(), env.Key.Hex(), e.path("environments", key.Hex()))
	}
	return env, true, nil
}
