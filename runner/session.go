package runner

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"satchel/manifest"
	"satchel/runner/guest"
)

// Source opens blobs that have been verified. bundle.Verified is one.
type Source interface {
	// Open returns a reader that checks the blob once more while it is read.
	Open(b manifest.Blob) (io.ReadCloser, error)
}

// handlers take what the guest sends. A nil one drops its frames.
type handlers struct {
	log  io.Writer         // install or build log
	step func(line string) // what happens now
	list io.Writer         // listing of the prepared root
	tar  io.Writer         // results
	join *joined           // a shell
}

// converse sends plan and items to the guest of p and takes its frames until
// its outcome. It returns when both directions have ended. The guest's own
// complaint becomes the error. The guest's input stays open until its outcome is
// here: an end before that tells it that satchel is gone, however it went, and the
// end after it that it may end, too.
func converse(ctx context.Context, p Process, plan guest.Plan, send func(*tar.Writer) error, h handlers) (guest.Outcome, error) {
	sent := make(chan error, 1)
	to := &sink{w: p.Stdin()}
	go func() {
		err := sendPlan(to, plan, send)
		if err != nil {
			p.Stdin().Close() // there is no more to wait for
		}
		sent <- err
	}()
	out, err := guest.ReadFrames(p.Stdout(), h.limits(), func(k guest.Kind, b []byte) error {
		if k == guest.KindDone {
			p.Stdin().Close() // for which the guest waits
			return nil
		}
		return h.take(k, b)
	})
	h.join.end()
	if err != nil {
		p.Close() // so that the sender ends too
	}
	serr := <-sent
	if cerr := p.Stdin().Close(); serr == nil && err == nil && !errors.Is(cerr, os.ErrClosed) {
		serr = cerr
	}
	code, werr := p.Wait()
	switch {
	case ctx.Err() != nil:
		return out, context.Cause(ctx)
	case serr != nil && to.err == nil:
		return out, fmt.Errorf("sending to the container: %w", serr)
	case errors.Is(err, guest.ErrNoOutcome):
		return out, errors.Join(fmt.Errorf("%w (status %d)", err, code), serr, werr)
	case err != nil:
		return out, errors.Join(err, werr)
	case out.Error != "":
		return out, errors.New(out.Error)
	case serr != nil:
		return out, fmt.Errorf("sending to the container: %w", serr)
	}
	return out, werr
}

// sink remembers whether it failed: an error of sending without it is of what was to be sent.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	if err != nil {
		s.err = err
	}
	return n, err
}

// Bounds of what a container may send, in bytes.
const (
	maxLog     = 1 << 50 // logs are bounded where they are kept
	maxListing = 1 << 30
	maxResults = 1 << 44
	maxShell   = 1 << 62 // nothing of it is kept
)

// limits lets through what somebody takes.
func (h handlers) limits() guest.Limits {
	l := guest.Limits{Log: maxLog}
	if h.list != nil {
		l.Listing = maxListing
	}
	if h.tar != nil {
		l.Tar = maxResults
	}
	if h.join != nil {
		l.Shell = maxShell
	}
	return l
}

// take hands one frame on.
func (h handlers) take(k guest.Kind, b []byte) error {
	var w io.Writer
	switch k {
	case guest.KindStep:
		if h.step != nil {
			h.step(string(b))
		}
		return nil
	case guest.KindInstallLog, guest.KindBuildLog:
		w = h.log
	case guest.KindListing:
		w = h.list
	case guest.KindTar:
		w = h.tar
	default:
		return h.join.take(k, b)
	}
	if w == nil {
		return nil
	}
	_, err := w.Write(b)
	return err
}

// sendPlan writes the tar stream that the guest reads.
func sendPlan(w io.Writer, plan guest.Plan, send func(*tar.Writer) error) error {
	text, err := json.Marshal(plan)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	err = tw.WriteHeader(&tar.Header{Name: guest.PlanName, Typeflag: tar.TypeReg, Size: int64(len(text)), Mode: 0o600})
	if err == nil {
		_, err = tw.Write(text)
	}
	if err == nil {
		err = send(tw)
	}
	if err == nil {
		err = tw.Close()
	}
	return err
}

// sendBlob writes one verified blob as an entry.
func sendBlob(tw *tar.Writer, src Source, name string, b manifest.Blob) error {
	r, err := src.Open(b)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: b.Size, Mode: 0o600}); err != nil {
		return err
	}
	if _, err := io.Copy(tw, r); err != nil {
		return fmt.Errorf("%s (sha256 %s): %w", name, b.SHA256.Hex(), err)
	}
	return nil
}
