package fetch

import (
	"context"
	"io"
	"sync"
	"time"
)

// pace reads an answer's body and ends the request when the bytes come too
// slowly. Only time spent waiting in Read counts.
type pace struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	r      io.Reader
	window time.Duration
	least  int64 // bytes in a window

	mu      sync.Mutex
	timer   *time.Timer
	left    time.Duration // of the window, when Read began to wait
	got     int64         // bytes in the window
	waiting time.Time     // since when Read waits; zero when it does not
}

func (c *Client) pace(ctx context.Context, cancel context.CancelCauseFunc, r io.Reader) *pace {
	return &pace{
		ctx: ctx, cancel: cancel, r: r,
		window: c.o.RateWindow,
		left:   c.o.RateWindow,
		least:  max(int64(float64(c.o.MinRate)*c.o.RateWindow.Seconds()), 1),
	}
}

// Read fails with a *StallError when the body is too slow.
func (p *pace) Read(b []byte) (int, error) {
	p.mu.Lock()
	p.waiting = time.Now()
	if p.timer == nil {
		p.timer = time.AfterFunc(p.left, p.expired)
	} else {
		p.timer.Reset(p.left)
	}
	p.mu.Unlock()

	n, err := p.r.Read(b)

	p.mu.Lock()
	p.timer.Stop()
	p.got += int64(n)
	p.left -= time.Since(p.waiting)
	p.waiting = time.Time{}
	if p.left <= 0 {
		p.turn()
	}
	p.mu.Unlock()
	if err != nil && err != io.EOF {
		err = cause(p.ctx, err)
	}
	return n, err
}

// expired is called when the window ends while Read waits.
func (p *pace) expired() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting.IsZero() || time.Since(p.waiting) < p.left {
		return // too late: the Read that it was for has ended
	}
	if p.turn() {
		p.waiting = time.Now()
		p.timer.Reset(p.left)
	}
}

// turn ends a window, and with it the request if too little came.
func (p *pace) turn() bool {
	if p.got < p.least {
		p.cancel(&StallError{Window: p.window, Bytes: p.got})
		return false
	}
	p.got, p.left = 0, p.window
	return true
}
