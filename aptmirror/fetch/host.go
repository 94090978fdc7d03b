package fetch

import (
	"context"
	"time"
)

const (
	// suspectAfter is how many failures in a row make tasks that may go
	// elsewhere do so.
	suspectAfter = 3
	// worthwhile is how many bytes beyond any earlier attempt make one that
	// broke a good one. To bring the same bytes again is no merit, for a server
	// could go on with that for ever.
	worthwhile = 1 << 20
	// healthy is how many bytes show that a host works: far more than come
	// before one that trickles is given up.
	healthy = 256 << 10
)

// host is how a host behaves in one run. c.mu guards it.
type host struct {
	name    string
	waiting []*task
	active  int
	// rounds counts failures in a row. Attempts that ran side by side count as
	// one: what failed must have begun after the failure before it was seen.
	rounds int
	lone   bool // it fails otherwise than by asking for less: one request at a time
	paused bool
	dead   error

	most, limit int // requests at a time: ever, and now
	cuts        int // how often limit was halved
	run         int // successes since limit changed
}

func (h *host) suspect() bool { return h.rounds >= suspectAfter }

// admits tells whether an attempt may begin; a host in trouble gets one at a
// time, one that is asked too much as many as it takes.
func (h *host) admits() bool { return !h.paused && h.active < h.limit && (!h.lone || h.active == 0) }

// good notes a success. Twice as many in a row as may be under way allow one
// more.
func (h *host) good() {
	h.rounds, h.lone = 0, false
	if h.run++; h.limit < h.most && h.run >= 2*h.limit {
		h.limit++
		h.run = 0
	}
}

// cut halves what may be under way at a host that asks for less, once for all
// attempts that ran side by side.
func (h *host) cut(t *task) {
	h.run = 0
	if t.cuts != h.cuts {
		return
	}
	h.cuts++
	h.limit = max(h.limit/2, 1)
}

// begin takes the first task that waits.
func (h *host) begin() *task {
	t := h.waiting[0]
	h.waiting = h.waiting[1:]
	h.active++
	t.began, t.cuts = h.rounds, h.cuts
	t.gained, t.further = 0, 0
	return t
}

// again decides, after a failure that may pass, whether t's URL is to be tried
// again, and when. It also keeps the host's record. c.mu is held.
func (r *run) again(t *task, err error) (time.Duration, bool) {
	h := t.host
	if busy(err) {
		h.cut(t)
	}
	if t.further >= worthwhile {
		t.tries = 0
	} else if t.began == h.rounds {
		h.rounds++
		h.lone = h.rounds >= 2 && !busy(err)
		r.trouble(h, err)
	}
	t.tries++
	wait, ok := r.c.pause(t.tries, err)
	if !ok || t.tries > r.c.o.Retries {
		return 0, false
	}
	if stalled(err) && r.elsewhere(t) {
		return 0, false
	}
	return wait, true
}

// trouble gives a host that fails in a row time to recover, and in the end
// gives it up.
func (r *run) trouble(h *host, err error) {
	if h.rounds > r.c.o.Retries+1 {
		h.dead = &HostError{Host: h.name, Tries: h.rounds, Last: err}
	}
	if h.dead != nil || h.suspect() {
		waiting := h.waiting
		h.waiting = nil
		for _, t := range waiting {
			r.enqueue(t)
		}
	}
	if h.dead != nil || h.paused || h.rounds < 2 && answered(err) {
		return
	}
	wait, _ := r.c.pause(h.rounds, err)
	h.paused = true
	r.after(wait, func() { h.paused = false })
}

// later lets t wait its turn again after a pause.
func (r *run) later(t *task, d time.Duration) { r.after(d, func() { r.enqueue(t) }) }

// after does f when d has passed, with c.mu held, unless the run ends before.
func (r *run) after(d time.Duration, f func()) {
	r.wg.Go(func() {
		if r.c.o.Clock.Sleep(r.ctx, d) != nil {
			return
		}
		r.c.mu.Lock()
		defer r.c.mu.Unlock()
		f()
		r.c.cond.Broadcast()
	})
}

// A slot is the right to have one request under way, at one host at a time.
type slot struct {
	c    *Client
	host string // "" when it has been given back
}

// acquire waits for room at a host.
func (c *Client) acquire(ctx context.Context, host string) (*slot, error) {
	defer context.AfterFunc(ctx, c.wake)()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.active[host] >= c.o.PerHost {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c.cond.Wait()
	}
	c.active[host]++
	return &slot{c: c, host: host}, nil
}

// move exchanges the slot for one at another host.
func (s *slot) move(ctx context.Context, host string) error {
	if host == s.host {
		return nil
	}
	s.free()
	n, err := s.c.acquire(ctx, host)
	if err == nil {
		s.host = n.host
	}
	return err
}

func (s *slot) free() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.host == "" {
		return
	}
	if s.c.active[s.host]--; s.c.active[s.host] == 0 {
		delete(s.c.active, s.host)
	}
	s.host = ""
	s.c.cond.Broadcast()
}

// wake lets everybody who waits look again.
func (c *Client) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cond.Broadcast()
}
