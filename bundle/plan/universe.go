package plan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"satchel/aptmirror"
	"satchel/aptmirror/fetch"
)

// universe is everything that a suite has for some architectures, read once
// however many targets there are.
type universe struct {
	archives []part // by Package.Archive
	indexes  []index
	pool     *aptmirror.Pool
	// unreached is who was asked in vain for archives, if there are none.
	unreached *fetch.MissingError
}

// universe reads all pockets of a suite, and then what a descriptor adds; arches
// has the native one first.
func (p *Planner) universe(ctx context.Context, suite aptmirror.Suite, arches []string, extra []part) (*universe, error) {
	key := suite.Distro + " " + suite.Name + " " + strings.Join(arches, " ")
	for _, e := range extra {
		key += " " + e.key()
	}
	if u, ok := p.universes[key]; ok {
		return u, nil
	}
	p.Story(fmt.Sprintf("Reading the archives of %s %s", suite.Distro, suite.Name))
	own, err := p.pockets(ctx, suite, arches)
	if err != nil {
		return nil, err
	}
	u := &universe{archives: widen(own, extra)}
	if u.indexes, err = p.indexes(ctx, u.archives, arches); err != nil {
		return nil, err
	}
	if u.pool, err = p.pool(ctx, u.archives, arches, u.indexes); err != nil {
		return nil, err
	}
	p.universes[key] = u
	return u, nil
}

// indexes fetches the Packages indexes of all archives.
func (p *Planner) indexes(ctx context.Context, archives []part, arches []string) ([]index, error) {
	var all []index
	for i, a := range archives {
		files, err := p.packages(ctx, a, arches)
		if err != nil {
			return nil, err
		}
		a.used = true
		for _, f := range files {
			all = append(all, index{a.archive, f, i})
		}
	}
	return all, nil
}

// pool takes the pool of some indexes out of the cache, or else builds it there.
func (p *Planner) pool(ctx context.Context, archives []part, arches []string, indexes []index) (*aptmirror.Pool, error) {
	var infos []aptmirror.ArchiveInfo
	for _, a := range archives {
		infos = append(infos, a.info())
	}
	key := poolKey(arches, infos, indexes)
	if pool, ok := p.Pools.open(key); ok {
		return pool, nil
	}
	plain := int64(0)
	for _, x := range indexes {
		b, _ := x.release.Plain(x.Path)
		plain += b.Size
	}
	file := p.Pools.make(aptmirror.PoolRoom(plain))
	builder, err := aptmirror.NewPoolBuilder(arches[0], arches[1:], infos, plain, file.memory())
	if err == nil {
		err = p.read(ctx, builder, indexes)
	}
	if err != nil {
		return nil, errors.Join(err, file.drop())
	}
	pool, err := builder.Build()
	if err != nil {
		return nil, errors.Join(err, file.drop())
	}
	p.saving.Go(func() error { return p.Pools.save(key, pool, builder, file) })
	return pool, nil
}

// read reads indexes one after the other into a pool, while the next one is
// already being decoded.
func (p *Planner) read(ctx context.Context, builder *aptmirror.PoolBuilder, indexes []index) error {
	ahead := func(i int) *readAhead {
		if i == len(indexes) {
			return nil
		}
		return newReadAhead(func() (io.ReadCloser, error) { return p.open(indexes[i]) })
	}
	next := ahead(0)
	for i, x := range indexes {
		text := next
		next = ahead(i + 1)
		err := ctx.Err()
		if err == nil {
			err = builder.ReadIndex(x.name(), text, x.number)
		}
		text.Close()
		if err != nil {
			if next != nil {
				next.Close()
			}
			return fmt.Errorf("reading archive %s: %w", x.pin.ID(), err)
		}
	}
	return nil
}

func (a *archive) info() aptmirror.ArchiveInfo {
	r := a.release
	return aptmirror.ArchiveInfo{Suite: r.Suite, Codename: r.Codename, Version: r.Version, NotAutomatic: r.NotAutomatic, ButAutomaticUpgrades: r.ButAutomaticUpgrades}
}
