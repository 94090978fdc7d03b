package plan

import (
	"errors"
	"net/url"
	"sync"

	"satchel/aptmirror/fetch"
)

// hostFailures gives hosts up that give no answer.
type hostFailures struct {
	mu    sync.Mutex
	count map[string]int
	last  error
}

// hostsOf gives up at once the hosts that did not answer when a release file was
// asked for, with all patience; missing may be nil. One that answers that it has none
// may have packages.
func hostsOf(missing *fetch.MissingError) *hostFailures {
	h := &hostFailures{count: map[string]int{}}
	if missing == nil {
		return h
	}
	for _, job := range missing.Jobs {
		for _, t := range job.Tried {
			if !errors.As(t.Err, new(*fetch.StatusError)) {
				h.count[hostOf(t.URL)], h.last = maxFailures, t.Err
			}
		}
	}
	return h
}

// hostOf is the host and port of an address.
func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Host
	}
	return address
}

func (h *hostFailures) ask(address string, size func(string) (int64, error)) (int64, error) {
	host := hostOf(address)
	h.mu.Lock()
	n, last := h.count[host], h.last
	h.mu.Unlock()
	if n >= maxFailures {
		return 0, &fetch.HostError{Host: host, Tries: n, Last: last}
	}
	answer, err := size(address)
	var missing *fetch.MissingError
	if errors.As(err, &missing) && len(missing.Jobs) > 0 && len(missing.Jobs[0].Tried) > 0 {
		err = missing.Jobs[0].Tried[0].Err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil || (fetch.Attempt{Err: err}).Absent() {
		h.count[host] = 0
	} else {
		h.count[host]++
		h.last = err
	}
	return answer, err
}
