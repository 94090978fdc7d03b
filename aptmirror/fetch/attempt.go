package fetch

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"satchel/manifest"
)

// attempt asks t's URL once for what is missing of its blob.
func (r *run) attempt(t *task, sl *slot) error {
	p, err := r.store.Partial(t.blob)
	if err != nil {
		return &storeError{err}
	}
	defer p.Close()
	if t.reset {
		if err := p.Reset(); err != nil {
			return &storeError{err}
		}
		t.reset = false
	}
	t.furthest = max(t.furthest, p.Offset())
	d := &download{run: r, task: t, part: p, resumed: p.Offset() > 0}
	r.p.show(t, p.Offset())
	if p.Offset() < t.blob.Size {
		if t.url.Scheme == "file" {
			err = d.fromFile()
		} else {
			err = d.fromServer(sl)
		}
	}
	if err == nil {
		sl.free() // the host need not wait for our disk
		err = d.commit()
	}
	if !isWrong(err) || d.innocent {
		return err
	}
	if e := p.Discard(); e != nil {
		return &storeError{e}
	}
	r.p.show(t, 0)
	if d.resumed && !t.fresh { // who knows which half it was
		return errStartOver
	}
	return err
}

// download is one attempt.
type download struct {
	*run
	task     *task
	part     Partial
	resumed  bool // it builds on bytes of an earlier attempt
	innocent bool // the bytes that are here have nothing to do with the error
	short    bool // the answer ended in good order, but before the blob did
}

func (d *download) commit() error {
	err := d.part.Commit()
	if err != nil && !isWrong(err) {
		return &storeError{err}
	}
	return err
}

func (d *download) fromServer(sl *slot) error {
	ctx, cancel := context.WithCancelCause(d.ctx)
	defer cancel(nil)
	h := http.Header{}
	if off := d.part.Offset(); off > 0 {
		h.Set("Range", fmt.Sprintf("bytes=%d-", off))
		if d.task.validator != "" {
			h.Set("If-Range", d.task.validator)
		}
	}
	resp, err := d.c.exchange(ctx, cancel, sl, d.task.url, h)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	err = d.take(ctx, cancel, resp)
	if name := encoding(resp); name != "" && (isWrong(err) || d.short) {
		return fmt.Errorf("%w: %w (%w)", manifest.ErrDigest, &EncodingError{Encoding: name}, err)
	}
	return err
}

// take stores what an answer brings.
func (d *download) take(ctx context.Context, cancel context.CancelCauseFunc, resp *http.Response) error {
	skip, err := d.judge(resp)
	if err != nil {
		return err
	}
	d.task.validator = validator(resp.Header)
	body := d.c.pace(ctx, cancel, resp.Body)
	if _, err := io.CopyN(io.Discard, body, skip); err != nil {
		return fmt.Errorf("the answer breaks off: %w", err)
	}
	return d.copy(body)
}

// judge looks at the head of an answer: whether it is what was asked for, and
// how many of its first bytes are here already.
func (d *download) judge(resp *http.Response) (skip int64, err error) {
	size, off := d.task.blob.Size, d.part.Offset()
	switch resp.StatusCode {
	case http.StatusOK:
		// Ranges are not served here, or the file is another than the last
		// time: all of it comes.
		if resp.ContentLength >= 0 && resp.ContentLength != size {
			return 0, d.otherLength(resp.ContentLength)
		}
		return 0, d.restart()
	case http.StatusPartialContent:
		from, of, err := contentRange(resp.Header.Get("Content-Range"))
		switch {
		case off == 0 || err != nil || from > off:
			drain(resp.Body)
			if off == 0 {
				return 0, &StatusError{Code: resp.StatusCode}
			}
			return 0, errStartOver
		case of >= 0 && of != size:
			return 0, d.otherLength(of)
		}
		return off - from, nil
	case http.StatusRequestedRangeNotSatisfiable:
		err := d.c.status(resp)
		if off == 0 {
			return 0, err
		}
		if _, of, e := contentRange(resp.Header.Get("Content-Range")); e == nil && of >= 0 && of != size {
			return 0, d.otherLength(of)
		}
		return 0, errStartOver
	default:
		return 0, d.c.status(resp)
	}
}

// otherLength is the error for an address that has another file.
func (d *download) otherLength(got int64) error {
	d.innocent = true
	return fmt.Errorf("%w: there it has %d bytes, want %d", manifest.ErrDigest, got, d.task.blob.Size)
}

func (d *download) restart() error {
	if d.part.Offset() == 0 {
		return nil
	}
	if err := d.part.Reset(); err != nil {
		return &storeError{err}
	}
	d.resumed = false
	d.p.show(d.task, 0)
	return nil
}

// copy stores what r gives until the blob is full, and makes sure that r has
// no more.
func (d *download) copy(r io.Reader) error {
	bp := d.c.buffers.Get().(*[]byte)
	defer d.c.buffers.Put(bp)
	size := d.task.blob.Size
	for {
		left := size - d.part.Offset()
		if left == 0 {
			return d.end(r)
		}
		buf := (*bp)[:min(left, bufSize)]
		n, err := d.fill(r, buf)
		if n > 0 {
			if _, err := d.part.Write(buf[:n]); err != nil {
				return &storeError{err}
			}
			d.progress(int64(n))
		}
		if err == io.EOF {
			d.short = true
			err = io.ErrUnexpectedEOF
		}
		if at := d.part.Offset(); err != nil && at < size {
			return fmt.Errorf("it breaks off after %d of %d bytes: %w", at, size, err)
		}
	}
}

// patience is how long bytes that are here wait for more, so that a slow host's
// are stored, and shown, as they come.
const patience = 200 * time.Millisecond

// fill reads until buf is full, r fails, or patience has run out: a socket gives what it has,
// often a few kB, and large writes cost a third of the processor time of small ones.
func (d *download) fill(r io.Reader, buf []byte) (n int, err error) {
	began := d.c.o.Clock.Now()
	for n < len(buf) && err == nil && (n == 0 || d.c.o.Clock.Now().Sub(began) < patience) {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

// progress counts n more bytes, and speaks well of the host for them.
func (d *download) progress(n int64) {
	before := d.task.gained
	d.task.gained += n
	if at := d.part.Offset(); at > d.task.furthest {
		d.task.further += at - d.task.furthest
		d.task.furthest = at
	}
	d.p.show(d.task, d.part.Offset())
	if before/healthy != d.task.gained/healthy {
		d.c.mu.Lock()
		d.task.host.good()
		d.c.cond.Broadcast()
		d.c.mu.Unlock()
	}
}

// end looks for a byte too many. A connection that breaks just there is none
// of our concern: the hash will tell.
func (d *download) end(r io.Reader) error {
	var one [1]byte
	for {
		n, err := r.Read(one[:])
		if n > 0 {
			return fmt.Errorf("%w: there it has more than %d bytes", manifest.ErrDigest, d.task.blob.Size)
		}
		if err != nil {
			return nil
		}
	}
}
