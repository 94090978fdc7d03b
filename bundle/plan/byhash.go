package plan

import (
	"context"
	"errors"

	"satchel/aptmirror/fetch"
	"satchel/manifest"
)

// maxFile bounds a file of which only the hash is known, in bytes.
const maxFile = 64 << 30

// byHash fetches a file of which satchel.yaml gives address and hash. The
// server says how long it is; that is pinned only once the hash is right.
func (p *Planner) byHash(ctx context.Context, name string, set manifest.FileSource) (manifest.Blob, error) {
	if set.SHA256 == nil || set.SHA256.IsZero() {
		return manifest.Blob{}, errors.New("satchel.yaml gives no sha256 for it")
	}
	urls := []string{set.URL}
	size, err := p.Fetch.Size(ctx, urls, maxFile)
	if err != nil {
		return manifest.Blob{}, err
	}
	b := manifest.Blob{SHA256: *set.SHA256, Size: size}
	jobs := []fetch.Job{{Name: name, URLs: urls, Blob: b}}
	return b, p.Fetch.Fetch(ctx, p.Store, jobs, p.Progress("files"))
}
