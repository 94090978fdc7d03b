package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"satchel/aptmirror"
	"satchel/aptmirror/fetch"
	"satchel/manifest"
)

const (
	maxDeb      = 8 << 30 // bytes
	maxFailures = 2       // of a host that gives no answer, until it is given up
	sideBySide  = 8       // questions at a time
)

// locate finds the packages: in the indexes, in the store, where they were.
func (p *Planner) locate(ctx context.Context, r Request, suite aptmirror.Suite, u *universe, target string, debs []manifest.DebSum) ([]assertedDeb, error) {
	found := make([]assertedDeb, 0, len(debs))
	var searches []*search
	for _, d := range debs {
		if a, ok := u.lists(d); ok {
			found = append(found, a)
			continue
		}
		s := &search{deb: d, places: u.placesOf(suite, d)}
		if b, ok := p.Store.Find(d.SHA256); ok {
			s.blob, s.done = b, true
		}
		searches = append(searches, s)
	}
	if err := p.find(ctx, r, suite, target, searches, hostsOf(u.unreached)); err != nil {
		return nil, err
	}
	missing := &UnfoundError{Of: len(debs)}
	for _, s := range searches {
		if !s.done {
			missing.add(s, r.reference)
			continue
		}
		place := s.places[s.place]
		k, err := p.readDeb(s.deb, place.path, s.blob)
		if err != nil {
			return nil, err
		}
		found = append(found, assertedDeb{DebSum: s.deb, Package: k, archive: place.pocket.Archive + "/" + place.pocket.Suite})
	}
	if len(missing.Blobs) > 0 {
		return nil, missing
	}
	return found, nil
}

// lists finds a package with its very hash in an index.
func (u *universe) lists(d manifest.DebSum) (assertedDeb, bool) {
	if u.pool == nil {
		return assertedDeb{}, false
	}
	for _, k := range u.pool.Packages(d.Name) {
		if k.Version == d.Version && k.Architecture == d.Architecture && k.Blob.SHA256 == d.SHA256 {
			return assertedDeb{DebSum: d, Package: k, archive: u.archives[k.Archive].pin.ID(), listed: true}, true
		}
	}
	return assertedDeb{}, false
}

// debPlace is where an archive may have a package.
type debPlace struct {
	pocket aptmirror.Pocket
	path   string
}

// placesOf guesses where a package was: beside what the archives have of its name
// now, or below its own name.
func (u *universe) placesOf(suite aptmirror.Suite, d manifest.DebSum) []debPlace {
	var all []debPlace
	add := func(p debPlace) {
		if !slices.ContainsFunc(all, func(o debPlace) bool { return o.pocket.Archive == p.pocket.Archive && o.path == p.path }) {
			all = append(all, p)
		}
	}
	if u.pool != nil {
		for _, k := range u.pool.Packages(d.Name) {
			a := u.archives[k.Archive]
			add(debPlace{a.pocket, aptmirror.PoolPath(d.Name, d.Version, d.Architecture, k.Filename, "")})
		}
	}
	known := len(all) > 0
	for _, pocket := range suite.PocketsFor(d.Architecture) {
		if known && len(all) > 0 && slices.ContainsFunc(all, func(o debPlace) bool { return o.pocket.Archive == pocket.Archive }) {
			continue
		}
		beside := ""
		if known { // the security archive has the same folders
			beside = all[0].path
		}
		for _, c := range pocket.Components {
			add(debPlace{pocket, aptmirror.PoolPath(d.Name, d.Version, d.Architecture, beside, c)})
		}
	}
	return all
}

// search is the search for one package.
type search struct {
	deb    manifest.DebSum
	places []debPlace
	urls   []placed
	next   int // of urls
	tried  []fetch.Attempt
	blob   manifest.Blob
	place  int // where it was found
	done   bool
}

type placed struct {
	url   string
	place int
}

