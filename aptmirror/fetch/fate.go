package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// fate is what an error means for the URL that it came from.
type fate int

const (
	done      fate = iota
	startOver      // ask again, from the first byte
	passing        // ask again, after a while
	final          // ask elsewhere
	fatal          // nobody can help
)

func fateOf(err error) fate {
	var status *StatusError
	var dns *net.DNSError
	switch {
	case err == nil:
		return done
	case errors.As(err, new(*storeError)):
		return fatal
	case errors.Is(err, errStartOver):
		return startOver
	case errors.As(err, &status):
		return fateOfStatus(status.Code)
	case errors.As(err, &dns) && dns.IsNotFound,
		isWrong(err),
		errors.Is(err, fs.ErrNotExist),
		errors.Is(err, fs.ErrPermission),
		errors.As(err, new(*OfflineError)),
		errors.As(err, new(*RedirectError)),
		errors.As(err, new(*TooLargeError)),
		errors.As(err, new(*EncodingError)),
		errors.As(err, new(*fileError)),
		errors.As(err, new(*tls.CertificateVerificationError)):
		return final
	default:
		return passing
	}
}

func fateOfStatus(code int) fate {
	switch code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return passing
	}
	return final
}

// answered tells whether err came from a server that talks.
func answered(err error) bool {
	return errors.As(err, new(*StatusError)) || errors.As(err, new(*RedirectError)) || isWrong(err)
}

// busy tells whether a server asks for fewer requests.
func busy(err error) bool {
	s := (*StatusError)(nil)
	return errors.As(err, &s) && (s.Code == http.StatusTooManyRequests || s.Code == http.StatusServiceUnavailable)
}

func stalled(err error) bool { return errors.As(err, new(*StallError)) }

// pause is how long to wait before the given attempt after the first: it
// doubles each time, is spread by chance over its upper half, and is never
// shorter than what the server asked for. It is not ok when that is too long.
func (c *Client) pause(attempt int, err error) (d time.Duration, ok bool) {
	d = c.o.MaxBackoff
	if shift := attempt - 1; shift < 16 {
		d = min(d, c.o.Backoff<<shift)
	}
	d = d/2 + time.Duration(c.o.Random()*float64(d/2))
	if s := (*StatusError)(nil); errors.As(err, &s) && s.RetryAfter > 0 {
		if s.RetryAfter > c.o.MaxBackoff {
			return c.o.MaxBackoff, false
		}
		d = max(d, s.RetryAfter)
	}
	return d, true
}

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	const most = 24 * 60 * 60
	if n, err := strconv.ParseUint(v, 10, 64); err == nil {
		return time.Duration(min(n, most)) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(t.Sub(now), 0), most*time.Second)
	}
	return 0
}

// cause replaces the error of a request whose context we have ended ourselves
// with the reason for that.
func cause(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return context.Cause(ctx)
}
