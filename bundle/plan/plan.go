// Package plan makes locks: it is the step that decides. It reads what
// descriptors wish for, asks archives, registries, git servers and the user's
// own folder what there is, and pins every wish to a hash. What it fetched on
// the way is left in the blob store, so that gathering need not fetch it again.
package plan

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"satchel/aptmirror"
	"satchel/aptmirror/fetch"
	"satchel/bundle/source"
	"satchel/bundle/store"
	"satchel/manifest"
)

// Planner knows where to ask. All fields are needed.
type Planner struct {
	Fetch    *fetch.Client
	Store    *store.Store
	Git      source.Options
	Now      time.Time
	Progress func(what string) fetch.Progress
	Story    func(line string)

	// Keyring holds the keys that archives are checked against.
	Keyring *aptmirror.Keyring
	// AnySigner takes any key of Keyring for any suite. Otherwise one of the keys
	// that the table of suites knows for a suite must have signed: a machine's
	// keyrings hold keys of many suites, retired ones too.
	AnySigner bool
	// Mirrors says where archives are looked for.
	Mirrors aptmirror.Mirrors
	// Snapshot is the moment at which archives are read, at a snapshot service
	// alone; zero means as they are now.
	Snapshot time.Time
	// IgnoreExpiry takes a release file whose Valid-Until has passed, and the
	// lock says so.
	IgnoreExpiry bool
	// AllowWeakHashes takes a release file that lists its indexes by MD5 or SHA-1
	// alone, and the lock says so.
	AllowWeakHashes bool
	// AllowWeakSignatures takes a release file that only DSA keys have signed, or
	// only with SHA-1, and the lock says so; see aptmirror.Keyring.Weakly. Any of
	// them must be a key that the table of suites, or whoever gave the keys, names.
	AllowWeakSignatures bool
	// TrustAssert lets a Request's Assert alone vouch for its packages where no
	// archive of the suite can be had.
	TrustAssert bool

	// Notes is a folder for what is known of release files that mirrors gave, so
	// that the next run fetches them only if they have changed; "" for none.
	Notes string

	// Pools keeps what indexes say, so that they need not be read again.
	Pools PoolCache

	// Asserts are what the lock says that it reproduces; their blobs are in Store.
	Asserts []manifest.AssertPin

	mu     sync.Mutex
	suites map[string]*archive // archives read so far, by ID

	universes map[string]*universe // suites read so far, with their architectures
	lost      map[string]error     // suites whose archives cannot be had, by their names
	saving    *errgroup.Group      // of pools
}

// Request is one descriptor and what the command line says about it.
type Request struct {
	Descriptor *manifest.Descriptor
	Settings   *manifest.Settings
	Keyrings   map[string]*aptmirror.Keyring // of the descriptor's repositories, by name
	Inputs     string                        // folder of files; "" if none
	Commits    map[string]string             // -c: directory → commit, for remotes without one
	URLs       map[string]string             // -u: directory → URL, instead of the descriptor's
	Base       []string                      // base packages instead of gitian's; nil: gitian's
	// Assert is the build that is to be repeated: its commits, its files, its
	// packages and no others. nil: as the archives are.
	Assert *manifest.Result
	// FillIn takes from the archives what the assert's packages lack.
	FillIn    bool
	reference string // REFERENCE_DATETIME
	// Image imports the base system of one architecture; nil means bootstrap.
	Image func(ctx context.Context, architecture string) (manifest.Image, error)
}

// Lock plans all requests. The answer is sorted and valid. If an archive
// changes while it is being read, all is planned again, a few times at most.
func (p *Planner) Lock(ctx context.Context, requests []Request) (*manifest.Lock, error) {
	p.saving = &errgroup.Group{}
	for _, r := range requests {
		p.passedOver(r.Descriptor)
	}
	lock, err := p.rounds(func() (*manifest.Lock, error) { return p.lock(ctx, requests) })
	if e := p.saving.Wait(); e != nil {
		p.Story(e.Error()) // it is slower without, and no worse
	}
	return lock, err
}

// passedOver tells what of a descriptor changes nothing here.
func (p *Planner) passedOver(d *manifest.Descriptor) {
	if len(d.ImageDigests) > 0 { // gbuild takes them with Docker alone
		p.Story(fmt.Sprintf("%s: docker_image_digests is passed over, as by gbuild without Docker; --image %s@sha256:… takes an image by its digest", d.File, d.Distro))
	}
	if len(d.Unknown) > 0 {
		p.Story(fmt.Sprintf("%s: passed over, as by gbuild: %s", d.File, strings.Join(d.Unknown, ", ")))
	}
}

func (p *Planner) lock(ctx context.Context, requests []Request) (*manifest.Lock, error) {
	p.suites, p.universes, p.lost = map[string]*archive{}, map[string]*universe{}, map[string]error{}
	lock := &manifest.Lock{Version: manifest.LockVersion, Archives: []manifest.ArchivePin{}, Asserts: p.Asserts}
	nobody := &UnfoundError{}
	for _, r := range requests {
		pin, err := p.descriptor(ctx, r)
		if err != nil && !nobody.takes(err) {
			return nil, fmt.Errorf("planning %s: %w", r.Descriptor.Name, err)
		}
		r.reference = pin.Reference
		lock.Descriptors = append(lock.Descriptors, pin)
		for _, t := range r.Descriptor.Targets() {
			target, err := p.target(ctx, r, t.Suite, t.Architecture)
			if nobody.takes(err) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("planning %s for %s %s: %w", r.Descriptor.Name, t.Suite, t.Architecture, err)
			}
			lock.Targets = append(lock.Targets, target)
		}
	}
	if len(nobody.Blobs) > 0 {
		return nil, nobody
	}
	for _, a := range p.suites {
		if a.used {
			lock.Archives = append(lock.Archives, a.pin)
		}
	}
	lock.Sort()
	if err := lock.Validate(); err != nil {
		return nil, fmt.Errorf("checking the new lock: %w", err)
	}
	return lock, p.Store.Flush()
}
