package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// keepFailed gives what a failed run left a name that says so, and puts that
// name into the error. An interrupted run leaves nothing.
func (r *Run) keepFailed(ctx context.Context, stage string, cause error) error {
	if ctx.Err() != nil {
		return errors.Join(cause, os.RemoveAll(stage))
	}
	for i := 1; i < 1000; i++ {
		name := filepath.Clean(r.Result) + ".failed"
		if i > 1 {
			name = fmt.Sprintf("%s-%d", name, i)
		}
		if _, err := os.Lstat(name); err == nil {
			continue
		}
		if err := os.Rename(stage, name); err != nil {
			break
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
