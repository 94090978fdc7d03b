package bundle

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"

	"satchel/manifest"
)

// A File is a bundle whose front has been read. Nothing that it says is
// trusted: Verify is what makes a Verified of it.
type File struct {
	name  string
	r     io.ReaderAt // nil when it came from Front
	size  int64
	close func() error
	front *front

	once   sync.Once
	laid   *layout
	layErr error
}

// Open opens the bundle path and reads its front alone. Its error wraps
// ErrCorrupt when the file is no bundle.
func Open(path string) (*File, error) {
	info, err := os.Stat(path) // before it is opened: to open a pipe waits for who writes
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("opening bundle: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening bundle: %w", err)
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("opening bundle: %w", err)
	}
	file, err := New(path, f, info.Size())
	if err != nil {
		f.Close()
		return nil, err
	}
	file.close = f.Close
	return file, nil
}

// New is Open for any reader of size bytes. name is for messages.
func New(name string, r io.ReaderAt, size int64) (*File, error) {
	fr, err := readFront(bufio.NewReaderSize(io.NewSectionReader(r, 0, size), frontStep))
	if err != nil {
		return nil, fmt.Errorf("opening bundle %s: %w", name, err)
	}
	return &File{name: name, r: r, size: size, front: fr}, nil
}

// Front reads the front of a bundle from r, and not one byte more. Such a File
// tells what it says and who signed it; its blobs are read by VerifyStream.
func Front(r io.Reader) (*File, error) {
	fr, err := readFront(r)
	if err != nil {
		return nil, fmt.Errorf("reading the bundle's front: %w", err)
	}
	return &File{front: fr}, nil
}

// Close closes the file. A Verified of it cannot be read any more.
func (f *File) Close() error {
	if f.close == nil {
		return nil
	}
	return f.close()
}

// Identity is the digest of the artifact manifest: the bundle's name.
func (f *File) Identity() manifest.Digest { return manifest.Sum(f.front.doc) }

// Manifest gives a copy of the artifact manifest's bytes, which is what the
// signatures sign.
func (f *File) Manifest() []byte { return bytes.Clone(f.front.doc) }

// LockText gives a copy of the lock's bytes. They are those that the manifest names.
func (f *File) LockText() []byte { return bytes.Clone(f.front.lockDoc) }

// LockBlob is the lock's digest and size.
func (f *File) LockBlob() manifest.Blob { return blobOf(f.front.lockDoc) }

// Signatures gives the signatures as they stand in the bundle, unchecked.
func (f *File) Signatures() []Signature {
	var out []Signature
	for _, r := range f.front.sigs {
		out = append(out, Signature{Armoured: bytes.Clone(r.sig.Armoured)})
	}
	return out
}

// Lock reads the lock, and checks that manifest and index.json say what
// follows from it, no more and no less. Whoever calls it before Verify reads a
// document that nobody has vouched for. The caller must not change it.
func (f *File) Lock() (*manifest.Lock, error) {
	l, err := f.layout()
	if err != nil {
		return nil, err
	}
	return l.lock, nil
}

// Size is the length that the file must have, in bytes.
func (f *File) Size() (int64, error) {
	l, err := f.layout()
	if err != nil {
		return 0, err
	}
	return l.size, nil
}

// layout works out the whole bundle from the lock, and compares the front.
func (f *File) layout() (*layout, error) {
	f.once.Do(func() { f.laid, f.layErr = f.front.layout() })
	return f.laid, f.layErr
}

func (f *front) layout() (*layout, error) {
	lock, err := parseLock("in the bundle", f.lockDoc)
	if err != nil {
		return nil, madeWrong(f.lockAt, "%v", err)
	}
	var sigs []Signature
	for _, r := range f.sigs {
		sigs = append(sigs, r.sig)
	}
	l, err := newLayout(lock, f.lockDoc, sigs)
	if err != nil {
		return nil, madeWrong(f.lockAt, "%v", err)
	}
	switch {
	case !bytes.Equal(l.doc, f.doc):
		return nil, madeWrong(f.docAt, "the manifest does not name exactly the blobs of the lock: %s", difference(l.doc, f.doc))
	case !bytes.Equal(l.index, f.index):
		return nil, madeWrong(indexAt, "index.json is not the one that follows from lock and signatures")
	case l.frontEnd != f.end:
		return nil, madeWrong(f.end, "the front ends at byte %d, it must end at byte %d", f.end, l.frontEnd)
	}
	return l, nil
}

// difference says how the manifest got differs from the one that the lock
// gives: which digests are missing from it, which it has besides.
func difference(want, got []byte) string {
	const mark = `"digest":"sha256:`
	digests := func(doc []byte) map[string]bool {
		out := map[string]bool{}
		for _, part := range bytes.Split(doc, []byte(mark))[1:] {
			if len(part) >= 64 {
				out[string(part[:64])] = true
			}
		}
		return out
	}
	w, g := digests(want), digests(got)
	var out []string
	for d := range w {
		if !g[d] {
			out = append(out, fmt.Sprintf("%.64q is missing", d))
		}
	}
	for d := range g {
		if !w[d] {
			out = append(out, fmt.Sprintf("%.64q is extra", d))
		}
	}
	if out == nil {
		return "the same digests, written differently"
	}
	return listed(sorted(out))
}
