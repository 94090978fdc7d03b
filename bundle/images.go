package bundle

import (
	"context"
	"fmt"
	"io"
	"reflect"

	"satchel/imagestore"
	"satchel/manifest"
)

// maxImageDocument bounds an image's manifest and config, bytes.
const maxImageDocument = 8 << 20

// images checks that each base image's own manifest names the config and the
// layers that the lock names, no others and in that order, and that its config
// is for the target's architecture.
func (c *chain) images(ctx context.Context) error {
	for _, t := range c.lock.Targets {
		if err := ctx.Err(); err != nil {
			return err
		}
		if t.Image.Manifest == nil {
			continue
		}
		where := fmt.Sprintf("image of %s %s %s", t.Descriptor, t.Suite, t.Architecture)
		raw, err := c.document(where, t.Image.Manifest.Blob)
		if err != nil {
			return err
		}
		config, err := c.document(where, t.Image.Config.Blob)
		if err != nil {
			return err
		}
		if raw == nil || config == nil {
			continue
		}
		got, err := imagestore.Describe(*t.Image.Manifest, raw)
		if err != nil {
			c.fault("%s: %v", where, err)
			continue
		}
		got.From = t.Image.From
		if !reflect.DeepEqual(got, t.Image) {
			c.fault("%s: its manifest names another config or other layers than the lock", where)
			continue
		}
		if err := imagestore.CheckConfig(t.Image, config, t.Architecture); err != nil {
			c.fault("%s: %v", where, err)
		}
	}
	return nil
}

// document reads a small blob into memory; nil if it is not small.
func (c *chain) document(where string, b manifest.Blob) ([]byte, error) {
	if b.Size > maxImageDocument {
		c.fault("%s: a document of %d bytes, more than anything honest", where, b.Size)
		return nil, nil
	}
	return c.read(where, b)
}

// read reads a blob into memory.
func (c *chain) read(what string, b manifest.Blob) ([]byte, error) {
	rc, err := c.open(b)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	defer rc.Close()
	out, err := io.ReadAll(rc)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	return out, nil
}
