package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"satchel/manifest"
)

// fakeClock lets no time pass; it writes down what it was asked for.
type fakeClock struct {
	mu     sync.Mutex
	sleeps []time.Duration
}

func (f *fakeClock) Now() time.Time { return time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC) }

func (f *fakeClock) Sleep(ctx context.Context, d time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sleeps = append(f.sleeps, d)
	return ctx.Err()
}

func TestBackoffGrows(t *testing.T) {
	a := content(1, 1000)
	var rec record
	url := serve(t, rec.wrap(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(502) }))
	clock := &fakeClock{}
	c := newClient(t, Options{Clock: clock, Random: func() float64 { return 0 }, Retries: 9, MaxBackoff: 10 * time.Second})
	f := wantMissing(t, c.Fetch(context.Background(), newMemory(), []Job{{"a", []string{url}, blobOf(a)}}, nil))
	if s := (*StatusError)(nil); !errors.As(f.Tried[0].Err, &s) || s.Code != 502 || rec.count() != 10 {
		t.Errorf("got %v after %d requests", f.Tried[0].Err, rec.count())
	}
	// Half of 0.5, 1, 2, … 10, 10 s; the host rests as long, from the second on.
	slices.Sort(clock.sleeps)
	for _, d := range []time.Duration{250, 500, 1000, 2000, 4000, 5000} {
		if !slices.Contains(clock.sleeps, d*time.Millisecond) {
			t.Errorf("no pause of %v ms in %v", d, clock.sleeps)
		}
	}
	if last := clock.sleeps[len(clock.sleeps)-1]; last > 10*time.Second {
		t.Errorf("a pause of %v", last)
	}
}

func TestRetryAfter(t *testing.T) {
	a := content(1, 1000)
	clock := &fakeClock{}
	for _, tt := range []struct {
		code   int
		header string
		want   time.Duration // longest pause
		fails  bool
	}{
		{429, "7", 7 * time.Second, false},
		{503, clock.Now().Add(9 * time.Second).Format(http.TimeFormat), 9 * time.Second, false},
		{503, "0", 500 * time.Millisecond, false},
		{503, "soon", 500 * time.Millisecond, false},
		{503, "-5", 500 * time.Millisecond, false},
		{429, "3600", 0, true},
		{429, "99999999999999999999", 500 * time.Millisecond, false}, // cannot be read
	} {
		var rec record
		asked := 0
		url := serve(t, rec.wrap(func(w http.ResponseWriter, r *http.Request) {
			if asked++; asked == 1 {
				w.Header().Set("Retry-After", tt.header)
				w.WriteHeader(tt.code)
				return
			}
			serveFile(a)(w, r)
		}))
		clock.sleeps = nil
		c := newClient(t, Options{Clock: clock, Random: func() float64 { return 0.999999 }})
		err := c.Fetch(context.Background(), newMemory(), []Job{{"a", []string{url}, blobOf(a)}}, nil)
		if (err != nil) != tt.fails {
			t.Errorf("%d %s: got %v", tt.code, tt.header, err)
		}
		if tt.fails {
			if rec.count() != 1 {
				t.Errorf("%s: asked %d times", tt.header, rec.count())
			}
			continue
		}
		if got := slices.Max(clock.sleeps); got > tt.want || got < tt.want-time.Millisecond {
			t.Errorf("%d %s: waited %v, want %v", tt.code, tt.header, got, tt.want)
		}
	}
}

// A host that sends a byte now and then, or nothing at all, is left for the
// next mirror.
func TestTrickle(t *testing.T) {
	a := content(1, 100_000)
	release := make(chan struct{})
	defer close(release)
	wait := func(r *http.Request, d time.Duration) {
		select {
		case <-release:
		case <-r.Context().Done():
		case <-time.After(d):
		}
	}
	for name, h := range map[string]http.HandlerFunc{
		"trickle": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100000")
			for i := range a {
				if _, err := w.Write(a[i : i+1]); err != nil || r.Context().Err() != nil {
					return
				}
				w.(http.Flusher).Flush()
				wait(r, 10*time.Millisecond)
			}
		},
		"a good beginning": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100000")
			w.Write(a[:50_000])
			w.(http.Flusher).Flush()
			wait(r, time.Minute)
		},
		"no answer": func(w http.ResponseWriter, r *http.Request) { wait(r, time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			var rec record
			first, second := serve(t, rec.wrap(h)), serve(t, serveFile(a))
			c := newClient(t, Options{RateWindow: 100 * time.Millisecond, MinRate: 10_000,
				AnswerTimeout: 100 * time.Millisecond, Backoff: time.Millisecond, Retries: 1})
			m := newMemory()
			began := time.Now()
			if err := c.Fetch(context.Background(), m, []Job{{"a", []string{first, second}, blobOf(a)}}, nil); err != nil {
				t.Fatal(err)
			}
			want(t, m, a)
			if rec.count() != 1 || time.Since(began) > 3*time.Second {
				t.Errorf("asked %d times, took %v", rec.count(), time.Since(began))
			}
			f := wantMissing(t, c.Fetch(context.Background(), newMemory(), []Job{{"a", []string{first}, blobOf(a)}}, nil))
			if !errors.As(f.Tried[0].Err, new(*StallError)) {
				t.Errorf("alone: got %v, want a StallError", f.Tried[0].Err)
			}
		})
	}
}

