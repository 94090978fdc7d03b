package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
)

// Runs returns the names of the daemon's containers that satchel has made,
// running or not; sorted.
func (e *Engine) Runs(ctx context.Context) ([]string, error) {
	list, err := e.runs(ctx, false)
	if err != nil {
		return nil, fmt.Errorf("listing containers: %w", err)
	}
	var names []string
	for _, c := range list {
		names = append(names, c.Labels[e.label(labelRun)])
	}
	slices.Sort(names)
	return names, nil
}

// runs lists the containers with our label whose name is the label's value:
// a container made from an image of ours by somebody else is not ours. To know
// how much they have written takes the daemon time.
func (e *Engine) runs(ctx context.Context, sizes bool) ([]container.Summary, error) {
	list, err := e.client.ContainerList(ctx, container.ListOptions{All: true, Size: sizes, Filters: filters.NewArgs(filters.Arg("label", e.label(labelRun)))})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(c container.Summary) bool {
		name := c.Labels[e.label(labelRun)]
		return !strings.HasPrefix(name, e.options.Name+"-") || !slices.Contains(c.Names, "/"+name)
	}), nil
}

// sweepOnce removes the containers whose program was killed, the first time
// it is called. What cannot be removed now does not hinder a new container.
func (e *Engine) sweepOnce(ctx context.Context) {
	e.mu.Lock()
	swept := e.swept
	e.swept = true
	e.mu.Unlock()
	if swept {
		return
	}
	list, err := e.runs(ctx, false)
	if err != nil {
		return
	}
	for _, c := range list {
		if ownerGone(c.Labels[e.label(labelOwner)]) {
			e.remove(c.ID)
		}
	}
}
