package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"

	"satchel/bundle/source/pack"
	"satchel/manifest"
)

// packs checks that each source's pack holds what the lock says of it: the
// commit and tag that people reviewed, everything that they reach, nothing
// else. A pack is named by SHA-256 like every blob; that it is the commit's is
// what only its objects can tell.
func (c *chain) packs(ctx context.Context) error {
	seen := map[string]bool{}
	for _, d := range c.lock.Descriptors {
		for _, s := range d.Sources {
			where := fmt.Sprintf("source %s of %s", s.Dir, d.Name)
			if err := c.pack(ctx, seen, where, s.Pack, s.Commit, s.Tag, s.Date); err != nil {
				return err
			}
			for _, m := range s.Submodules {
				if err := c.pack(ctx, seen, where+", submodule "+m.Path, m.Pack, m.Commit, "", ""); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// untilDone ends reading when the context has ended.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// pack checks one pack, once for each commit that it is said to hold.
func (c *chain) pack(ctx context.Context, seen map[string]bool, where string, b manifest.Blob, commit, tag, date string) error {
	key := b.SHA256.Hex() + commit + tag + date
	if seen[key] {
		return nil
	}
	seen[key] = true
	r, err := c.open(b)
	if err != nil {
		return err
	}
	defer r.Close()
	got, err := pack.Check(untilDone{ctx, r}, commit, tag)
	switch {
	case errors.Is(err, pack.ErrUnsound):
		c.fault("%s: %v", where, err)
	case errors.Is(err, manifest.ErrDigest): // whoever hashes the blobs says so
	case err != nil:
		return fmt.Errorf("reading %s: %w", where, err)
	case date != "" && got.Date != date:
		c.fault("%s: its commit is dated %s, not %s", where, got.Date, date)
	}
	return nil
}
