package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// errNoLength is a server that does not tell how long a file is.
var errNoLength = errors.New("the server does not say how long the file is")

// Size asks how long a file is that is known by its hash alone, so that it can
// become a Job. What it answers is a server's word; Fetch holds the server to
// it, and to the hash. More than limit bytes are refused.
func (c *Client) Size(ctx context.Context, urls []string, limit int64) (int64, error) {
	fail := Failure{Job: Job{Name: "nothing"}}
	for _, s := range urls {
		n, err := c.sizeFrom(ctx, s)
		if err == nil && n > limit {
			err = &TooLargeError{Limit: limit}
		}
		if err == nil {
			return n, nil
		}
		if e := ctx.Err(); e != nil {
			return 0, fmt.Errorf("fetching %s: %w", redactAddress(s), e)
		}
		fail.Job.Name = path.Base(redactAddress(s))
		fail.Job.URLs = append(fail.Job.URLs, redactAddress(s))
		fail.Tried = append(fail.Tried, Attempt{URL: redactAddress(s), Err: err})
	}
	return 0, &MissingError{Jobs: []Failure{fail}, Of: 1}
}

func (c *Client) sizeFrom(ctx context.Context, s string) (int64, error) {
	u, err := parseAddress(s)
	if err != nil {
		return 0, err
	}
	if u.Scheme == "file" {
		f, n, err := openFile(u.Path)
		if err != nil {
			return 0, err
		}
		return n, f.Close()
	}
	for tries := 1; ; tries++ {
		n, err := c.sizeOnce(ctx, u)
		if fateOf(err) != passing || ctx.Err() != nil {
			return n, err
		}
		wait, ok := c.pause(tries, err)
		if !ok || tries > c.o.Retries || c.o.Clock.Sleep(ctx, wait) != nil {
			return 0, err
		}
	}
}

// sizeOnce asks for the first byte: the answer to that tells the whole length,
// where HEAD is often not allowed.
func (c *Client) sizeOnce(ctx context.Context, u *url.URL) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sl, err := c.acquire(ctx, hostOf(u))
	if err != nil {
		return 0, err
	}
	defer sl.free()
	resp, err := c.exchange(ctx, cancel, sl, u, http.Header{"Range": {"bytes=0-0"}})
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	n := resp.ContentLength
	switch resp.StatusCode {
	case http.StatusPartialContent:
		_, total, _ := strings.Cut(resp.Header.Get("Content-Range"), "/")
		if n, err = strconv.ParseInt(total, 10, 64); err != nil {
			return 0, errNoLength
		}
	case http.StatusOK:
	default:
		return 0, c.status(resp)
	}
	if n < 0 {
		return 0, errNoLength
	}
	return n, nil
}
