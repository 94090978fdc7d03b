package runner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// locks keep builds that go on side by side out of each other's way.
type locks struct {
	preparing sync.Mutex
	mu        sync.Mutex
	caches    map[string]*sync.Mutex
}

// cache waits until no other build uses the build caches of b's suite and
// architecture: what one keeps the next one finds, and nothing of either is lost.
func (l *locks) cache(b *build) (unlock func()) {
	if !b.descriptor.EnableCache {
		return func() {}
	}
	l.mu.Lock()
	if l.caches == nil {
		l.caches = map[string]*sync.Mutex{}
	}
	key := cacheKey(b.target)
	one := l.caches[key]
	if one == nil {
		one = &sync.Mutex{}
		l.caches[key] = one
	}
	l.mu.Unlock()
	one.Lock()
	return one.Unlock
}

// buildAll carries out what an earlier run has not finished, some side by
// side. After a failure those that go on are waited for and kept, and none is
// begun. The error is that of the first build in order.
func (r *Run) buildAll(ctx context.Context, stage string, builds []*build) error {
	if err := r.folders(stage, builds); err != nil {
		return err
	}
	for _, b := range builds {
		if err := b.resume(ctx, stage); err != nil {
			return err
		}
	}
	errs := make([]error, len(builds))
	next := make(chan int)
	failed := make(chan struct{})
	var once sync.Once
	var group sync.WaitGroup
	for range max(1, min(r.SideBySide, len(builds))) {
		group.Go(func() {
			for i := range next {
				if errs[i] = builds[i].carryOut(ctx, stage); errs[i] == nil {
					errs[i] = r.agree(builds, builds[i])
				}
				if errs[i] != nil {
					once.Do(func() { close(failed) })
				}
			}
		})
	}
	for i, b := range builds {
		if b.done != nil {
			continue
		}
		select {
		case <-failed:
		case <-ctx.Done():
		default:
			select {
			case next <- i:
			case <-failed:
			case <-ctx.Done():
			}
		}
	}
	close(next)
	group.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// folders makes those that builds write to.
func (r *Run) folders(stage string, builds []*build) error {
	for _, b := range builds {
		for _, dir := range []string{b.dir(stage), filepath.Dir(b.logs(stage)), filepath.Join(stage, b.folder, "out")} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("making the result folder: %w", err)
			}
		}
	}
	return nil
}

// agree tells early whether what b made fits beside what the descriptor's
// other targets made.
func (r *Run) agree(builds []*build, b *build) error {
	r.locks.mu.Lock()
	defer r.locks.mu.Unlock()
	b.told = true
	for _, o := range builds {
		if o == b || !o.told || o.pin.Name != b.pin.Name {
			continue
		}
		if err := b.done.beside(o.done); err != nil {
			return err
		}
	}
	return nil
}
