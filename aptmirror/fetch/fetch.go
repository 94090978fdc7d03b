// Package fetch downloads files whose hash is known, many at a time, from
// whoever has them, and small files that no hash pins yet.
//
// A Job names a blob and the addresses where it may be found, in order of
// preference. An address is an http, https or file URL or an absolute path.
// Bytes go straight into a Store as they arrive and become a blob only if size
// and hash are right, so it does not matter who served them. One address
// failing for good (404, wrong bytes, a redirect that is not followed) leads to
// the next at once; what may pass (a broken connection, 429, 5xx, silence) is
// tried again first, after a growing pause, and goes on where it stopped. A
// host that answers 429 or 503 gets half as many requests at a time, and one
// more after each run of successes. A host that fails again and again with
// nothing good in between is asked seldom, then no more. What nobody had is reported together at the end, in
// one *MissingError.
//
// Hosts are never asked for more than Options.PerHost files at a time. HTTP/2
// and compressed transfers are not used; credentials in a URL go to that host
// alone and into no message.
package fetch

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options says how a Client behaves. Its zero value is ready for use.
type Options struct {
	// Transport carries out requests; nil means one of the client's own.
	// Offline{} refuses them all.
	Transport http.RoundTripper
	// Proxy is asked for the proxy of each request, as in http.Transport. Nil
	// means none. It is not used with a Transport that was given.
	Proxy Proxy
	// TLS is asked how to speak to each host by https. Nil means as ever. It is
	// not used with a Transport that was given.
	TLS TLS

	PerHost int // requests to one host at a time; default 8
	Total   int // requests to all hosts at a time; default 24

	Retries      int           // attempts after the first, for each URL; default 5, negative: none
	Backoff      time.Duration // before the first of them, doubling for each further; default 500ms
	MaxBackoff   time.Duration // longest pause, and longest Retry-After that is heeded; default 1 minute
	MaxRedirects int           // in a row; default 5, negative: none

	DialTimeout   time.Duration // for a connection; default 15s
	AnswerTimeout time.Duration // from the request to the header of the answer; default 1 minute
	// An answer that brings less than MinRate bytes a second (default 1024)
	// throughout a RateWindow (default 30s) is given up. Time in which the
	// client is busy storing does not count.
	// So an answer of n bytes takes n/MinRate seconds and a window at the most.
	// There is no stricter rate for large files: where all share one slow line,
	// each is slow, and honest.
	MinRate    int64
	RateWindow time.Duration

	UserAgent string // default "satchel"

	Clock  Clock          // default: the machine's
	Random func() float64 // in [0,1), spreads the pauses; default: math/rand
}

// Clock tells the time and lets it pass. Sleep returns ctx's error if that ends
// first.
type Clock interface {
	Now() time.Time
	Sleep(ctx context.Context, d time.Duration) error
}

// A Client downloads. It may be used by many goroutines; they share its bounds.
type Client struct {
	o   Options
	rt  http.RoundTripper
	own *http.Transport // what rt makes its connections with, if it is the client's own
	tls *byHost         // rt, likewise

	buffers sync.Pool // of *[]byte

	mu     sync.Mutex
	cond   *sync.Cond     // something below, or in a run, has changed
	active map[string]int // requests under way, by host
}

// bufSize is how much of an answer is read and stored at a time.
const bufSize = 256 << 10

// New returns a client.
func New(o Options) *Client {
	o.fill()
	c := &Client{o: o, rt: o.Transport, active: map[string]int{}}
	c.cond = sync.NewCond(&c.mu)
	c.buffers.New = func() any { b := make([]byte, bufSize); return &b }
	if c.rt == nil {
		c.own = newTransport(o)
		c.tls = &byHost{usual: c.own, tls: o.TLS}
		c.rt = c.tls
	}
	return c
}

// Close ends the connections that are kept for further requests.
func (c *Client) Close() {
	if c.tls != nil {
		c.tls.CloseIdleConnections()
	}
}

// Sleep lets time pass by the client's clock. It returns ctx's error if that
// ends first.
func (c *Client) Sleep(ctx context.Context, d time.Duration) error { return c.o.Clock.Sleep(ctx, d) }

func (o *Options) fill() {
	orDefault(&o.PerHost, 8)
	orDefault(&o.Total, 24)
	orDefault(&o.Retries, 5)
	orDefault(&o.Backoff, 500*time.Millisecond)
	orDefault(&o.MaxBackoff, time.Minute)
	orDefault(&o.MaxRedirects, 5)
	orDefault(&o.DialTimeout, 15*time.Second)
	orDefault(&o.AnswerTimeout, time.Minute)
	orDefault(&o.MinRate, 1024)
	orDefault(&o.RateWindow, 30*time.Second)
	orDefault(&o.UserAgent, "satchel")
	o.PerHost, o.Total = max(o.PerHost, 1), max(o.Total, 1)
	o.Retries, o.MaxRedirects = max(o.Retries, 0), max(o.MaxRedirects, 0)
	if o.Clock == nil {
		o.Clock = machineClock{}
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
}

func orDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

func newTransport(o Options) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	conns := o.PerHost
	if o.Proxy != nil {
		conns = o.Total // a proxy stands for many hosts
	}
	return &http.Transport{
		Proxy:                  o.Proxy,
		DialContext:            (&net.Dialer{Timeout: o.DialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    o.DialTimeout,
		DisableCompression:     true,
		MaxIdleConns:           o.Total,
		MaxIdleConnsPerHost:    conns,
		MaxConnsPerHost:        conns,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		ReadBufferSize:         32 << 10,
		Protocols:              protocols,
	}
}

type machineClock struct{}

func (machineClock) Now() time.Time { return time.Now() }

func (machineClock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
