package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"satchel/runner"
)

// Keep moves the root to the environments. Everything is on disk before it
// has its final name.
func (p *process) Keep(ctx context.Context, env runner.Environment) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
	default:
		return errors.New("keeping environment: the container's init still runs")
	}
	switch {
	case p.closed || p.kept:
		return errors.New("keeping environment: the container's root is gone")
	case !p.empty:
		return errors.New("keeping environment: only a container that began with an empty root can be kept")
	case env.Key.IsZero() || env.Root.IsZero():
		return errors.New("keeping environment: no key or no root named")
	}
	if err := p.keep(ctx, env); err != nil {
		return fmt.Errorf("keeping environment %s: %w", env.Key.Hex(), err)
	}
	return nil
}

func (p *process) keep(ctx context.Context, env runner.Environment) error {
	if _, ok, err := p.engine.Environment(ctx, env.Key); err != nil || ok {
		return err
	}
	dir, err := p.assemble(env)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := syncFS(dir); err != nil {
		return err
	}
	err = unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, p.engine.path("environments", env.Key.Hex()), unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EEXIST) {
		return nil // somebody else was faster
	}
	if err != nil {
		return err
	}
	p.kept = true
	return syncDir(p.engine.path("environments"))
}

// assemble makes the environment's folder within the run's and returns it.
// After a failure it can be called again.
func (p *process) assemble(env runner.Environment) (string, error) {
	dir := filepath.Join(p.run.dir, "environment")
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	if err := writeRecord(dir, env, p.engine.ids.String()); err != nil {
		return "", err
	}
	root, final := filepath.Join(p.run.dir, rootName), filepath.Join(dir, rootName)
	if _, err := os.Lstat(final); err == nil {
		return dir, nil // from an earlier attempt
	}
	if err := unfurnish(root); err != nil {
		return "", err
	}
	return dir, os.Rename(root, final)
}

// unfurnish removes from a root what the engine put there to mount on: the
// hidden folder and the three files of /etc, if they are still the empty ones
// that it made. The folders around them keep their dates.
func unfurnish(root string) error {
	before, err := times(root)
	if err != nil {
		return err
	}
	if err := unix.Rmdir(filepath.Join(root, ".satchel")); err != nil && err != unix.ENOENT {
		return fmt.Errorf("removing .satchel: %w", err)
	}
	if err := restoreTimes(before); err != nil {
		return err
	}
	etc := filepath.Join(root, "etc")
	var st unix.Stat_t
	if err := unix.Lstat(etc, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil // the container has removed it
	}
	before, err = times(etc)
	if err != nil {
		return err
	}
	for name := range etcFiles("") {
		path := filepath.Join(etc, name)
		if err := unix.Lstat(path, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size != 0 {
			continue
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return restoreTimes(before)
}

// syncFS waits until the file system that dir is on holds all that was written.
func syncFS(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = unix.Syncfs(int(d.Fd()))
	return errors.Join(os.NewSyscallError("syncfs", err), d.Close())
}
