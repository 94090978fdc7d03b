package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"

	"satchel/manifest"
)

// scan reads the bulk from its first header to the end of the file, in one
// pass, and notes everything that is not as it must be. After damage it goes on
// as long as it can tell where the next entry begins.
type scan struct {
	l      *layout
	r      io.Reader
	at     int64
	keep   func(context.Context, manifest.Blob, io.Reader) error // nil: nobody wants the blobs
	p      Progress
	faults []Fault

	expected map[manifest.Digest]entry
	places   map[int64]entry
	seen     map[manifest.Digest]bool
	last     manifest.Digest
	buf      []byte
}

func (s *scan) buffer() []byte {
	if s.buf == nil {
		s.buf = make([]byte, copySize)
	}
	return s.buf
}

func (s *scan) fault(at int64, d manifest.Digest, format string, args ...any) {
	s.faults = append(s.faults, Fault{Offset: at, Blob: d, What: fmt.Sprintf(format, args...)})
}

// missing lists the blobs that the scan did not come across.
func (s *scan) missing() []manifest.Blob {
	var out []manifest.Blob
	for _, e := range s.l.bulk {
		if !s.seen[e.blob.SHA256] {
			out = append(out, e.blob)
		}
	}
	return out
}

// run scans. Its error is one of reading, of keep or of ctx.
func (s *scan) run(ctx context.Context) error {
	s.p = orSilent(s.p)
	s.expected, s.places = map[manifest.Digest]entry{}, map[int64]entry{}
	s.seen = map[manifest.Digest]bool{}
	for _, e := range s.l.bulk {
		s.expected[e.blob.SHA256] = e
		s.places[e.at] = e
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		more, err := s.entry(ctx)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			s.fault(s.at, manifest.Digest{}, "the file ends here; it must have %d bytes", s.l.size)
			return nil
		}
		if err != nil || !more {
			return err
		}
		if len(s.faults) > maxBlobs {
			return nil
		}
	}
}

// entry reads one entry. It answers false at the end and where the file cannot
// be read on; io.EOF where the file ends too early.
func (s *scan) entry(ctx context.Context) (more bool, err error) {
	at := s.at
	b := make([]byte, blockSize)
	if err := s.full(b); err != nil {
		return false, err
	}
	if allZero(b) {
		return false, s.end()
	}
	name, size, ok := readHeader(b)
	if e, big := s.places[at]; !ok && big && headerSize(e.blob.Size) > blockSize {
		return true, s.big(ctx, e, b)
	}
	d, isBlob := parseBlobName(name)
	if !ok || !isBlob {
		e, known := s.places[at]
		if ok {
			s.fault(at, manifest.Digest{}, "an entry %q is none of a bundle's", shorten(name))
		} else {
			s.fault(at, manifest.Digest{}, "this is no tar header of the form that a bundle has")
		}
		if known {
			s.seen[e.blob.SHA256] = true
			return true, s.skip(e.end() - s.at)
		}
		return false, nil
	}
	if !s.place(at, d, size) {
		return true, s.skip(size + pad(size))
	}
	return true, s.content(ctx, s.expected[d].blob)
}

// place judges that an entry stands here; false means that its content is of
// no use.
func (s *scan) place(at int64, d manifest.Digest, size int64) bool {
	e, known := s.expected[d]
	switch {
	case !known && d == emptyBlob().SHA256:
		s.fault(at, d, "it stands in the front already")
	case !known:
		s.fault(at, d, "the lock does not name this blob")
	case e.blob.Size != size:
		s.seen[d] = true
		s.fault(at, d, "its entry has %d bytes, the lock says %d", size, e.blob.Size)
	case s.seen[d]:
		s.fault(at, d, "it stands there twice")
	default:
		s.seen[d] = true
		if less(d, s.last) {
			s.fault(at, d, "it is out of order")
		}
		s.last = d
		return true
	}
	return false
}

// big reads the entry of a blob that needs a PAX header.
func (s *scan) big(ctx context.Context, e entry, first []byte) error {
	rest := make([]byte, headerSize(e.blob.Size)-blockSize)
	if err := s.full(rest); err != nil {
		return err
	}
	s.seen[e.blob.SHA256] = true
	if string(first)+string(rest) != string(appendHeader(nil, blobName(e.blob.SHA256), e.blob.Size)) {
		s.fault(e.at, e.blob.SHA256, "its tar header is not of the form that a bundle has")
		return s.skip(e.end() - s.at)
	}
	s.last = e.blob.SHA256
	return s.content(ctx, e.blob)
}

// content reads a blob that stands here, checks it and hands it on.
func (s *scan) content(ctx context.Context, b manifest.Blob) error {
	at := s.at
	body := &body{s: s, left: b.Size, ctx: ctx}
	checked := b.Verify(body)
	var err error
	if s.keep != nil {
		err = s.keep(ctx, b, checked)
	}
	if err == nil { // whoever has the blob already need not read it; we do
		_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{checked}, s.buffer())
	}
	switch {
	case body.err != nil:
		return body.err
	case errors.Is(err, manifest.ErrDigest):
		s.fault(at, b.SHA256, "its content does not match its hash")
	case err != nil:
		return fmt.Errorf("keeping blob %s: %w", b.SHA256, err)
	}
	if err := s.skip(body.left); err != nil {
		return err
	}
	zeros := make([]byte, pad(b.Size))
	if err := s.full(zeros); err != nil {
		return err
	}
	if !allZero(zeros) {
		s.fault(s.at-int64(len(zeros)), b.SHA256, "the padding after it is not all zeros")
	}
	return nil
}

// end checks that the second zero block follows and nothing else.
func (s *scan) end() error {
	b := make([]byte, blockSize)
	if err := s.full(b); err != nil {
		return err
	}
	if !allZero(b) {
		s.fault(s.at-blockSize, manifest.Digest{}, "the end of the tar is not two blocks of zeros")
		return nil
	}
	n, err := s.r.Read(b[:1])
	for n == 0 && err == nil {
		n, err = s.r.Read(b[:1])
	}
	if n > 0 {
		s.fault(s.at, manifest.Digest{}, "there are bytes after the end")
		return nil
	}
	if err != io.EOF {
		return fmt.Errorf("reading bundle at byte %d: %w", s.at, err)
	}
	return nil
}

// body reads the content of one entry; it keeps an error of the file apart
// from those of who consumes it.
type body struct {
	s    *scan
	ctx  context.Context
	left int64
	err  error
}

func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	if b.err = b.ctx.Err(); b.err != nil {
		return 0, b.err
	}
	n, err := b.s.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	b.s.at += int64(n)
	b.s.p.Add(int64(n))
	if err == io.EOF && b.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

func (s *scan) full(b []byte) error {
	n, err := io.ReadFull(s.r, b)
	s.at += int64(n)
	s.p.Add(int64(n))
	return s.failed(err)
}

func (s *scan) skip(n int64) error {
	done, err := io.CopyN(io.Discard, s.r, n)
	s.at += done
	s.p.Add(done)
	return s.failed(err)
}

func (s *scan) failed(err error) error {
	if err == nil || err == io.EOF || err == io.ErrUnexpectedEOF {
		return err
	}
	return fmt.Errorf("reading bundle at byte %d: %w", s.at, err)
}
