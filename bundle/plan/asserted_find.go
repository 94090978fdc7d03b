package plan

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
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

// An UnfoundError lists what an assert names and nobody has. Sizes are 0: an
// assert does not tell them.
type UnfoundError struct {
	Blobs    []manifest.NeededBlob // by name
	Archives []manifest.NeededArchive
	Of       int // how many were looked for
}

// shownUnfound bounds the list of one message; needs have it whole.
const shownUnfound = 20

func (e *UnfoundError) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "nobody has %d of %d packages and files that the assert names:", len(e.Blobs), e.Of)
	for i, b := range e.Blobs {
		if i == shownUnfound {
			fmt.Fprintf(&s, "\n  and %d more (--needs FILE writes them all down)", len(e.Blobs)-i)
			break
		}
		fmt.Fprintf(&s, "\n  %s sha256 %s", b.Name, b.SHA256.Hex())
		for _, t := range b.Tried[max(0, len(b.Tried)-2):] {
			fmt.Fprintf(&s, "\n    %s: %s", t.URL, t.Answer)
		}
	}
	s.WriteString("\n--from takes them from folders, apt's caches and older bundles; --mirror names a mirror or a snapshot service; " +
		"--snapshot a moment when the archive had them; another assert of the release may list others")
	return s.String()
}

// takes notes what another search did not find, and tells whether it was that.
func (e *UnfoundError) takes(err error) bool {
	var more *UnfoundError
	if !errors.As(err, &more) {
		return false
	}
	for _, b := range more.Blobs {
		if !slices.ContainsFunc(e.Blobs, func(o manifest.NeededBlob) bool { return o.SHA256 == b.SHA256 }) {
			e.Blobs = append(e.Blobs, b)
		}
	}
	for _, a := range more.Archives {
		if !slices.ContainsFunc(e.Archives, func(o manifest.NeededArchive) bool { return o.ID() == a.ID() }) {
			e.Archives = append(e.Archives, a)
		}
	}
	e.Of += more.Of
	return true
}

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
	if err := p.find(ctx, r, suite, target, searches); err != nil {
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
// only its server knows; what counts is the hash.
func (p *Planner) find(ctx context.Context, r Request, suite aptmirror.Suite, target string, all []*search) error {
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
	hosts := &hostFailures{count: map[string]int{}}
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

// hostFailures gives hosts up that give no answer.
type hostFailures struct {
	mu    sync.Mutex
	count map[string]int
	last  error
}

func (h *hostFailures) ask(address string, size func(string) (int64, error)) (int64, error) {
	host := address
	if u, err := url.Parse(address); err == nil {
		host = u.Host
	}
	h.mu.Lock()
	n, last := h.count[host], h.last
	h.mu.Unlock()
	if n >= maxFailures {
		return 0, &fetch.HostError{Host: host, Tries: n, Last: last}
	}
	answer, err := size(address)
	var missing *fetch.MissingError
	if errors.As(err, &missing) && len(missing.Jobs) > 0 && len(missing.Jobs[0].Tried) > 0 {
		err = missing.Jobs[0].Tried[0].Err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil || (fetch.Attempt{Err: err}).Absent() {
		h.count[host] = 0
	} else {
		h.count[host]++
		h.last = err
	}
	return answer, err
}

// add notes a package that nobody has, with where it was looked for.
func (e *UnfoundError) add(s *search, reference string) {
	place := s.places[0]
	b := manifest.NeededBlob{Name: s.deb.File(), Blob: manifest.Blob{SHA256: s.deb.SHA256}, Path: place.path}
	a := manifest.NeededArchive{Name: place.pocket.Archive, Suite: place.pocket.Suite, URI: place.pocket.URI}
	b.Archive = a.ID()
	at, err := time.Parse(time.DateTime, reference)
	if err != nil {
		at = time.Unix(0, 0).UTC()
	}
	a.Date = at.UTC().Format(time.RFC3339)
	if !slices.Contains(e.Archives, a) {
		e.Archives = append(e.Archives, a)
	}
	if len(s.tried) == 0 {
		s.tried = []fetch.Attempt{{URL: "nowhere", Err: errNoBytes}}
	}
	for _, t := range s.tried {
		text, _, _ := strings.Cut(t.Err.Error(), "\n")
		b.Tried = append(b.Tried, manifest.Tried{URL: t.URL, Answer: text})
	}
	e.Blobs = append(e.Blobs, b)
}
