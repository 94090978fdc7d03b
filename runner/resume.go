package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"satchel/manifest"
)

// recordName is the file beside a finished build's out, maxRecord its greatest size.
const (
	recordName = "record.json"
	maxRecord  = 1 << 30
)

// key names what a build is made from, all of it: the lock (so the bundle), the
// target, the environment, the inputs and the script with all that it is told.
func (b *build) key(env Environment) (manifest.Digest, error) {
	lock, err := b.run.Lock.Marshal()
	if err != nil {
		return manifest.Digest{}, err
	}
	plan, err := BuildPlan(b.pin, b.descriptor, b.target, b.run.Options)
	if err != nil {
		return manifest.Digest{}, err
	}
	text, err := json.Marshal([]any{manifest.Sum(lock), b.pin.Name, b.name, env, plan})
	if err != nil {
		return manifest.Digest{}, fmt.Errorf("naming the build of %s: %w", b.name, err)
	}
	return manifest.Sum(text), nil
}

func (f *finished) write(path string) error {
	text, err := json.Marshal(f)
	if err == nil {
		err = writeNew(path, text)
	}
	if err != nil {
		return fmt.Errorf("recording the results of %s: %w", f.Target, err)
	}
	return nil
}

// resume takes the build from a failed run, if one finished the very same. What it
// finds changed since is built again.
func (b *build) resume(ctx context.Context, stage string) error {
	if !b.run.Resume {
		return nil
	}
	for _, old := range failedFolders(b.run.Result) {
		f, err := b.found(ctx, old)
		if err == nil && f != nil {
			err = b.adopt(old, stage, f)
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			b.step(fmt.Sprintf("What %s has of %s is not taken: %v", old, b.name, err))
		case f != nil:
			b.step(fmt.Sprintf("Taking %s from %s, where it is finished", b.name, old))
			b.done, b.told = f, true
			return nil
		}
	}
	return nil
}

// found reads a record; it is nil where none is, or is one of another build.
func (b *build) found(ctx context.Context, old string) (*finished, error) {
	path := filepath.Join(b.dir(old), recordName)
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil || !fi.Mode().IsRegular() || fi.Size() > maxRecord {
		return nil, errors.Join(err, errors.New("its record is none"))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var f finished
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	plan, err := PreparePlan(b.run.Lock, b.descriptor, b.target)
	if err != nil {
		return nil, err
	}
	key, err := Key(plan)
	if err != nil {
		return nil, err
	}
	if f.Environment.Key != key {
		return nil, errors.New("it was built in another environment")
	}
	if env, ok, err := b.run.Engine.Environment(ctx, key); err == nil && ok && env != f.Environment {
		return nil, errors.New("the environment has become another")
	}
	if want, err := b.key(f.Environment); err != nil || f.Key != want || f.Target != b.name {
		return nil, errors.Join(err, errors.New("it was made from something else"))
	}
	return &f, nil
}

// adopt copies a finished build and its logs, and checks each file on the way. After an
// error nothing of it is in stage.
func (b *build) adopt(old, stage string, f *finished) (err error) {
	dir := b.dir(stage)
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir), os.MkdirAll(dir, 0o755))
		}
	}()
	for _, name := range f.Folders {
		if name != "out" && !inOut(name) {
			return fmt.Errorf("its record has a folder %q", name)
		}
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Files)) {
		if !inOut(name) {
			return fmt.Errorf("its record has a file %q", name)
		}
		if err := copyChecked(filepath.Join(b.dir(old), name), filepath.Join(dir, name), f.Files[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for name := range f.Links { // they are made when all is put together
		if !inOut(name) {
			return fmt.Errorf("its record has a link %q", name)
		}
	}
	logs, err := filepath.Glob(b.logs(old) + "-*")
	if err != nil {
		return err
	}
	for _, log := range logs {
		if err := copyLog(log, filepath.Join(filepath.Dir(b.logs(stage)), filepath.Base(log))); err != nil {
			return err
		}
	}
	return f.write(filepath.Join(dir, recordName))
}
