package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// freeFor refuses a result folder that holds something.
func freeFor(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at the result folder: %w", err)
	}
	return fmt.Errorf("the result folder %s is not empty: give another with -o, or remove it", dir)
}

// publish gives stage its final name.
func publish(stage, dir string) error {
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("placing the result: %w", err)
	}
	if err := os.Rename(stage, dir); err != nil {
		return fmt.Errorf("placing the result: %w", err)
	}
	return nil
}

// failedName is where the i-th failed run for a result is kept.
func failedName(result string, i int) string {
	name := filepath.Clean(result) + ".failed"
	if i > 1 {
		name = fmt.Sprintf("%s-%d", name, i)
	}
	return name
}

// failedFolders are those of failed runs for a result, the newest first.
func failedFolders(result string) []string {
	var all []string
	for i := 1; i < maxFailed; i++ {
		if fi, err := os.Lstat(failedName(result, i)); err == nil && fi.IsDir() {
			all = append(all, failedName(result, i))
		}
	}
	slices.Reverse(all)
	return all
}

// maxFailed bounds how many are kept.
const maxFailed = 1000

// keepFailed gives what a failed run left a name that says so, and puts that
// name into the error. An interrupted run leaves nothing but the builds that it finished.
func (r *Run) keepFailed(ctx context.Context, stage string, cause error) error {
	records, _ := filepath.Glob(filepath.Join(stage, finishedDir, "*", "*", recordName))
	if ctx.Err() != nil && len(records) == 0 {
		return errors.Join(cause, os.RemoveAll(stage))
	}
	for i := 1; i < maxFailed; i++ {
		name := failedName(r.Result, i)
		if _, err := os.Lstat(name); err == nil {
			continue
		}
		if err := os.Rename(stage, name); err != nil {
			break
		}
		if len(records) > 0 {
			r.Story.Step(fmt.Sprintf("%s keeps what is finished, %d of the builds: the same command with --resume goes on from there", name, len(records)))
		}
		var se *ScriptError
		if errors.As(cause, &se) {
			if rel, err := filepath.Rel(stage, se.Log); err == nil {
				se.Log = filepath.Join(name, rel)
			}
			return cause
		}
		return fmt.Errorf("%w\nwhat there is of the result is in %s", cause, name)
	}
	return errors.Join(cause, os.RemoveAll(stage))
}
