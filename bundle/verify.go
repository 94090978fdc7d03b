package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"satchel/manifest"
)

// Report is what a verification found, whether it passed or not. Fields that
// it did not come to are empty.
type Report struct {
	Identity   manifest.Digest `json:"identity"`
	Size       int64           `json:"size"`  // bytes that the file must have
	Blobs      int             `json:"blobs"` // that the lock names
	Signatures []SignedBy      `json:"signatures"`
	Trusted    int             `json:"trusted"`   // independent trusted signers
	Threshold  int             `json:"threshold"` // how many it took; 0 for --unsigned
	Faults     []Fault         `json:"faults,omitempty"`
	Missing    []manifest.Blob `json:"missing,omitempty"`
	Archives   []ArchiveReport `json:"archives,omitempty"`
	// Unconfirmed is what the archives' own signed documents do not say.
	Unconfirmed []string `json:"unconfirmed,omitempty"`
}

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

// following is a chain on its way.
type following struct {
	chain  *chain
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// follow starts to follow the archives' chains.
func (v *Verified) follow(ctx context.Context, policy Policy) *following {
	ctx, cancel := context.WithCancel(ctx)
	f := &following{chain: &chain{lock: v.l.lock, open: v.Open, keys: policy.ArchiveKeys},
		cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.err = f.chain.run(ctx)
	}()
	return f
}

// stop ends it, however far it is.
func (f *following) stop() {
	f.cancel()
	<-f.done
}

// wait waits for the chains' ends and says what they found.
func (f *following) wait(report *Report) error {
	<-f.done
	if f.err != nil {
		return f.err
	}
	report.Archives, report.Unconfirmed = f.chain.reports, f.chain.faults
	if len(f.chain.faults) > 0 {
		return &ArchiveError{Faults: f.chain.faults}
	}
	return nil
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

// content makes the error of what was found wrong with the bytes.
func (r *Report) content(l *layout) error {
	var errs []error
	names := titles(l.lock)
	if len(r.Faults) > 0 {
		for i := range r.Faults {
			r.Faults[i].Title = names[r.Faults[i].Blob]
		}
		errs = append(errs, &CorruptError{Faults: r.Faults})
	}
	if len(r.Missing) > 0 {
		errs = append(errs, &MissingError{Blobs: r.Missing, titles: names})
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
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

// A Verified is a bundle that Verify or VerifyStream has passed; there is no
// other way to one that answers anything.
type Verified struct {
	l       *layout
	entries map[manifest.Digest]entry
	open    func(entry) (io.ReadCloser, error)
}

func newVerified(l *layout, open func(entry) (io.ReadCloser, error)) *Verified {
	v := &Verified{l: l, entries: make(map[manifest.Digest]entry, len(l.bulk)), open: open}
	for _, e := range l.bulk {
		v.entries[e.blob.SHA256] = e
	}
	return v
}

// errNotVerified is what a Verified says that nobody verified.
var errNotVerified = errors.New("this bundle was not verified")

// Identity is the digest of the artifact manifest, zero if v was not verified.
func (v *Verified) Identity() manifest.Digest {
	if v == nil || v.l == nil {
		return manifest.Digest{}
	}
	return v.l.identity()
}

// Lock is the bundle's lock, nil if v was not verified. The caller must not
// change it.
func (v *Verified) Lock() *manifest.Lock {
	if v == nil || v.l == nil {
		return nil
	}
	return v.l.lock
}

// LockText gives the lock's bytes.
func (v *Verified) LockText() []byte {
	if v == nil || v.l == nil {
		return nil
	}
	return bytes.Clone(v.l.lockDoc)
}

// Open opens a blob of the lock. It is hashed again while it is read: a medium
// that answers differently the second time gives an error that wraps
// manifest.ErrDigest in place of io.EOF. An unknown blob gives ErrMissing. It
// may be called from several goroutines.
func (v *Verified) Open(b manifest.Blob) (io.ReadCloser, error) {
	if v == nil || v.l == nil {
		return nil, errNotVerified
	}
	if b == emptyBlob() && v.names(b) {
		return io.NopCloser(strings.NewReader(emptyConfig)), nil
	}
	e, ok := v.entries[b.SHA256]
	if !ok || e.blob != b {
		return nil, fmt.Errorf("opening blob %s of %d bytes: %w: the lock does not name it", b.SHA256, b.Size, ErrMissing)
	}
	rc, err := v.open(e)
	if err != nil {
		return nil, fmt.Errorf("opening blob %s: %w", b.SHA256, err)
	}
	return struct {
		io.Reader
		io.Closer
	}{b.Verify(rc), rc}, nil
}

func (v *Verified) names(b manifest.Blob) bool {
	_, ok := titles(v.l.lock)[b.SHA256]
	return ok
}
