package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"satchel/runner/docker"
	"satchel/runner/sandbox"
)

type cleanCmd struct {
	DryRun    bool          `help:"Only say what would be removed."`
	OlderThan time.Duration `help:"Keep what was made since, such as 72h ago." placeholder:"TIME"`
	Engine    string        `help:"Whose things: ${enum}." enum:"all,sandbox,docker" default:"all"`
	Kind      []string      `help:"Only these kinds: ${enum}." enum:"run,environment,failed,init,index" placeholder:"KIND,..."`
	JSON      bool          `name:"json" help:"Print what was removed as JSON."`
}

// cleaned is what --json prints.
type cleaned struct {
	DryRun bool   `json:"dryRun"` // nothing was removed
	Size   int64  `json:"size"`   // bytes of all items together
	Items  []kept `json:"items"`
}

// kept is something that satchel made: of an engine, a prepared environment, a
// copy of the init, what a killed run or a failed script left; of none, what indexes say.
type kept struct {
	Engine  string    `json:"engine"`
	Kind    string    `json:"kind"`
	Name    string    `json:"name"`
	Size    int64     `json:"size"` // bytes, 0 if unknown
	Made    time.Time `json:"made"`
	live    bool
	discard func(context.Context) error
}

// Run removes what satchel made and nobody uses, and nothing else: engines list
// only what bears their own names and labels. Downloads stay; what was read out
// of them goes.
func (c *cleanCmd) Run(ctx context.Context, g *globals, ui *ui) error {
	cache, err := g.cacheDir()
	if err != nil {
		return err
	}
	items, err := c.items(ctx, cache, ui)
	if err != nil {
		return err
	}
	if c.Engine == "all" {
		pools, err := poolItems(cache)
		if err != nil {
			return err
		}
		items = append(items, pools...)
	}
	gone := []kept{}
	var problems []error
	for _, k := range items {
		if len(c.Kind) > 0 && !slices.Contains(c.Kind, k.Kind) || k.live || c.OlderThan > 0 && time.Since(k.Made) < c.OlderThan {
			continue
		}
		if !c.DryRun {
			if err := k.discard(ctx); err != nil {
				problems = append(problems, fmt.Errorf("removing %s %s: %w", k.Kind, k.Name, err))
				continue
			}
		}
		gone = append(gone, k)
	}
	return errors.Join(c.print(ui, gone), errors.Join(problems...))
}

// items lists what the engines keep. The sandbox need not work for that: that its
// disk is full may be why it does not. A daemon that does not answer keeps nothing.
func (c *cleanCmd) items(ctx context.Context, cache string, ui *ui) ([]kept, error) {
	var list []kept
	if c.Engine != "docker" {
		e, err := openSandbox(cache, false)
		if err == nil {
			list, err = sandboxItems(ctx, e)
		}
		if err != nil {
			return nil, err
		}
	}
	if c.Engine != "sandbox" {
		e, err := openDocker(cache, false)
		if err == nil {
			err = e.Check(ctx)
		}
		if err != nil {
			ui.Stepf("engine docker: %v", err)
			return list, nil
		}
		more, err := dockerItems(ctx, e)
		return append(list, more...), err
	}
	return list, nil
}

// poolItems lists what lock has kept of the archives' indexes.
func poolItems(cache string) (list []kept, err error) {
	c := poolCache(cache)
	files, err := c.Files()
	for _, f := range files {
		list = append(list, kept{"none", "index", f.Name, f.Size, f.Made, false, func(context.Context) error { return c.Remove(f) }})
	}
	return list, err
}

func sandboxItems(ctx context.Context, e *sandbox.Engine) (list []kept, err error) {
	items, err := e.Items(ctx)
	for _, i := range items {
		list = append(list, kept{e.Name(), i.Kind, i.Name, i.Size, i.Made, i.Live, func(ctx context.Context) error { return e.Discard(ctx, i) }})
	}
	return list, err
}

func dockerItems(ctx context.Context, e *docker.Engine) (list []kept, err error) {
	items, err := e.Items(ctx)
	for _, i := range items {
		list = append(list, kept{e.Name(), i.Kind, i.Name, i.Size, i.Made, i.Live, func(ctx context.Context) error { return e.Discard(ctx, i) }})
	}
	return list, err
}

func (c *cleanCmd) print(ui *ui, gone []kept) error {
	total := int64(0)
	for _, k := range gone {
		total += k.Size
	}
	if c.JSON {
		return ui.json(cleaned{c.DryRun, total, gone})
	}
	t := newTable(ui.out)
	for _, k := range gone {
		t.row(k.Engine, k.Kind, k.Name, bytesText(k.Size), k.Made.Format(time.DateTime))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	verb := "removed"
	if c.DryRun {
		verb = "would remove"
	}
	ui.Stepf("%s %s, %s", verb, count(len(gone), "item"), bytesText(total))
	return nil
}
