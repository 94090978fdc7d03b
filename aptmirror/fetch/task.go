package fetch

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"

	"satchel/manifest"
)

// task is a blob that is being fetched.
type task struct {
	name string
	blob manifest.Blob
	jobs []int // those that want it, by their place in Fetch's list

	urls  []string // not tried to the end yet; the first is the one at hand
	turns int      // how often a URL was put off
	tried []Attempt

	// Of the URL at hand:
	url       *url.URL
	host      *host
	began     int    // host.rounds when the attempt began
	cuts      int    // host.cuts then
	tries     int    // failures that may pass
	gained    int64  // bytes that the last attempt brought
	further   int64  // of those, beyond furthest as it was
	furthest  int64  // how far any attempt came
	fresh     bool   // it was begun anew once: that is enough
	reset     bool   // the next attempt begins at the first byte
	validator string // for If-Range: what this URL called its content

	shown  int64 // bytes that the progress counts for this task
	failed bool
}

// giveUp moves on to the next URL.
func (t *task) giveUp(err error) {
	t.tried = append(t.tried, Attempt{URL: redactAddress(t.urls[0]), Err: err})
	t.urls = t.urls[1:]
	t.forget()
}

// rotate puts the URL at hand off until all others have been tried.
func (t *task) rotate() {
	t.urls = append(slices.Clone(t.urls[1:]), t.urls[0])
	t.turns++
	t.forget()
}

func (t *task) forget() {
	t.tries, t.furthest, t.fresh, t.reset, t.validator = 0, 0, false, false, ""
}

// plan makes a task of every blob that is not stored, the largest first, and
// adds up their bytes. A blob that is not named in full is an error of the
// caller's.
func plan(store Store, jobs []Job) (tasks []*task, total int64, err error) {
	known := map[manifest.Blob]*task{} // nil: it is stored
	for i, j := range jobs {
		if j.Blob.SHA256.IsZero() || j.Blob.Size < 0 {
			return nil, 0, fmt.Errorf("fetching %s: %w: no hash or size was given", j.Name, manifest.ErrDigest)
		}
		t, seen := known[j.Blob]
		if !seen && !store.Has(j.Blob) {
			t = &task{name: j.Name, blob: j.Blob}
			tasks = append(tasks, t)
			total += j.Blob.Size
		}
		known[j.Blob] = t
		if t == nil {
			continue
		}
		t.jobs = append(t.jobs, i)
		for _, u := range j.URLs {
			if !slices.Contains(t.urls, u) {
				t.urls = append(t.urls, u)
			}
		}
	}
	slices.SortStableFunc(tasks, func(a, b *task) int { return cmp.Compare(b.blob.Size, a.blob.Size) })
	return tasks, total, nil
}

// missing reports the tasks that failed, by the jobs that wanted them.
func missing(tasks []*task, jobs []Job) error {
	byJob := map[int]*task{}
	for _, t := range tasks {
		for _, i := range t.jobs {
			if t.failed {
				byJob[i] = t
			}
		}
	}
	if len(byJob) == 0 {
		return nil
	}
	e := &MissingError{Of: len(jobs)}
	for i, j := range jobs {
		t := byJob[i]
		if t == nil {
			continue
		}
		j.URLs = slices.Clone(j.URLs)
		for k, u := range j.URLs {
			j.URLs[k] = redactAddress(u)
		}
		e.Jobs = append(e.Jobs, Failure{Job: j, Tried: t.tried})
	}
	return e
}

// lockedProgress passes on what many goroutines tell.
type lockedProgress struct {
	mu sync.Mutex
	p  Progress
}

// show lets the progress count n bytes for t.
func (l *lockedProgress) show(t *task, n int64) {
	if n == t.shown {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.p.Add(n - t.shown)
	t.shown = n
}

func (l *lockedProgress) item(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.p.Item(name)
}

// isWrong tells whether err is about bytes that do not match.
func isWrong(err error) bool { return errors.Is(err, manifest.ErrDigest) }
