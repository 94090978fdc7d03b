package fetch

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// exchange asks for u and follows its redirects; sl moves along. The caller
// closes the answer's body. h is added to every request.
func (c *Client) exchange(ctx context.Context, cancel context.CancelCauseFunc, sl *slot, u *url.URL, h http.Header) (*http.Response, error) {
	first := u
	for hops := 0; ; hops++ {
		if err := sl.move(ctx, hostOf(u)); err != nil {
			return nil, err
		}
		req := c.request(ctx, first, u, h)
		timer := time.AfterFunc(c.o.AnswerTimeout, func() {
			cancel(&StallError{Window: c.o.AnswerTimeout, Bytes: -1})
		})
		resp, err := c.rt.RoundTrip(req)
		timer.Stop()
		if err != nil {
			return nil, cause(ctx, err)
		}
		if !isRedirect(resp.StatusCode) {
			return resp, nil
		}
		next, err := c.follow(u, resp, hops)
		drain(resp.Body)
		if err != nil {
			return nil, err
		}
		u = next
	}
}

func (c *Client) request(ctx context.Context, first, u *url.URL, h http.Header) *http.Request {
	bare := *u
	bare.User, bare.Fragment, bare.RawFragment = nil, "", ""
	req := (&http.Request{
		Method: http.MethodGet, URL: &bare, Host: bare.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h.Clone(),
	}).WithContext(ctx)
	req.Header.Set("User-Agent", c.o.UserAgent)
	req.Header.Set("Accept-Encoding", "identity")
	if first.User != nil && sameOrigin(first, u) {
		password, _ := first.User.Password()
		req.SetBasicAuth(first.User.Username(), password)
	}
	return req
}

func isRedirect(code int) bool {
	switch code {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// follow decides where a redirect leads: to http or https, from https to https
// alone, with no credentials.
func (c *Client) follow(from *url.URL, resp *http.Response, hops int) (*url.URL, error) {
	loc, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || resp.Header.Get("Location") == "" {
		return nil, &RedirectError{To: "nowhere", Reason: "its Location cannot be read"}
	}
	to := from.ResolveReference(loc)
	no := func(reason string) (*url.URL, error) {
		return nil, &RedirectError{To: redact(to), Reason: reason}
	}
	switch {
	case hops >= c.o.MaxRedirects:
		return no(fmt.Sprintf("it is the %d. in a row", hops+1))
	case to.Scheme != "http" && to.Scheme != "https":
		return no("only http and https are")
	case from.Scheme == "https" && to.Scheme != "https":
		return no("it leaves https")
	case to.Hostname() == "" || to.Opaque != "":
		return no("it names no host")
	}
	return to, nil
}

// drainTime is how long what is left of an answer may take to come.
const drainTime = 2 * time.Second

// drain reads what little is left of an answer, so that the connection can be
// used again, and closes it. Who takes long over that loses the connection.
func drain(body io.ReadCloser) {
	defer time.AfterFunc(drainTime, func() { body.Close() }).Stop()
	io.CopyN(io.Discard, body, 16<<10)
	body.Close()
}

// status is the error for an answer that is not the file.
func (c *Client) status(resp *http.Response) error {
	drain(resp.Body)
	return &StatusError{Code: resp.StatusCode, RetryAfter: retryAfter(resp.Header, c.o.Clock.Now())}
}
