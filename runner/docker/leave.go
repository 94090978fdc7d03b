package docker

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"satchel/runner"
)

// leftRecord is what the image of remains says of them.
type leftRecord struct {
	Version     int                `json:"version"` // 1
	Environment runner.Environment `json:"environment"`
	Made        time.Time          `json:"made"`
	Note        string             `json:"note,omitempty"`
}

// Leave makes an image of the container, as daemons do it: without sockets, and with times
// to the second. The daemon names it when it is whole.
func (p *process) Leave(ctx context.Context, r runner.Remains) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
	default:
		return fmt.Errorf("leaving a container: %w", runner.ErrRuns)
	}
	if p.closed {
		return errors.New("leaving a container: it is gone")
	}
	err := r.CheckOf(p.from)
	if err == nil {
		err = p.engine.leave(ctx, p.id, r)
	}
	if err != nil {
		return fmt.Errorf("leaving %s: %w", r.Name, err)
	}
	return nil
}

func (e *Engine) leave(ctx context.Context, id string, r runner.Remains) error {
	f, err := e.initFile()
	if err != nil {
		return err
	}
	text, err := json.Marshal(leftRecord{Version: 1, Environment: r.Environment, Made: r.Made, Note: r.Note})
	if err != nil {
		return err
	}
	name := e.remainsName(r.Name)
	if _, err := e.client.ImageInspect(ctx, name); !cerrdefs.IsNotFound(err) {
		return errors.Join(err, errors.New("an image has that name"))
	}
	changes := []string{
		"LABEL " + e.label(labelLeft) + "=" + r.Name, "LABEL " + e.label(labelNote) + "=" + base64.RawURLEncoding.EncodeToString(text),
		"LABEL " + e.label(labelInit) + "=" + f.sum.Hex(),
	}
	for _, other := range []string{labelKey, labelRoot, labelRun, labelOwner} { // of the environment's image, and the container
		changes = append(changes, "LABEL "+e.label(other)+"=")
	}
	_, err = e.client.ContainerCommit(ctx, id, container.CommitOptions{
		Reference: name, Comment: "what a script left that failed", Config: &container.Config{}, Changes: changes,
	})
	return err
}

// remainsName is the name of the image of remains.
func (e *Engine) remainsName(name string) string { return e.options.Name + "-failed:" + name }

// Remains lists the images of what was left in containers with this satchel's own init.
func (e *Engine) Remains(ctx context.Context) (list []runner.Remains, err error) {
	images, err := e.leftImages(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing what failed scripts left: %w", err)
	}
	for _, i := range images {
		if r, err := e.readRemains(i.Labels); err == nil && named(i.RepoTags, e.remainsName(r.Name)) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b runner.Remains) int { return cmp.Or(b.Made.Compare(a.Made), cmp.Compare(b.Name, a.Name)) })
	return list, nil
}

// named tells whether a tag is that name; Podman puts a registry's before it.
func named(tags []string, name string) bool {
	return slices.ContainsFunc(tags, func(tag string) bool { return tag == name || strings.HasSuffix(tag, "/"+name) })
}

// leftImages are those with our labels, whatever their names have become.
func (e *Engine) leftImages(ctx context.Context) ([]image.Summary, error) {
	return e.client.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", e.label(labelLeft)))})
}

// readRemains believes labels only if they are whole, and of this satchel.
func (e *Engine) readRemains(labels map[string]string) (r runner.Remains, err error) {
	f, err := e.initFile()
	if err != nil {
		return r, err
	}
	if labels[e.label(labelInit)] != f.sum.Hex() {
		return r, errors.New("another build of satchel left it")
	}
	text, err := base64.RawURLEncoding.DecodeString(labels[e.label(labelNote)])
	if err != nil {
		return r, fmt.Errorf("reading its labels: %w", err)
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	var l leftRecord
	if err := d.Decode(&l); err != nil {
		return r, fmt.Errorf("reading its labels: %w", err)
	}
	r = runner.Remains{Name: labels[e.label(labelLeft)], Environment: l.Environment, Made: l.Made, Note: l.Note}
	if err := r.Check(); err != nil || l.Version != 1 {
		return r, fmt.Errorf("reading its labels: version %d: %w", l.Version, err)
	}
	return r, nil
}

// remainsImage returns the id of the image to start c from.
func (e *Engine) remainsImage(ctx context.Context, c runner.Container) (string, error) {
	i, err := e.client.ImageInspect(ctx, e.remainsName(c.Remains))
	if cerrdefs.IsNotFound(err) {
		return "", fmt.Errorf("there is no %s any more", c.Remains)
	}
	if err != nil {
		return "", fmt.Errorf("looking %s up: %w", c.Remains, err)
	}
	if i.Config == nil {
		return "", fmt.Errorf("image %s is not satchel's", e.remainsName(c.Remains))
	}
	r, err := e.readRemains(i.Config.Labels)
	switch {
	case err != nil:
		return "", fmt.Errorf("looking %s up: %w", c.Remains, err)
	case r.Name != c.Remains:
		return "", fmt.Errorf("image %s is not satchel's", e.remainsName(c.Remains))
	case r.Environment.Key != c.Environment:
		return "", fmt.Errorf("%s was left on another environment, %s", c.Remains, r.Environment.Key.Hex())
	}
	return i.ID, nil
}

// Forget removes the image of remains.
func (e *Engine) Forget(ctx context.Context, name string) error {
	if !runner.IsRemainsName(name) {
		return fmt.Errorf("forgetting %.80q: that is no name of remains", name)
	}
	i, err := e.client.ImageInspect(ctx, e.remainsName(name))
	if err == nil && (i.Config == nil || i.Config.Labels[e.label(labelLeft)] != name) {
		err = errors.New("its image is not satchel's")
	}
	if err == nil {
		_, err = e.client.ImageRemove(ctx, e.remainsName(name), image.RemoveOptions{PruneChildren: true})
	}
	switch {
	case err == nil || cerrdefs.IsNotFound(err):
		return nil
	case cerrdefs.IsConflict(err):
		return fmt.Errorf("forgetting %s: %w", name, errors.Join(runner.ErrInUse, err))
	}
	return fmt.Errorf("forgetting %s: %w", name, err)
}
