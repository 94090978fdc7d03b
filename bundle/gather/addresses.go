package gather

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"satchel/aptmirror"
	"satchel/manifest"
)

// addresses says where each blob of a lock may be found.
func (g *Gatherer) addresses(lock *manifest.Lock) (map[manifest.Digest][]string, error) {
	tops := map[string]places{}
	for _, a := range lock.Archives {
		p, err := g.places(a.Name, a.Suite, a.URI, a.Date, a.Snapshot)
		if err != nil {
			return nil, err
		}
		tops[a.ID()] = p
	}
	all := map[manifest.Digest][]string{}
	if err := g.vouched(lock, tops, all); err != nil {
		return nil, err
	}
	for sum, b := range origins(lock) {
		b.SHA256 = sum
		if list := urls(b, tops); len(list) > 0 {
			all[sum] = append(list, all[sum]...)
		}
	}
	return all, nil
}

// vouched adds places of packages that no index lists: services that know every
// file, snapshots about the time of the sources, and archives that the lock could
// not read.
func (g *Gatherer) vouched(lock *manifest.Lock, tops map[string]places, all map[manifest.Digest][]string) error {
	for _, t := range lock.Targets {
		for _, p := range t.Packages {
			if p.Vouched == "" {
				continue
			}
			name, suite, _ := strings.Cut(p.Archive, "/")
			i := slices.IndexFunc(lock.Descriptors, func(d manifest.DescriptorPin) bool { return d.Name == t.Descriptor })
			at, err := time.Parse(manifest.DateForm, lock.Descriptors[i].Reference)
			if err != nil {
				return fmt.Errorf("reading the reference time of %s: %w", t.Descriptor, err)
			}
			if _, ok := tops[p.Archive]; !ok {
				where, closed := pocket(name, suite)
				tops[p.Archive] = places{pool: g.Mirrors.Current(where, closed)}
			}
			all[p.SHA256] = append(g.Mirrors.Files(name, p.Name, p.Version, p.Architecture),
				aptmirror.Below(g.Mirrors.Snapshots(name, aptmirror.BuildMoments(at, g.Now)...), p.Path)...)
		}
	}
	return nil
}

// urls are the addresses of a blob; tops has its archive.
func urls(b manifest.NeededBlob, tops map[string]places) []string {
	var all []string
	if b.URL != "" {
		all = append(all, b.URL)
	}
	p, ok := tops[b.Archive]
	if !ok {
		return all
	}
	if !strings.HasPrefix(b.Path, "dists/") {
		return append(all, aptmirror.Below(p.pool, b.Path)...)
	}
	if name := path.Base(b.Path); name != "InRelease" && name != "Release" && name != "Release.gpg" {
		all = append(all, aptmirror.Below(p.index, byHash(b.Path, b.SHA256))...)
	}
	return append(all, aptmirror.Below(p.release, b.Path)...)
}

// byHash is where an index is for some days after its path has another.
func byHash(index string, sum manifest.Digest) string {
	return path.Dir(index) + "/by-hash/SHA256/" + sum.Hex()
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
func (g *Gatherer) places(archive, suite, uri, date, snapshot string) (places, error) {
	where, closed := pocket(archive, suite)
	where.URI = uri
	now := g.Mirrors.Current(where, closed)
	if snapshot != "" {
		at, err := time.Parse(time.RFC3339, snapshot)
		if err != nil {
			return places{}, fmt.Errorf("reading the moment of archive %s/%s: %w", archive, suite, err)
		}
		then := g.Mirrors.Snapshots(archive, at)
		first := append(then[:len(then):len(then)], now...)
		return places{release: first, index: first, pool: append(now, then...)}, nil
	}
	at, err := time.Parse(time.RFC3339, date)
	if err != nil {
		return places{}, fmt.Errorf("reading the date of archive %s/%s: %w", archive, suite, err)
	}
	now = now[:len(now):len(now)]
	kept := append(now, g.Mirrors.Snapshots(archive, aptmirror.FileMoments(at, g.Now)...)...)
	return places{release: append(now, g.Mirrors.Snapshots(archive, aptmirror.ReleaseMoments(at, g.Now)...)...), index: kept, pool: kept}, nil
}

// pocket finds an archive's suite in the table, with whether it is closed. One
// that the table does not have is open.
func pocket(archive, suite string) (aptmirror.Pocket, bool) {
	for _, distro := range []string{"debian", "ubuntu"} {
		for _, name := range aptmirror.SuiteNames(distro) {
			s, _ := aptmirror.Lookup(distro, name)
			for _, p := range s.PocketsFor("amd64", "arm64") {
				if p.Archive == archive && p.Suite == suite {
					return p, s.Closed
				}
			}
		}
	}
	return aptmirror.Pocket{Archive: archive, Suite: suite, Components: []string{"main"}}, false
}
