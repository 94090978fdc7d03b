package sandbox

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A run is the folder of one container. While its lock is held, nobody else
// touches the folder; a folder whose lock is free was left behind.
type run struct {
	engine *Engine
	id     string
	dir    string
	lock   *os.File
	uses   []*os.File // what it started from, locked against removal
}

// Names in a run's folder.
const (
	lockName   = "lock"
	groupsName = "cgroups"
)

// newRun makes the folder of a new run and locks it.
func (e *Engine) newRun() (*run, error) {
	var random [8]byte
	rand.Read(random[:]) // never fails
	r := &run{engine: e, id: hex.EncodeToString(random[:])}
	r.dir = e.path("runs", r.id)
	all, err := lockFile(e.path(lockName), true)
	if err != nil {
		return nil, fmt.Errorf("making run: %w", err)
	}
	defer all.Close()
	if err := os.Mkdir(r.dir, 0o700); err != nil {
		return nil, fmt.Errorf("making run: %w", err)
	}
	if r.lock, err = lockFile(filepath.Join(r.dir, lockName), false); err != nil {
		return nil, fmt.Errorf("making run: %w", err)
	}
	return r, nil
}

// mkdir makes a folder in the run's own.
func (r *run) mkdir(name string, mode os.FileMode) (string, error) {
	p := filepath.Join(r.dir, name)
	if err := os.Mkdir(p, mode); err != nil {
		return "", fmt.Errorf("making run: %w", err)
	}
	if err := os.Chmod(p, mode); err != nil { // whatever the umask
		return "", fmt.Errorf("making run: %w", err)
	}
	return p, nil
}

// remove deletes the run's folder. The lock goes last.
func (r *run) remove() error {
	err := r.engine.removeTree(filepath.Dir(r.dir), r.id)
	for _, held := range r.uses {
		held.Close()
	}
	return errors.Join(err, r.lock.Close())
}

// sweep removes the runs whose program has gone, with their control groups.
func (e *Engine) sweep() error {
	stale, err := e.staleRuns()
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range stale {
		for _, g := range readGroups(filepath.Join(r.dir, groupsName)) {
			errs = append(errs, g.remove())
		}
		errs = append(errs, r.remove())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing what an interrupted run left: %w", err)
	}
	return nil
}

// staleRuns returns, locked, the runs that nobody holds.
func (e *Engine) staleRuns() ([]*run, error) {
	all, err := lockFile(e.path(lockName), true)
	if err != nil {
		return nil, fmt.Errorf("looking for stale runs: %w", err)
	}
	defer all.Close()
	entries, err := os.ReadDir(e.path("runs"))
	if err != nil {
		return nil, fmt.Errorf("looking for stale runs: %w", err)
	}
	var stale []*run
	for _, d := range entries {
		if !isRunID(d.Name()) || !d.IsDir() {
			continue // not ours
		}
		r := &run{engine: e, id: d.Name(), dir: e.path("runs", d.Name())}
		if r.lock, err = lockFile(filepath.Join(r.dir, lockName), false); err == nil {
			stale = append(stale, r)
		}
	}
	return stale, nil
}

// isRunID tells whether a name is one that newRun gives.
func isRunID(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 8 && hex.EncodeToString(b) == s
}

// lockFile opens the file at path, makes it if need be, and locks it; wait
// says whether to wait for another holder. Closing the file unlocks it.
func lockFile(path string, wait bool) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	for {
		err = unix.Flock(int(f.Fd()), how)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return f, nil
}
