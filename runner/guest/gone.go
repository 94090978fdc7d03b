//go:build linux

package guest

import (
	"context"
	"errors"
	"io"
	"time"
)

// errGone is why everything stops when the host's satchel is no longer there.
var errGone = errors.New("satchel is gone: its end of the pipe is closed")

// untilGone hands on what r gives. The host keeps r open until it has the
// outcome, so the end of r before that means that the host's satchel was
// killed, or lost the daemon: gone is called, and nothing is built for nobody.
// After the inputs have been read there is always one read of r under way.
func untilGone(r io.Reader, gone context.CancelCauseFunc) io.Reader {
	pr, pw := io.Pipe()
	go func() {
		_, err := io.CopyBuffer(pw, struct{ io.Reader }{r}, make([]byte, 256<<10))
		if err == nil {
			err = io.EOF
		}
		gone(errGone)
		pw.CloseWithError(err)
	}()
	return pr
}

// hearing is how long a host may take to have heard the outcome.
const hearing = 3 * time.Second

// stayUntilHeard waits until the host, which has the outcome then, closes its end of
// the pipe from, and ctx with it; but for a while only, since it may have no end of
// its own to close. Podman now and then loses what a container says that ends
// at once.
func stayUntilHeard(ctx context.Context, from io.Reader) {
	go io.Copy(io.Discard, from) // what nobody has asked for is before the end
	select {
	case <-ctx.Done():
	case <-time.After(hearing):
	}
}
