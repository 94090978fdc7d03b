package pull

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"satchel/manifest"
)

// How patient a transfer is.
const (
	maxResumes = 5
	idle       = time.Minute // without a byte
)

// body is the content of a blob. When the connection breaks or stalls, it asks
// for the rest. It checks nothing: that is for its reader to do.
type body struct {
	r       *repository
	ctx     context.Context
	blob    manifest.Blob
	at      int64
	resumes int
	resp    *http.Response
	cancel  context.CancelFunc
	watch   *time.Timer
}

// blob begins to fetch a blob at the first Read.
func (r *repository) blob(ctx context.Context, b manifest.Blob) *body {
	return &body{r: r, ctx: ctx, blob: b}
}

func (b *body) Read(p []byte) (int, error) {
	for {
		if b.resp == nil {
			if err := b.open(); err != nil {
				return 0, err
			}
		}
		b.watch.Reset(idle)
		n, err := b.resp.Body.Read(p)
		b.watch.Stop()
		b.at += int64(n)
		if n > 0 && b.r.progress != nil {
			b.r.progress(b.blob, n)
		}
		broken := err != nil && err != io.EOF || err == io.EOF && b.at < b.blob.Size
		switch {
		case !broken:
			return n, err
		case b.ctx.Err() != nil:
			return n, b.ctx.Err()
		case b.resumes >= maxResumes || n == 0 && b.at == 0:
			return n, errors.Join(fmt.Errorf("it ends after %d of %d bytes: %w", b.at, b.blob.Size, manifest.ErrDigest), err)
		}
		b.resumes++
		b.Close()
		if n > 0 {
			return n, nil
		}
	}
}

// open asks for the blob from where it broke off.
func (b *body) open() error {
	ctx, cancel := context.WithCancel(b.ctx)
	b.cancel, b.watch = cancel, time.AfterFunc(idle, cancel)
	header := map[string]string{}
	if b.at > 0 {
		header["Range"] = fmt.Sprintf("bytes=%d-%d", b.at, b.blob.Size-1)
	}
	resp, err := b.r.get(ctx, "blobs/"+b.blob.SHA256.String(), header)
	if err != nil {
		cancel()
		return err
	}
	b.resp = resp
	skip := int64(0)
	if b.at > 0 && resp.StatusCode == http.StatusOK {
		skip = b.at // the registry knows no ranges
	}
	if n := resp.ContentLength; n >= 0 && n != b.blob.Size-b.at+skip {
		b.Close()
		return fmt.Errorf("blob %s: the registry sends %d bytes, want %d: %w", b.blob.SHA256, n, b.blob.Size-b.at+skip, manifest.ErrDigest)
	}
	if _, err := io.CopyN(io.Discard, resp.Body, skip); err != nil {
		b.Close()
		return fmt.Errorf("blob %s: %w", b.blob.SHA256, err)
	}
	return nil
}

// Close ends the transfer.
func (b *body) Close() error {
	if b.resp == nil {
		return nil
	}
	b.watch.Stop()
	b.cancel()
	err := b.resp.Body.Close()
	b.resp = nil
	return err
}
