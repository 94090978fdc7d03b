package fetch

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"
)

// A MissingError lists what nobody had.
type MissingError struct {
	Jobs []Failure // in the order in which the jobs were given
	Of   int       // jobs that were asked for
}

// Failure is one job that could not be done.
type Failure struct {
	Job   Job       // as given; its URLs without credentials
	Tried []Attempt // one for each URL, in the order tried
}

// Attempt is the end that one URL came to.
type Attempt struct {
	URL string // without credentials and query
	Err error  // of the last request
}

// Absent tells whether the answer was that there is no such file.
func (a Attempt) Absent() bool {
	s := (*StatusError)(nil)
	gone := errors.As(a.Err, &s) && (s.Code == http.StatusNotFound || s.Code == http.StatusGone)
	return gone || errors.Is(a.Err, fs.ErrNotExist)
}

// shown is how many failures the text of a MissingError has.
const shown = 20

func (e *MissingError) Error() string {
	var s strings.Builder
	if e.Of > 1 {
		fmt.Fprintf(&s, "fetching: %d of %d files could not be had:", len(e.Jobs), e.Of)
	} else {
		s.WriteString("fetching:")
	}
	for i, f := range e.Jobs {
		if i == shown {
			fmt.Fprintf(&s, "\n  and %d more", len(e.Jobs)-shown)
			break
		}
		fmt.Fprintf(&s, "\n  %s", f.Job.Name)
		if !f.Job.Blob.SHA256.IsZero() {
			fmt.Fprintf(&s, " (%d bytes, sha256 %s)", f.Job.Blob.Size, f.Job.Blob.SHA256.Hex())
		}
		if len(f.Tried) == 0 {
			s.WriteString("\n    no address is known for it")
		}
		for _, a := range f.Tried {
			fmt.Fprintf(&s, "\n    %s: %v", a.URL, a.Err)
		}
	}
	s.WriteString("\nname another mirror, or a folder or an older bundle that has them, and run it again; what is here already is kept")
	return s.String()
}

// Unwrap returns the error of every attempt.
func (e *MissingError) Unwrap() []error {
	var all []error
	for _, f := range e.Jobs {
		for _, a := range f.Tried {
			all = append(all, a.Err)
		}
	}
	return all
}

// NotFound tells whether everybody answered, for every job, that there is no
// such file; so asking again is no use.
func (e *MissingError) NotFound() bool {
	for _, f := range e.Jobs {
		for _, a := range f.Tried {
			if !a.Absent() {
				return false
			}
		}
	}
	return true
}

// A StatusError is an answer that is not the file.
type StatusError struct {
	Code       int
	RetryAfter time.Duration // what the server asked for; 0: nothing
}

func (e *StatusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the server answers %d %s", e.Code, http.StatusText(e.Code)))
}

// A StallError is a server that sends nothing, or next to nothing.
type StallError struct {
	Window time.Duration
	Bytes  int64 // that came within Window; negative: not even an answer
}

func (e *StallError) Error() string {
	if e.Bytes < 0 {
		return fmt.Sprintf("no answer within %v", e.Window)
	}
	return fmt.Sprintf("stalled: %d bytes within %v", e.Bytes, e.Window)
}

// A RedirectError is a redirect that is not followed.
type RedirectError struct {
	To     string // without credentials and query
	Reason string
}

func (e *RedirectError) Error() string {
	return fmt.Sprintf("redirect to %s is not followed: %s", e.To, e.Reason)
}

// A HostError is a host that was given up for this Fetch, so that it was not
// asked for the file at all.
type HostError struct {
	Host  string
	Tries int
	Last  error
}

func (e *HostError) Error() string {
	return fmt.Sprintf("%s was given up after %d failures in a row, the last: %v", e.Host, e.Tries, e.Last)
}

// Unwrap returns the last failure.
func (e *HostError) Unwrap() error { return e.Last }

// A TooLargeError is a file that Get was not allowed to read whole.
type TooLargeError struct{ Limit int64 } // bytes

func (e *TooLargeError) Error() string { return fmt.Sprintf("it has more than %d bytes", e.Limit) }

// storeError marks a failure of the store: no mirror can mend it.
type storeError struct{ err error }

func (e *storeError) Error() string { return e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// errStartOver asks for the same URL once more, from the first byte: what was
// there before did not fit what the server has.
var errStartOver = errors.New("the bytes from an earlier attempt do not fit")
