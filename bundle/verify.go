package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"satchel/manifest"
)

// Verify decides whether the bundle is to be trusted, and then whether it is
// whole. The signatures come first: a bundle that the policy does not trust is
// refused with ErrUntrusted before any byte after the front is read. Then every
// byte of the file is compared with what lock and signatures make it, and all
// that is wrong is reported at once: ErrCorrupt for bytes that differ, are
// missing or are too many, ErrMissing for whole blobs that are not there (the
// error may wrap both). At last the archives' own chain of each package, from
// the keys to the .deb: ErrArchive where it does not confirm the lock. Whether a
// Release is still current is not asked: archived builds live on. The report
// is never nil.
func (f *File) Verify(ctx context.Context, policy Policy, p Progress) (*Verified, *Report, error) {
	report := &Report{Identity: f.Identity()}
	if f.r == nil {
		return nil, report, errors.New("verifying bundle: only its front was read; use VerifyStream")
	}
	l, err := f.begin(policy, report)
	if err != nil {
		return nil, report, f.failed(err)
	}
	p = orSilent(p)
	p.Total(l.size)
	p.Add(l.frontEnd)
	v := newVerified(l, func(e entry) (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(f.r, e.data(), e.blob.Size)), nil
	})
	v.close = f.Close
	archives := v.follow(ctx, policy) // beside the hashing: it checks what it reads itself
	defer archives.stop()
	whole, err := f.checkPlaces(ctx, l, report, p)
	if err != nil {
		return nil, report, f.failed(err)
	}
	if !whole {
		if err := f.explain(ctx, l, report); err != nil {
			return nil, report, f.failed(err)
		}
	}
	if err := report.content(l); err != nil {
		return nil, report, f.failed(err)
	}
	if err := archives.wait(report); err != nil {
		return nil, report, f.failed(err)
	}
	return v, report, nil
}

// begin does what needs the front alone: trust, then the lock.
func (f *File) begin(policy Policy, report *Report) (*layout, error) {
	var err error
	if !policy.Unsigned {
		report.Threshold = policy.Threshold
	}
	if report.Signatures, report.Trusted, err = f.trust(policy); err != nil {
		return nil, err
	}
	l, err := f.layout()
	if err != nil {
		return nil, err
	}
	report.Size, report.Blobs = l.size, len(titles(l.lock))
	return l, nil
}

// explain says what is wrong with a bulk in which something is not where it
// must be: it reads from the front's end to the file's, in order.
func (f *File) explain(ctx context.Context, l *layout, report *Report) error {
	s := &scan{l: l, r: io.NewSectionReader(f.r, l.frontEnd, max(0, f.size-l.frontEnd)), at: l.frontEnd}
	if err := s.run(ctx); err != nil {
		return err
	}
	report.Faults, report.Missing = s.faults, s.missing()
	if len(report.Faults)+len(report.Missing) == 0 {
		report.Faults = []Fault{{Offset: l.frontEnd, What: "the medium answers differently when it is read again"}}
	}
	return nil
}

func (f *File) failed(err error) error {
	if f.name == "" {
		return fmt.Errorf("verifying bundle: %w", err)
	}
	return fmt.Errorf("verifying bundle %s: %w", f.name, err)
}

// checkPlaces reads the bulk with as many goroutines as there are processors,
// each blob where it must be. It answers false when some header, or the end, is
// not where it must be; wrong contents go to the report.
func (f *File) checkPlaces(ctx context.Context, l *layout, report *Report, p Progress) (bool, error) {
	if f.size != l.size {
		return false, nil
	}
	faults := make([]string, len(l.bulk))
	var misplaced atomic.Bool
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range min(runtime.GOMAXPROCS(0), len(l.bulk)) {
		g.Go(func() error {
			buf := make([]byte, copySize)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(l.bulk) || misplaced.Load() {
					return nil
				}
				ok, fault, err := checkEntry(ctx, f.r, l.bulk[i], buf, p)
				if err != nil {
					return err
				}
				faults[i] = fault
				if !ok {
					misplaced.Store(true)
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		return false, err
	}
	end := make([]byte, endSize)
	if _, err := f.r.ReadAt(end, l.size-endSize); err != nil && err != io.EOF {
		return false, fmt.Errorf("reading bundle at byte %d: %w", l.size-endSize, err)
	}
	p.Add(endSize)
	if misplaced.Load() || !allZero(end) {
		return false, nil
	}
	for i, what := range faults {
		if what != "" {
			report.Faults = append(report.Faults, Fault{Offset: l.bulk[i].data(), Blob: l.bulk[i].blob.SHA256, What: what})
		}
	}
	return true, nil
}

// checkEntry checks header, content and padding of one entry. ok says that the
// header is right; fault what is wrong behind it.
func checkEntry(ctx context.Context, r io.ReaderAt, e entry, buf []byte, p Progress) (ok bool, fault string, err error) {
	want := appendHeader(nil, blobName(e.blob.SHA256), e.blob.Size)
	h := sha256.New()
	left := e.blob.Size
	skip := int64(len(want))
	for at := e.at; at < e.end(); {
		if err := ctx.Err(); err != nil {
			return false, "", err
		}
		b := buf[:min(int64(len(buf)), e.end()-at)]
		if n, err := r.ReadAt(b, at); n < len(b) {
			if err == io.EOF {
				return false, "", nil
			}
			return false, "", fmt.Errorf("reading bundle at byte %d: %w", at+int64(n), err)
		}
		at += int64(len(b))
		p.Add(int64(len(b)))
		if skip > 0 { // the buffer is longer than any header
			if !bytes.Equal(b[:skip], want) {
				return false, "", nil
			}
			b, skip = b[skip:], 0
		}
		n := min(left, int64(len(b)))
		h.Write(b[:n])
		left -= n
		if !allZero(b[n:]) {
			fault = "the padding after it is not all zeros"
		}
	}
	if got := manifest.Digest(h.Sum(nil)); got != e.blob.SHA256 {
		fault = "its sha256 is " + got.Hex()
	}
	return true, fault, nil
}

func allZero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }
