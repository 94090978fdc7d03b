package fetch

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"path"
)

// Conditional is what an earlier Get said of the file that the caller still
// has. The zero value asks for the file in any case.
type Conditional struct {
	URL          string // it is told to this address alone, for each has validators of its own
	ETag         string
	LastModified string
}

// Meta says where a file came from, and what to ask with the next time.
type Meta struct {
	URL          string // of those given, the one that answered
	ETag         string // "" if the server gave none
	LastModified string // as the server wrote it, "" if it gave none
	NotModified  bool   // the caller's copy is still the one; there are no bytes
}

// Conditional is what to give the next Get.
func (m Meta) Conditional() Conditional {
	return Conditional{URL: m.URL, ETag: m.ETag, LastModified: m.LastModified}
}

// Get reads a small file that no hash pins, such as InRelease, from the first
// of urls that has it. More than limit bytes are refused. Caches on the way are
// asked to look whether their copy is still the newest. If nobody has it, the
// error is a *MissingError; its NotFound tells whether all said so.
func (c *Client) Get(ctx context.Context, urls []string, limit int64, cond Conditional) ([]byte, Meta, error) {
	if limit <= 0 {
		return nil, Meta{}, fmt.Errorf("fetching: the limit is %d bytes", limit)
	}
	fail := Failure{Job: Job{Name: "nothing"}}
	for _, s := range urls {
		b, m, err := c.getFrom(ctx, s, limit, cond)
		if err == nil {
			return b, m, nil
		}
		if e := ctx.Err(); e != nil {
			return nil, Meta{}, fmt.Errorf("fetching %s: %w", redactAddress(s), e)
		}
		fail.Job.Name = path.Base(redactAddress(s))
		fail.Job.URLs = append(fail.Job.URLs, redactAddress(s))
		fail.Tried = append(fail.Tried, Attempt{URL: redactAddress(s), Err: err})
	}
	return nil, Meta{}, &MissingError{Jobs: []Failure{fail}, Of: 1}
}

// getFrom asks one address, as often as it makes sense.
func (c *Client) getFrom(ctx context.Context, s string, limit int64, cond Conditional) ([]byte, Meta, error) {
	u, err := parseAddress(s)
	if err != nil {
		return nil, Meta{}, err
	}
	if cond.URL != s {
		cond = Conditional{}
	}
	for tries := 1; ; tries++ {
		var b []byte
		var m Meta
		if u.Scheme == "file" {
			b, err = getFile(ctx, u, limit)
		} else {
			b, m, err = c.getOnce(ctx, u, limit, cond)
		}
		m.URL = s
		if fateOf(err) != passing || ctx.Err() != nil {
			return b, m, err
		}
		wait, ok := c.pause(tries, err)
		if !ok || tries > c.o.Retries {
			return nil, m, err
		}
		if e := c.o.Clock.Sleep(ctx, wait); e != nil {
			return nil, m, err
		}
	}
}

func (c *Client) getOnce(ctx context.Context, u *url.URL, limit int64, cond Conditional) ([]byte, Meta, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sl, err := c.acquire(ctx, hostOf(u))
	if err != nil {
		return nil, Meta{}, err
	}
	defer sl.free()
	h := http.Header{"Cache-Control": {"max-age=0"}}
	if cond.ETag != "" {
		h.Set("If-None-Match", cond.ETag)
	}
	if cond.LastModified != "" {
		h.Set("If-Modified-Since", cond.LastModified)
	}
	asked := cond.ETag != "" || cond.LastModified != ""
	resp, err := c.exchange(ctx, cancel, sl, u, h)
	if err != nil {
		return nil, Meta{}, err
	}
	defer resp.Body.Close()
	m := Meta{ETag: resp.Header.Get("ETag"), LastModified: resp.Header.Get("Last-Modified")}
	switch {
	case resp.StatusCode == http.StatusNotModified && asked:
		m = Meta{ETag: cond.ETag, LastModified: cond.LastModified, NotModified: true}
		return nil, m, nil
	case resp.StatusCode != http.StatusOK:
		return nil, m, c.status(resp)
	case encoding(resp) != "":
		return nil, m, &EncodingError{Encoding: encoding(resp)}
	case resp.ContentLength > limit:
		return nil, m, &TooLargeError{Limit: limit}
	}
	b, err := readAtMost(c.pace(ctx, cancel, resp.Body), limit)
	return b, m, err
}

// getFile reads a file, always: it costs nothing.
func getFile(ctx context.Context, u *url.URL, limit int64) ([]byte, error) {
	f, _, err := openFile(u.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAtMost(&contextReader{ctx: ctx, r: f}, limit)
}

func readAtMost(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, min(limit, math.MaxInt64-1)+1))
	if err != nil {
		return nil, fmt.Errorf("it breaks off after %d bytes: %w", len(b), err)
	}
	if int64(len(b)) > limit {
		return nil, &TooLargeError{Limit: limit}
	}
	return b, nil
}
