package fetch

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// A host that asks for less gets half, once for all that ran side by side, and
// one more after each run of successes, up to what it had.
func TestHostLimit(t *testing.T) {
	h := &host{name: "h", most: 8, limit: 8}
	begin := func() *task {
		h.waiting = []*task{{}}
		return h.begin()
	}
	first, second := begin(), begin()
	h.cut(first)
	h.cut(second)
	if h.limit != 4 {
		t.Errorf("limit %d after one cut, want 4", h.limit)
	}
	for _, want := range []int{2, 1, 1} {
		if h.cut(begin()); h.limit != want {
			t.Errorf("limit %d, want %d", h.limit, want)
		}
	}
	for want := 2; want <= 8; want++ {
		for range 2*(want-1) - 1 {
			h.good()
		}
		if h.limit != want-1 {
			t.Errorf("limit %d too early", h.limit)
		}
		if h.good(); h.limit != want {
			t.Errorf("limit %d, want %d", h.limit, want)
		}
	}
	for range 100 {
		h.good()
	}
	if h.limit != 8 {
		t.Errorf("limit %d, want no more than 8", h.limit)
	}
	h.active, h.limit = 4, 4
	if h.admits() {
		t.Error("a fifth request is admitted where 4 are")
	}
}

// A server that bears three at a time, and says so, is found out: all files
// come, and few requests are in vain.
func TestFindsWhatAHostBears(t *testing.T) {
	var now, no atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		defer now.Add(-1)
		if now.Add(1) > 3 {
			no.Add(1)
			w.WriteHeader(503)
			return
		}
		time.Sleep(3 * time.Millisecond)
		serveFile([]byte(r.URL.Path))(w, r)
	})
	var jobs []Job
	for i := range 200 {
		p := fmt.Sprintf("/%d", i)
		jobs = append(jobs, Job{p, []string{url + p}, blobOf([]byte(p))})
	}
	o := quick()
	o.Retries = 6
	m := newMemory()
	if err := newClient(t, o).Fetch(context.Background(), m, jobs, nil); err != nil {
		t.Fatal(err)
	}
	if n := no.Load(); len(m.blobs) != 200 || n > 60 {
		t.Errorf("%d files, %d requests refused", len(m.blobs), n)
	} else {
		t.Logf("%d requests refused", n)
	}
}
