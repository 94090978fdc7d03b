//go:build linux

package guest

import (
	"context"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// stager unpacks packages aside on all processors: first in the order in which
// they come, for it begins while others are on their way; then wave by wave,
// within a wave the largest first, so that the last to finish is a small one.
type stager struct {
	mu      sync.Mutex // of what follows
	changed *sync.Cond
	pending []*staged
	all     bool // no more will come
	failed  error
	wait    func() error
}

// newStager starts to stage what it will be given. The caller must end ctx or
// call arrange, and then wait.
func newStager(ctx context.Context, epoch int64) *stager {
	st := &stager{}
	st.changed = sync.NewCond(&st.mu)
	g, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() { st.fail(context.Cause(ctx)) })
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			giveWay()
			for {
				s, err := st.next()
				if s == nil {
					return err
				}
				if err := s.stage(ctx, epoch); err != nil {
					st.fail(err)
					return err
				}
				close(s.ready)
			}
		})
	}
	st.wait = sync.OnceValue(func() error {
		defer stop()
		return g.Wait()
	})
	return st
}

// giveWay has the caller's thread, which nothing else will run on any more, go
// behind all others: the scripts of packages run one after another, and whatever
// they have to wait for makes the whole longer.
func giveWay() {
	runtime.LockOSThread()
	if inverse, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err == nil { // 20 less the nice value
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, min(20-inverse+5, 19)) // it works without, too
	}
}

// fail ends the work with a reason, the first of which counts.
func (st *stager) fail(err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.failed == nil {
		st.failed = err
	}
	st.changed.Broadcast()
}

// add gives it a package.
func (st *stager) add(s *staged) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.pending = append(st.pending, s)
	st.changed.Signal()
}

// arrange puts what is left into the order of the waves. Nothing may be added
// afterwards.
func (st *stager) arrange(waves [][]*staged) {
	st.mu.Lock()
	defer st.mu.Unlock()
	left := make(map[*staged]bool)
	for _, s := range st.pending {
		left[s] = true
	}
	st.pending = st.pending[:0]
	for _, w := range waves {
		st.pending = append(st.pending, pick(largestFirst(w), left, true)...)
	}
	st.all = true
	st.changed.Broadcast()
}

// next waits for a package to stage. It is nil at the end, or after a failure.
func (st *stager) next() (*staged, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for len(st.pending) == 0 && !st.all && st.failed == nil {
		st.changed.Wait()
	}
	if len(st.pending) == 0 || st.failed != nil {
		return nil, st.failed
	}
	s := st.pending[0]
	st.pending = st.pending[1:]
	return s, nil
}
