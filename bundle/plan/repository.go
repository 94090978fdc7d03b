package plan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"satchel/aptmirror"
	"satchel/manifest"
)

// part is what a target takes of an archive.
type part struct {
	*archive
	components []string // in the order of apt's sources
	arches     []string // empty: those of the target
}

// key tells parts apart within one Lock.
func (t part) key() string {
	return t.pin.ID() + " " + strings.Join(t.components, ",") + " " + strings.Join(t.arches, ",")
}

// repositories reads the archives that a descriptor adds, in its order.
func (p *Planner) repositories(ctx context.Context, r Request) ([]part, error) {
	var parts []part
	unused := maps.Clone(r.Keyrings)
	for _, wish := range r.Descriptor.Repositories {
		repo, err := aptmirror.ReadRepository(r.Descriptor.Distro, wish.Source, wish.Name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Descriptor.File, err)
		}
		keys, err := p.keysOf(repo, wish, r.Keyrings)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Descriptor.File, err)
		}
		delete(unused, repo.Archive)
		a, err := p.keptArchive(ctx, repo.Pocket, repo.Suite, keys)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{a, repo.Components, repo.Architectures})
	}
	for _, name := range slices.Sorted(maps.Keys(unused)) {
		return nil, fmt.Errorf("satchel.yaml has a keyring for %q, but %s has no repository of that name", name, r.Descriptor.File)
	}
	return parts, nil
}

// keysOf finds whom a repository is trusted by. A key that this machine trusts
// for other archives does not speak for it.
func (p *Planner) keysOf(repo aptmirror.Repository, wish manifest.Repository, given map[string]*aptmirror.Keyring) (*aptmirror.Keyring, error) {
	switch k := given[repo.Archive]; {
	case k != nil:
		return k, nil
	case repo.URI == "" || p.AnySigner:
		return p.Keyring, nil
	}
	where := "get its key from whoever runs it"
	if wish.Key != "" {
		where = "the descriptor says that its key is at " + wish.Key + ": get it"
	}
	return nil, fmt.Errorf("repository %s (%s): no key is known for it; %s, compare the fingerprint with one from elsewhere, "+
		"and name the file in satchel.yaml beside the descriptor (keyrings: {%s: FILE}), or give all keys with --archive-keyring",
		repo.Archive, wish.Source, where, repo.Archive)
}

// keptArchive is archive for a repository: one that was read before must be
// the same one, at the same place and by the same keys.
func (p *Planner) keptArchive(ctx context.Context, pocket aptmirror.Pocket, suite aptmirror.Suite, keys *aptmirror.Keyring) (*archive, error) {
	a, err := p.archive(ctx, pocket, suite, keys)
	if err != nil {
		return nil, err
	}
	if a.pocket.URI != pocket.URI {
		return nil, fmt.Errorf("repository %s is at %s and at %s: give one of them another name", a.pin.ID(), a.pocket.URI, pocket.URI)
	}
	if !slices.Equal(a.keys.Fingerprints(), keys.Fingerprints()) {
		return nil, errors.New("repository " + a.pin.ID() + " is trusted by different keys for different descriptors: lock them one by one")
	}
	return a, nil
}

// widen lists what a target takes of the archives of its suite, and of those
// that its descriptor adds: nothing twice.
func widen(own []*archive, extra []part) []part {
	var all []part
	for _, a := range own {
		all = append(all, part{a, a.pocket.Components, nil})
	}
	for _, e := range extra {
		e.components = slices.DeleteFunc(slices.Clone(e.components), func(c string) bool {
			return slices.ContainsFunc(all, func(o part) bool { return o.archive == e.archive && slices.Contains(o.components, c) })
		})
		if len(e.components) > 0 {
			all = append(all, e)
		}
	}
	return all
}

// narrow leaves the architectures that a part has: those that it is said to
// have, or else what the table of suites knows. A descriptor's repository need
// not have all of the target's, for apt passes over it then.
func (t part) narrow(arches []string) []string {
	return slices.DeleteFunc(slices.Clone(arches), func(a string) bool {
		if len(t.arches) > 0 {
			return !slices.Contains(t.arches, a)
		}
		return !t.pocket.Serves(a) || t.pocket.URI != "" && !slices.Contains(t.release.Architectures, a)
	})
}
