package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
)

// Item is something that the engine has made and the daemon keeps.
type Item struct {
	Kind string    // "run", "environment", "failed", "init"
	Name string    // of the container or image; an id when it has lost its name
	Size int64     // bytes, 0 if unknown
	Made time.Time // by the daemon's clock
	Live bool      // a run that somebody still waits for, as far as can be told
	id   string
}

// Items lists all that engines of this name have made, whichever satchel did;
// sorted by kind and name.
func (e *Engine) Items(ctx context.Context) ([]Item, error) {
	containers, err := e.runs(ctx, true)
	if err != nil {
		return nil, fmt.Errorf("listing containers: %w", err)
	}
	var items []Item
	for _, c := range containers {
		owner := c.Labels[e.label(labelOwner)]
		items = append(items, Item{Kind: "run", Name: c.Labels[e.label(labelRun)], Size: c.SizeRw, Made: time.Unix(c.Created, 0), id: c.ID,
			Live: ownerHere(owner) || c.State == "running" && !ownerGone(owner)})
	}
	images, err := e.client.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", e.label(labelInit)))})
	if err != nil {
		return nil, fmt.Errorf("listing images: %w", err)
	}
	for _, i := range images {
		item := Item{Kind: "init", Name: i.ID, Size: i.Size, Made: time.Unix(i.Created, 0), id: i.ID}
		if i.Labels[e.label(labelKey)] != "" {
			item.Kind = "environment"
		}
		if i.Labels[e.label(labelLeft)] != "" {
			item.Kind = "failed"
		}
		for _, tag := range i.RepoTags {
			if strings.HasPrefix(tag, e.options.Name+"-") {
				item.Name = tag
			}
		}
		items = append(items, item)
	}
	slices.SortFunc(items, func(a, b Item) int {
		return strings.Compare(a.Kind+"\x00"+a.Name, b.Kind+"\x00"+b.Name)
	})
	return items, nil
}

// Discard removes an item that Items has listed. An image under a name that
// somebody else gave it stays under that name; one that a container uses is
// an error. What is gone is discarded already.
func (e *Engine) Discard(ctx context.Context, item Item) error {
	if item.id == "" {
		return errors.New("discarding: not an item of this engine")
	}
	if item.Kind == "run" {
		return e.remove(item.id)
	}
	e.mu.Lock()
	e.image = ""
	e.mu.Unlock()
	_, err := e.client.ImageRemove(ctx, item.Name, image.RemoveOptions{PruneChildren: true})
	if err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("removing image %s: %w", item.Name, err)
	}
	return nil
}
