package fetch

import (
	"fmt"
	"net/http"
)

// Offline is an http.RoundTripper that refuses every request with an
// *OfflineError. Files and folders can still be read.
type Offline struct{}

// An OfflineError is a request that Offline refused.
type OfflineError struct{ URL string } // without credentials and query

func (e *OfflineError) Error() string {
	return fmt.Sprintf("the network is needed for %s, but this runs offline", e.URL)
}

// RoundTrip refuses.
func (Offline) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		req.Body.Close()
	}
	return nil, &OfflineError{URL: redact(req.URL)}
}
