package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"satchel/runner"
)

// Names of folders and files of remains: in the state folder, in a run's, and in their own.
const (
	failedName        = "failed"
	remainsName       = "remains"
	mergedName        = "merged"
	upperName         = "upper"
	remainsRecordName = "remains.json"
	maxRemainsRecord  = 32 << 10 // bytes; a note may take six times its size
)

// remainsRecord is remains.json.
type remainsRecord struct {
	Version     int                `json:"version"` // 1
	Name        string             `json:"name"`    // of the folder
	Environment runner.Environment `json:"environment"`
	Made        time.Time          `json:"made"`
	Note        string             `json:"note,omitempty"`
	Whole       bool               `json:"whole,omitempty"` // a copied root, not a layer above the environment's
	IDs         string             `json:"ids,omitempty"`   // whose the files are; "" for root's
}

// Leave moves what the container wrote to the remains: the layer over its environment, or
// the whole root where that was copied. That takes no time and no room. Files are not
// waited for until they are on the disk, as they are for an environment: what is there to
// be looked at need not outlive a crash of the machine.
func (p *process) Leave(ctx context.Context, r runner.Remains) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
	default:
		return fmt.Errorf("leaving a container: %w", runner.ErrRuns)
	}
	if p.closed || p.kept {
		return errors.New("leaving a container: its root is gone")
	}
	err := p.ownUsers()
	if err == nil {
		err = r.CheckOf(p.from)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = p.leave(r)
	}
	if err != nil {
		return fmt.Errorf("leaving %s: %w", r.Name, err)
	}
	return nil
}

func (p *process) leave(r runner.Remains) error {
	dir := filepath.Join(p.run.dir, remainsName)
	whole, err := settleRoot(dir)
	if err != nil {
		return err
	}
	record := remainsRecord{Version: 1, Name: r.Name, Environment: r.Environment, Made: r.Made, Note: r.Note, Whole: whole, IDs: p.engine.ids.String()}
	if err := record.write(dir); err != nil {
		return err
	}
	if err := unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, p.engine.path(failedName, r.Name), unix.RENAME_NOREPLACE); err != nil {
		return err
	}
	p.kept = true
	return nil
}

// settleRoot tells whether the container wrote to a root of its own, and names what it
// wrote to. Only the container's first process knew whether there are overlays; but what
// one is mounted on stays empty, which can be told without a right to read it.
func settleRoot(dir string) (whole bool, err error) {
	merged, root := filepath.Join(dir, mergedName), filepath.Join(dir, rootName)
	err = unix.Rmdir(merged)
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, unix.ENOENT): // an earlier attempt came to here
		_, err = os.Lstat(root)
		return err == nil, nil
	case errors.Is(err, unix.ENOTEMPTY):
		return true, os.Rename(merged, root)
	}
	return false, fmt.Errorf("looking at the root: %w", err)
}

// write makes dir/remains.json.
func (r remainsRecord) write(dir string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, remainsRecordName), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// readRemains reads the record of what was left under a name. It wraps os.ErrNotExist if
// and only if nothing was.
func (e *Engine) readRemains(name string) (r remainsRecord, err error) {
	dir := e.path(failedName, name)
	if _, err := os.Lstat(dir); err != nil {
		return r, err
	}
	f, err := os.OpenFile(filepath.Join(dir, remainsRecordName), os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return r, fmt.Errorf("%s is damaged: %s", dir, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRemainsRecord))
	if err != nil {
		return r, fmt.Errorf("%s is damaged: %w", dir, err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, fmt.Errorf("%s is damaged: %s: %w", dir, remainsRecordName, err)
	}
	if r.Version != 1 || r.Name != name {
		return r, fmt.Errorf("%s is damaged: %s is of version %d, for %.80q", dir, remainsRecordName, r.Version, r.Name)
	}
	if now := e.ids.String(); r.IDs != now {
		return r, fmt.Errorf("the files of %s belong to the ids %q, and today's are %q (/etc/subuid has changed)", dir, r.IDs, now)
	}
	return r, nil
}

// Remains lists what is kept in the state folder.
func (e *Engine) Remains(context.Context) (list []runner.Remains, err error) {
	entries, err := os.ReadDir(e.path(failedName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = e.knowIDs()
	}
	if err != nil {
		return nil, fmt.Errorf("listing what failed scripts left: %w", err)
	}
	for _, d := range entries {
		if !runner.IsRemainsName(d.Name()) {
			continue
		}
		if r, err := e.readRemains(d.Name()); err == nil {
			list = append(list, runner.Remains{Name: r.Name, Environment: r.Environment, Made: r.Made, Note: r.Note})
		}
	}
	slices.SortFunc(list, func(a, b runner.Remains) int { return cmp.Or(b.Made.Compare(a.Made), cmp.Compare(b.Name, a.Name)) })
	return list, nil
}

// Forget removes remains.
func (e *Engine) Forget(_ context.Context, name string) error {
	if !runner.IsRemainsName(name) {
		return fmt.Errorf("forgetting %.80q: that is no name of remains", name)
	}
	if err := e.knowIDs(); err != nil { // whose files they are
		return err
	}
	if err := e.takeAway(failedName, name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forgetting %s: %w", name, err)
	}
	return nil
}

// holdRemains finds remains and keeps them from being forgotten until the file that it
// returns is closed.
func (e *Engine) holdRemains(name string) (*os.File, remainsRecord, error) {
	f, err := lockThere(e.path(failedName, name), unix.LOCK_SH)
	var r remainsRecord
	if err == nil { // only now is it certain that they have not just been taken away
		if r, err = e.readRemains(name); err != nil {
			f.Close()
		}
	}
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("there is no %s any more", name)
	}
	if err != nil {
		return nil, r, err
	}
	return f, r, nil
}
