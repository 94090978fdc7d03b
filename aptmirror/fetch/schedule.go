package fetch

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Fetch brings every job's blob into store and returns when all that can be
// had is there and flushed. Blobs that are stored already cost no request, and
// equal blobs are fetched once. The largest go first.
//
// What nobody had is a *MissingError, after all else is done. A store that
// fails ends the Fetch at once with its error, and so does ctx; what has
// arrived by then is kept for the next time. p may be nil.
func (c *Client) Fetch(ctx context.Context, store Store, jobs []Job, p Progress) error {
	if p == nil {
		p = NoProgress{}
	}
	tasks, total, err := plan(store, jobs)
	if err != nil {
		return err
	}
	p.Start(total, len(tasks))
	defer p.Done()
	r := &run{
		c: c, store: store, p: &lockedProgress{p: p}, tasks: tasks, open: len(tasks),
		hosts: map[string]*host{},
	}
	r.ctx, r.cancel = context.WithCancel(ctx)
	defer r.cancel()
	defer context.AfterFunc(r.ctx, c.wake)()
	r.work()
	err = r.outcome(ctx, jobs)
	if e := store.Flush(); e != nil && (err == nil || errors.As(err, new(*MissingError))) {
		err = fmt.Errorf("fetching: %w", e)
	}
	return err
}

// run is one Fetch. What changes is guarded by c.mu.
type run struct {
	c      *Client
	ctx    context.Context
	cancel context.CancelFunc
	store  Store
	p      *lockedProgress
	wg     sync.WaitGroup // workers and pauses

	tasks []*task
	open  int // tasks that are neither done nor failed
	hosts map[string]*host
	names []string // of hosts, in the order they came up
	fatal error
}

func (r *run) work() {
	r.c.mu.Lock()
	for _, t := range r.tasks {
		r.enqueue(t)
	}
	workers := min(r.c.o.Total, r.open)
	r.c.mu.Unlock()
	for range workers {
		r.wg.Go(r.worker)
	}
	r.wg.Wait()
}

func (r *run) worker() {
	for {
		t, s := r.next()
		if t == nil {
			return
		}
		err := r.attempt(t, s)
		s.free()
		if err == nil {
			r.p.item(t.name)
		}
		r.settle(t, err)
	}
}

// host returns what is known of a host. c.mu is held.
func (r *run) host(name string) *host {
	h := r.hosts[name]
	if h == nil {
		h = &host{name: name, most: r.c.o.PerHost, limit: r.c.o.PerHost}
		r.hosts[name] = h
		r.names = append(r.names, name)
	}
	return h
}

// enqueue lets t wait for the host of its next URL, or ends it where no URL is
// left. c.mu is held.
func (r *run) enqueue(t *task) {
	for len(t.urls) > 0 {
		u, err := parseAddress(t.urls[0])
		if err != nil {
			t.giveUp(err)
			continue
		}
		h := r.host(hostOf(u))
		if h.dead != nil {
			t.giveUp(h.dead)
			continue
		}
		if h.suspect() && t.turns < len(t.urls) && r.elsewhere(t) {
			t.rotate()
			continue
		}
		t.url, t.host = u, h
		h.waiting = append(h.waiting, t)
		return
	}
	t.failed = true
	r.open--
}

// elsewhere tells whether some other URL of t is at a host of no ill fame.
func (r *run) elsewhere(t *task) bool {
	for _, s := range t.urls[1:] {
		u, err := parseAddress(s)
		if err != nil {
			continue
		}
		if h := r.hosts[hostOf(u)]; h == nil || h.dead == nil && !h.suspect() {
			return true
		}
	}
	return false
}

// next waits for a task whose host has room, and gives the slot for it; nil
// when there is nothing more to do.
func (r *run) next() (*task, *slot) {
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if r.open == 0 || r.fatal != nil || r.ctx.Err() != nil {
			return nil, nil
		}
		for _, name := range r.names {
			h := r.hosts[name]
			if len(h.waiting) == 0 || !h.admits() || c.active[name] >= c.o.PerHost {
				continue
			}
			c.active[name]++
			return h.begin(), &slot{c: c, host: name}
		}
		c.cond.Wait()
	}
}

// settle draws the consequences of an attempt.
func (r *run) settle(t *task, err error) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	defer r.c.cond.Broadcast()
	h := t.host
	h.active--
	fate := fateOf(err)
	switch {
	case fate == done:
		h.good()
		r.open--
		return
	case r.ctx.Err() != nil:
		return
	case fate == fatal:
		r.fatal = err
		r.cancel()
		return
	case fate == startOver && !t.fresh:
		t.fresh, t.reset, t.furthest = true, true, 0
	case fate == passing:
		if wait, again := r.again(t, err); again {
			r.later(t, wait)
			return
		}
		t.giveUp(err)
	default:
		if answered(err) {
			h.good()
		}
		t.giveUp(err)
	}
	r.enqueue(t)
}

// outcome is the error that all the work came to.
func (r *run) outcome(ctx context.Context, jobs []Job) error {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if r.fatal != nil {
		return fmt.Errorf("fetching: %w", r.fatal)
	}
	if r.open > 0 {
		return fmt.Errorf("fetching: %w", context.Cause(ctx))
	}
	return missing(r.tasks, jobs)
}
