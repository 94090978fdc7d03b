package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Runs returns the ids of the containers that exist or were left behind, of
// every program that shares the state folder; sorted.
func (e *Engine) Runs(context.Context) ([]string, error) {
	entries, err := os.ReadDir(e.path("runs"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing runs: %w", err)
	}
	var ids []string
	for _, d := range entries {
		if isRunID(d.Name()) {
			ids = append(ids, d.Name())
		}
	}
	return ids, nil
}
