package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"satchel/manifest"
	"satchel/runner"
)

// Items lists all that is in the state folder, whichever program made it;
// sorted by kind and name. What has another name than the engine gives is
// not listed. It takes no room on the disk, and no engine that works: what is
// there can be listed and discarded when the disk is full.
func (e *Engine) Items(ctx context.Context) ([]Item, error) {
	var items []Item
	for kind, dir := range map[string]string{"run": "runs", "environment": "environments", "failed": failedName, "init": "init"} {
		entries, err := os.ReadDir(e.path(dir))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("listing the sandbox's %s: %w", dir, err)
		}
		for _, d := range entries {
			if !isName(kind, d.Name()) {
				continue
			}
			if err := e.knowIDs(); err != nil { // whose files they are
				return nil, err
			}
			item, err := e.item(ctx, kind, e.path(dir, d.Name()))
			if errors.Is(err, os.ErrNotExist) {
				continue // gone in the meantime
			}
			if err != nil {
				return nil, fmt.Errorf("listing the sandbox's %s: %w", dir, err)
			}
			items = append(items, item)
		}
	}
	slices.SortFunc(items, func(a, b Item) int { return strings.Compare(a.Kind+"\x00"+a.Name, b.Kind+"\x00"+b.Name) })
	return items, nil
}

// isName tells whether a name is one that the engine gives to things of a kind.
func isName(kind, name string) bool {
	switch kind {
	case "run":
		return isRunID(name)
	case "failed":
		return runner.IsRemainsName(name)
	}
	d, err := manifest.ParseDigest(name)
	return err == nil && d.Hex() == name
}

func (e *Engine) item(ctx context.Context, kind, path string) (Item, error) {
	st, err := os.Lstat(path)
	if err != nil {
		return Item{}, err
	}
	i := Item{Kind: kind, Name: filepath.Base(path), Made: st.ModTime()}
	lock := path
	if kind == "run" {
		lock = filepath.Join(path, lockName)
	}
	if f, err := lockThere(lock, unix.LOCK_EX|unix.LOCK_NB); err == nil {
		f.Close()
	} else {
		i.Live = errors.Is(err, unix.EWOULDBLOCK)
	}
	i.Size, err = e.diskSize(ctx, path)
	return i, err
}

// diskSize sums what path and all below it take. What vanishes in the
// meantime takes nothing.
func diskSize(ctx context.Context, path string) (size int64, err error) {
	err = filepath.WalkDir(path, func(name string, _ fs.DirEntry, err error) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		var st unix.Stat_t
		if err == nil {
			err = unix.Lstat(name, &st)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		size += st.Blocks * 512
		return nil
	})
	return size, err
}

// Discard removes an item that Items has listed. One that is in use is an
// error; one that is gone is discarded already.
func (e *Engine) Discard(ctx context.Context, item Item) error {
	if !isName(item.Kind, item.Name) {
		return fmt.Errorf("discarding %s %.80q: not an item of this engine", item.Kind, item.Name)
	}
	var err error
	switch item.Kind {
	case "run":
		err = e.discardRun(item.Name)
	case "environment":
		err = e.takeAway("environments", item.Name)
	case "failed":
		err = e.Forget(ctx, item.Name)
	case "init":
		err = os.Remove(e.path("init", item.Name))
	default:
		err = errors.New("there is no such kind")
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("discarding %s %s: %w", item.Kind, item.Name, err)
	}
	return nil
}

func (e *Engine) discardRun(id string) error {
	stale, err := e.staleRuns()
	if err != nil {
		return err
	}
	err = errors.New("it is in use")
	for _, r := range stale {
		if r.id == id {
			for _, g := range readGroups(filepath.Join(r.dir, groupsName)) {
				g.remove()
			}
			err = r.remove()
		} else {
			r.lock.Close()
		}
	}
	if _, gone := os.Lstat(e.path("runs", id)); gone != nil {
		return nil
	}
	return err
}

// takeAway removes an environment or remains. The name goes first, so that neither is ever
// half there.
func (e *Engine) takeAway(dir, name string) error {
	f, err := lockThere(e.path(dir, name), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return runner.ErrInUse
	}
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := e.newRun()
	if err != nil {
		return err
	}
	err = os.Rename(e.path(dir, name), filepath.Join(r.dir, "gone"))
	return errors.Join(err, r.remove())
}

// hold finds an environment and keeps it from being discarded until the file
// that it returns is closed.
func (e *Engine) hold(key manifest.Digest) (*os.File, error) {
	f, err := lockThere(e.path("environments", key.Hex()), unix.LOCK_SH)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no environment %s", key.Hex())
	}
	if err != nil {
		return nil, err
	}
	// Only now is it certain that the folder has not just been taken away.
	_, ok, err := e.Environment(context.Background(), key)
	if err == nil && !ok {
		err = fmt.Errorf("there is no environment %s", key.Hex())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// lockThere opens what is there and locks it, as flock(2) says how.
func lockThere(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), how); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return f, nil
}
