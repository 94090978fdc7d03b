package gather

import (
	"fmt"
	"path"
	"time"

	"satchel/aptmirror"
	"satchel/manifest"
)

// addresses says where each blob may be found.
func (g *Gatherer) addresses(lock *manifest.Lock) (map[manifest.Digest][]string, error) {
	urls := map[manifest.Digest][]string{}
	pool := map[string][]string{} // archive ID → tops for what is below pool
	for _, a := range lock.Archives {
		p, err := g.places(lock, a)
		if err != nil {
			return nil, err
		}
		pool[a.ID()] = p.pool
		dists := "dists/" + a.Suite + "/"
		for _, f := range a.Release {
			urls[f.SHA256] = aptmirror.Below(p.release, dists+f.Path)
		}
		for _, f := range a.Indexes {
			byHash := dists + path.Dir(f.Path) + "/by-hash/SHA256/" + f.SHA256.Hex()
			urls[f.SHA256] = append(aptmirror.Below(p.index, byHash), aptmirror.Below(p.release, dists+f.Path)...)
		}
	}
	for _, t := range lock.Targets {
		for _, p := range t.Packages {
			urls[p.SHA256] = aptmirror.Below(pool[p.Archive], p.Path)
		}
	}
	for _, d := range lock.Descriptors {
		for _, f := range d.Files {
			switch {
			case f.URL != "":
				urls[f.SHA256] = []string{f.URL}
			case f.Archive != "":
				urls[f.SHA256] = aptmirror.Below(pool[f.Archive], f.Path)
			}
		}
	}
	return urls, nil
}

// places are the tops of an archive, in the order in which they are asked, for
// files of three kinds.
type places struct {
	release []string // in the place of which there is another one by and by
	index   []string // found by its hash, for some days
	pool    []string // there until a newer version replaces it, and longer
}

// places asks an archive as it is now before it troubles a snapshot service, but
// for the release files and indexes of a moment, which it can hardly have.
// Without a moment in the lock, the date of the release file tells which.
func (g *Gatherer) places(lock *manifest.Lock, a manifest.ArchivePin) (places, error) {
	now := g.Mirrors.Current(aptmirror.Pocket{Archive: a.Name, Suite: a.Suite, Components: a.Components}, closed(lock, a))
	if a.Snapshot != "" {
		at, err := time.Parse(time.RFC3339, a.Snapshot)
		if err != nil {
			return places{}, fmt.Errorf("reading the moment of archive %s: %w", a.ID(), err)
		}
		then := g.Mirrors.Snapshots(a.Name, at)
		first := append(then[:len(then):len(then)], now...)
		return places{release: first, index: first, pool: append(now, then...)}, nil
	}
	date, err := time.Parse(time.RFC3339, a.Date)
	if err != nil {
		return places{}, fmt.Errorf("reading the date of archive %s: %w", a.ID(), err)
	}
	now = now[:len(now):len(now)]
	kept := append(now, g.Mirrors.Snapshots(a.Name, aptmirror.FileMoments(date, g.Now)...)...)
	return places{release: append(now, g.Mirrors.Snapshots(a.Name, aptmirror.ReleaseMoments(date, g.Now)...)...), index: kept, pool: kept}, nil
}

// closed tells whether the suite that an archive belongs to has moved to the
// archive of old releases.
func closed(lock *manifest.Lock, a manifest.ArchivePin) bool {
	for _, t := range lock.Targets {
		s, ok := aptmirror.Lookup(t.Distro, t.Suite)
		if !ok {
			continue
		}
		for _, pocket := range s.Pockets {
			if pocket.Archive == a.Name && pocket.Suite == a.Suite {
				return s.Closed
			}
		}
	}
	return false
}