// address lists where to ask: the archive as it is, services that know every
// file, snapshots.
func (p *Planner) address(s *search, suite aptmirror.Suite, moments []time.Time) {
	seen := map[string]bool{}
	add := func(i int, urls []string) {
		for _, u := range urls {
			if !seen[u] {
				s.urls = append(s.urls, placed{u, i})
			}
			seen[u] = true
		}
	}
	for i, at := range s.places {
		add(i, aptmirror.Below(p.Mirrors.Current(at.pocket, suite.Closed), at.path))
	}
	for i, at := range s.places {
		add(i, p.Mirrors.Files(at.pocket.Archive, s.deb.Name, s.deb.Version, s.deb.Architecture))
	}
	for i, at := range s.places {
		add(i, aptmirror.Below(p.Mirrors.Snapshots(at.pocket.Archive, moments...), at.path))
	}
}

// find asks for each package at one address after the other. How long a file is
// only its server knows; what counts is the hash. hosts are those given up already.
func (p *Planner) find(ctx context.Context, r Request, suite aptmirror.Suite, target string, all []*search, hosts *hostFailures) error {
	open := slices.DeleteFunc(slices.Clone(all), func(s *search) bool { return s.done })
	if len(open) == 0 {
		return nil
	}
	moments := []time.Time{p.Snapshot}
	if p.Snapshot.IsZero() {
		if at, err := time.Parse(time.DateTime, r.reference); err == nil {
			moments = aptmirror.BuildMoments(at, p.Now)
		}
	}
	p.Story(fmt.Sprintf("%s: no index lists %d packages of the assert; looking for them where they were", target, len(open)))
	for _, s := range open {
		p.address(s, suite, moments)
	}
	for len(open) > 0 {
		jobs, err := p.sizes(ctx, open, hosts)
		if err != nil {
			return err
		}
		if len(jobs) == 0 {
			return nil
		}
		err = p.Fetch.Fetch(ctx, p.Store, jobs, p.Progress("packages"))
		var missing *fetch.MissingError
		if err != nil && !errors.As(err, &missing) {
			return err
		}
		for _, s := range open {
			if s.next < len(s.urls) {
				s.settle(p.Store.Has(s.blob), missing)
			}
		}
		open = slices.DeleteFunc(open, func(s *search) bool { return s.done || s.next >= len(s.urls) })
	}
	return nil
}

// settle notes how the fetch from the address at hand has ended.
func (s *search) settle(there bool, missing *fetch.MissingError) {
	if there {
		s.done, s.place = true, s.urls[s.next].place
		return
	}
	if missing != nil {
		for _, f := range missing.Jobs {
			if f.Job.Blob == s.blob {
				s.tried = append(s.tried, f.Tried...)
			}
		}
	}
	s.next++
}

// sizes moves each search to the next address that has a file, and makes jobs.
func (p *Planner) sizes(ctx context.Context, open []*search, hosts *hostFailures) ([]fetch.Job, error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(sideBySide)
	for _, s := range open {
		g.Go(func() error {
			for ; s.next < len(s.urls); s.next++ {
				size, err := hosts.ask(s.urls[s.next].url, func(u string) (int64, error) { return p.Fetch.Size(gctx, []string{u}, maxDeb) })
				if gctx.Err() != nil {
					return gctx.Err()
				}
				if err == nil {
					s.blob = manifest.Blob{SHA256: s.deb.SHA256, Size: size}
					return nil
				}
				s.tried = append(s.tried, fetch.Attempt{URL: fetch.Redact(s.urls[s.next].url), Err: err})
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("looking for packages of the assert: %w", err)
	}
	var jobs []fetch.Job
	for _, s := range open {
		if s.next < len(s.urls) {
			jobs = append(jobs, fetch.Job{Name: s.deb.File(), URLs: []string{s.urls[s.next].url}, Blob: s.blob})
		}
	}
	return jobs, nil
}
