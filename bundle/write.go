package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"satchel/bundle/stage"
	"satchel/manifest"
)

// Manifest gives the artifact manifest of a lock's bundle: the bytes that are
// signed, whose digest is the bundle's identity. No blob is needed for it.
func Manifest(lock *manifest.Lock) ([]byte, error) {
	doc, err := encodeLock(lock)
	if err != nil {
		return nil, err
	}
	l, err := newLayout(lock, doc, nil)
	if err != nil {
		return nil, err
	}
	return l.doc, nil
}

// Write writes the bundle of a lock to w, and gives its identity. Every blob is
// checked while it is copied. The same lock and signatures give the same bytes.
// Signatures that are not of this lock's manifest are an error, before the
// first byte is written. A blob that src does not have gives an error that wraps
// ErrMissing and names all such blobs; one that is not what the lock says gives
// ErrCorrupt. After an error, what w has got is no bundle.
func Write(ctx context.Context, w io.Writer, lock *manifest.Lock, src Source, sigs []Signature, p Progress) (manifest.Digest, error) {
	l, err := signedLayout(lock, sigs)
	if err != nil {
		return manifest.Digest{}, err
	}
	if err := l.write(ctx, w, src, orSilent(p)); err != nil {
		return manifest.Digest{}, err
	}
	return l.identity(), nil
}

// signedLayout works out the bundle of a lock with signatures that are its own.
func signedLayout(lock *manifest.Lock, sigs []Signature) (*layout, error) {
	doc, err := encodeLock(lock)
	if err != nil {
		return nil, err
	}
	l, err := newLayout(lock, doc, sigs)
	if err != nil {
		return nil, err
	}
	for _, s := range sigs {
		if _, err := s.check(l.doc); err != nil {
			return nil, fmt.Errorf("writing bundle: %w", err)
		}
	}
	return l, nil
}

func (l *layout) write(ctx context.Context, w io.Writer, src Source, p Progress) error {
	if err := l.begin(ctx, w, src, p); err != nil {
		return err
	}
	buf := make([]byte, copySize)
	for _, e := range l.bulk {
		if err := putEntry(ctx, w, src, e, buf, p); err != nil {
			return err
		}
	}
	p.Add(endSize)
	return put(w, make([]byte, endSize))
}

// writeFile is write to a new file, for which all processors hash side by
// side: where each blob goes is known.
func (l *layout) writeFile(ctx context.Context, f *os.File, src Source, p Progress) error {
	if err := l.begin(ctx, io.NewOffsetWriter(f, 0), src, p); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			buf := make([]byte, fileCopySize)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(l.bulk) {
					return nil
				}
				e := l.bulk[i]
				if err := putEntry(gctx, io.NewOffsetWriter(f, e.at), src, e, buf, p); err != nil {
					return err
				}
				stage.StartWriting(f, e.at, e.end()-e.at)
			}
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	p.Add(endSize)
	return put(io.NewOffsetWriter(f, l.size-endSize), make([]byte, endSize))
}

// begin makes sure that all is there and writes the front.
func (l *layout) begin(ctx context.Context, w io.Writer, src Source, p Progress) error {
	if err := l.present(ctx, src); err != nil {
		return err
	}
	p.Total(l.size)
	if err := put(w, l.front()); err != nil {
		return err
	}
	p.Add(l.frontEnd)
	return nil
}

// putEntry writes a blob with all that surrounds it.
func putEntry(ctx context.Context, w io.Writer, src Source, e entry, buf []byte, p Progress) error {
	if err := put(w, appendHeader(nil, blobName(e.blob.SHA256), e.blob.Size)); err != nil {
		return err
	}
	if err := copyBlob(ctx, w, src, e.blob, buf, p); err != nil {
		return err
	}
	if err := put(w, make([]byte, pad(e.blob.Size))); err != nil {
		return err
	}
	p.Add(e.end() - e.at - e.blob.Size)
	return nil
}

// present asks for every blob before the first byte is written, so that one
// answer names all that is missing.
func (l *layout) present(ctx context.Context, src Source) error {
	missing := &MissingError{}
	for _, e := range l.bulk {
		if err := ctx.Err(); err != nil {
			return err
		}
		rc, err := src.Open(e.blob)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing.Blobs = append(missing.Blobs, e.blob)
		case err != nil:
			return fmt.Errorf("writing bundle: opening blob %s: %w", e.blob.SHA256, err)
		default:
			rc.Close()
		}
	}
	if len(missing.Blobs) > 0 {
		missing.titles = titles(l.lock)
		return fmt.Errorf("writing bundle: %w", missing)
	}
	return nil
}

func put(w io.Writer, b []byte) error {
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("writing bundle: %w", err)
	}
	return nil
}

// rawSource is a Source that checks what it gives, and that can also leave that
// to whoever reads.
type rawSource interface {
	// Raw is Open without the check.
	Raw(manifest.Blob) (io.ReadCloser, error)
	// Check reads a blob, and removes it if it is wrong.
	Check(context.Context, manifest.Blob) error
}

// copyBlob copies a blob and checks it.
func copyBlob(ctx context.Context, w io.Writer, src Source, b manifest.Blob, buf []byte, p Progress) error {
	open := src.Open
	raw, isRaw := src.(rawSource)
	if isRaw {
		open = raw.Raw // once is enough
	}
	rc, err := open(b)
	if err != nil {
		return fmt.Errorf("writing bundle: opening blob %s: %w", b.SHA256, err)
	}
	defer rc.Close()
	r := b.Verify(rc)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buf)
		if n > 0 {
			if err := put(w, buf[:n]); err != nil {
				return err
			}
			p.Add(int64(n))
		}
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, manifest.ErrDigest):
			if isRaw { // so that it knows, and does not offer the blob again
				err = errors.Join(err, raw.Check(ctx, b))
			}
			return fmt.Errorf("writing bundle: blob %s: %w: %w", b.SHA256, ErrCorrupt, err)
		case err != nil:
			return fmt.Errorf("writing bundle: reading blob %s: %w", b.SHA256, err)
		}
	}
}

// Create writes the bundle of a lock to the file path, as Write does. The file
// has its name only once it is whole and on the disk: it is written beside
// path under a temporary name, synced and renamed. After an error nothing of
// it is left, and a file that was there before is unchanged.
func Create(ctx context.Context, path string, lock *manifest.Lock, src Source, sigs []Signature, p Progress) (manifest.Digest, error) {
	l, err := signedLayout(lock, sigs)
	if err != nil {
		return manifest.Digest{}, err
	}
	if err := replace(path, func(f *os.File) error { return l.writeFile(ctx, f, src, orSilent(p)) }); err != nil {
		return manifest.Digest{}, err
	}
	return l.identity(), nil
}

// replace writes a file under a temporary name and gives it its own at the end.
func replace(path string, write func(*os.File) error) (err error) {
	dir := filepath.Dir(path)
	f, err := stage.File(dir, "."+filepath.Base(path)+".", ".partial")
	if err != nil {
		return fmt.Errorf("creating %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return fmt.Errorf("creating %s: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("creating %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("creating %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("creating %s: %w", path, err)
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing folder %s: %w", dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("syncing folder %s: %w", dir, err)
	}
	return nil
}
