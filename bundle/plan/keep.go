package plan

import (
	"bytes"
	"context"

	"satchel/manifest"
)

// keep puts data into the store. What is there already, every byte of it, is
// left alone: to sync once more what has not changed would take most of the time
// of a lock.
func (p *Planner) keep(ctx context.Context, data []byte) (manifest.Blob, error) {
	b := manifest.Blob{SHA256: manifest.Sum(data), Size: int64(len(data))}
	if p.Store.Has(b) && p.Store.Check(ctx, b) == nil {
		return b, nil
	}
	return b, p.Store.Put(ctx, b, bytes.NewReader(data))
}