// A slow but steady host is no trickle; nor is a store that takes its time.
func TestSlowIsNotStalled(t *testing.T) {
	a := content(1, 40_000)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for b := a; len(b) > 0; b = b[1000:] {
			w.Write(b[:1000])
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	})
	c := newClient(t, Options{RateWindow: 100 * time.Millisecond, MinRate: 10_000, Retries: -1})
	m := newMemory()
	if err := c.Fetch(context.Background(), m, []Job{{"a", []string{url}, blobOf(a)}}, nil); err != nil {
		t.Fatal(err)
	}
	slow := &slowStore{memory: newMemory(), d: 150 * time.Millisecond}
	url = serve(t, serveFile(content(2, 900_000)))
	if err := c.Fetch(context.Background(), slow, []Job{{"a", []string{url}, blobOf(content(2, 900_000))}}, nil); err != nil {
		t.Fatal(err)
	}
}

type slowStore struct {
	*memory
	d time.Duration
}

func (s *slowStore) Partial(b manifest.Blob) (Partial, error) {
	p, err := s.memory.Partial(b)
	return slowPartial{p, s.d}, err
}

type slowPartial struct {
	Partial
	d time.Duration
}

func (s slowPartial) Write(b []byte) (int, error) {
	time.Sleep(s.d)
	return s.Partial.Write(b)
}

// A host that is down costs a bounded number of attempts, however many files
// it should have had, and all of them come from elsewhere.
func TestDeadHost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepted atomic.Int32
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			conn.Close()
		}
	}()
	defer l.Close()
	dead := "http://" + l.Addr().String()
	good := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var i int
		fmt.Sscanf(r.URL.Path, "/%d", &i)
		serveFile(content(uint64(i), 1000+i))(w, r)
	})
	var jobs, alone []Job
	for i := range 200 {
		b := blobOf(content(uint64(i), 1000+i))
		jobs = append(jobs, Job{fmt.Sprint(i), []string{fmt.Sprintf("%s/%d", dead, i), fmt.Sprintf("%s/%d", good, i)}, b})
		alone = append(alone, Job{fmt.Sprint(i), []string{fmt.Sprintf("%s/%d", dead, i)}, b})
	}
	c := newClient(t, quick())
	m := newMemory()
	if err := c.Fetch(context.Background(), m, jobs, nil); err != nil {
		t.Fatal(err)
	}
	if len(m.blobs) != 200 {
		t.Errorf("%d blobs, want 200", len(m.blobs))
	}
	if n := accepted.Load(); n > 30 {
		t.Errorf("the dead host was tried %d times", n)
	}
	accepted.Store(0)
	err = c.Fetch(context.Background(), newMemory(), alone, nil)
	var missing *MissingError
	if !errors.As(err, &missing) || len(missing.Jobs) != 200 {
		t.Fatalf("got %v", err)
	}
	if n := accepted.Load(); n > 30 {
		t.Errorf("alone, the dead host was tried %d times", n)
	}
	if !errors.As(err, new(*HostError)) || missing.NotFound() {
		t.Errorf("no HostError in %v", err)
	}
	if text := err.Error(); strings.Count(text, "\n") > 50 || !strings.Contains(text, "200 of 200") || !strings.Contains(text, "and 180 more") {
		t.Errorf("the text is %s", text)
	}
}

// A host that comes back within the retries is not given up.
func TestHostComesBack(t *testing.T) {
	var once sync.Once
	var up time.Time
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { up = time.Now().Add(60 * time.Millisecond) })
		if time.Now().Before(up) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
			return
		}
		var i int
		fmt.Sscanf(r.URL.Path, "/%d", &i)
		serveFile(content(uint64(i), 1000+i))(w, r)
	})
	var jobs []Job
	for i := range 50 {
		jobs = append(jobs, Job{fmt.Sprint(i), []string{fmt.Sprintf("%s/%d", url, i)}, blobOf(content(uint64(i), 1000+i))})
	}
	c := newClient(t, Options{Backoff: 20 * time.Millisecond, MaxBackoff: time.Second, Retries: 4})
	if err := c.Fetch(context.Background(), newMemory(), jobs, nil); err != nil {
		t.Fatal(err)
	}
}

// A host that says 429 now and then while a large file comes well is not in
// trouble: the small files do not wait for the large one.
func TestPushbackBesideLargeFile(t *testing.T) {
	big := content(1, 10_000_000)
	var no atomic.Int32
	no.Store(4)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/big" {
			w.Header().Set("Content-Length", fmt.Sprint(len(big)))
			for b := big; len(b) > 0; b = b[100_000:] {
				w.Write(b[:100_000])
				time.Sleep(5 * time.Millisecond)
			}
			return
		}
		if no.Add(-1) >= 0 {
			w.WriteHeader(429)
			return
		}
		serveFile([]byte(r.URL.Path))(w, r)
	})
	jobs := []Job{{"big", []string{url + "/big"}, blobOf(big)}}
	for i := range 10 {
		p := fmt.Sprintf("/%d", i)
		jobs = append(jobs, Job{p, []string{url + p}, blobOf([]byte(p))})
	}
	o := quick()
	o.PerHost = 2
	p := &counter{}
	if err := newClient(t, o).Fetch(context.Background(), newMemory(), jobs, p); err != nil {
		t.Fatal(err)
	}
	if last := p.items[len(p.items)-1]; last != "big" {
		t.Errorf("the last to arrive is %s: small files waited", last)
	}
}
