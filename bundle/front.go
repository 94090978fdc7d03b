package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"satchel/manifest"
)

// front is what the first part of a file says, before anyone is trusted: each
// blob in it hashes to its name, the manifest names the lock, the signatures'
// manifests name the manifest. It has not been asked who signed, and neither
// lock nor index.json has been interpreted.
type front struct {
	index   []byte
	doc     []byte // the artifact manifest
	docAt   int64  // offset of its content
	lockDoc []byte
	lockAt  int64 // offset of its content
	sigs    []referrer
	end     int64 // offset of the first bulk header
}

// indexAt is the offset of index.json's content: oci-layout comes before it.
const indexAt = 3 * blockSize

// frontReader reads entries in order and knows the offset.
type frontReader struct {
	r  io.Reader
	at int64
}

// readFront reads the front, and not one byte more.
func readFront(r io.Reader) (*front, error) {
	fr := &frontReader{r: r}
	f := &front{}
	if err := fr.constant(layoutName, layoutFile); err != nil {
		return nil, err
	}
	var err error
	if f.index, err = fr.named(indexName, maxIndexSize); err != nil {
		return nil, err
	}
	f.docAt = fr.at + blockSize
	if f.doc, err = fr.hashed(MaxManifestSize); err != nil {
		return nil, err
	}
	lock, err := lockOf(f.doc)
	if err != nil {
		return nil, corrupt(fr.at, "%v", err)
	}
	start := fr.at
	if f.lockDoc, err = fr.named(blobName(lock.SHA256), lock.Size); err != nil {
		return nil, err
	}
	f.lockAt = start + blockSize
	if blobOf(f.lockDoc) != lock {
		return nil, corrupt(f.lockAt, "the lock is not the one that the manifest names (sha256 %s)", lock.SHA256.Hex())
	}
	if err := fr.constant(blobName(emptyBlob().SHA256), emptyConfig); err != nil {
		return nil, err
	}
	if err := fr.signatures(f); err != nil {
		return nil, err
	}
	f.end = fr.at
	return f, nil
}

// signatures reads the pairs of referrer and signature, then the filler.
func (fr *frontReader) signatures(f *front) error {
	base := fr.at
	subject := blobOf(f.doc)
	for {
		at := fr.at
		name, size, err := fr.header()
		if err != nil {
			return err
		}
		if name == fillerName {
			return fr.filler(f, base, size)
		}
		if len(f.sigs) == MaxSignatures {
			return corrupt(at, "more than %d signatures", MaxSignatures)
		}
		var r referrer
		if r.doc, err = fr.blob(at, name, size, maxReferrerSize); err != nil {
			return err
		}
		sigAt := fr.at
		if r.sig.Armoured, err = fr.hashed(MaxSignatureSize); err != nil {
			return err
		}
		kind, err := r.sig.kind()
		if err != nil {
			return corrupt(sigAt, "%v", err)
		}
		r.at = sigAt + blockSize
		r.self, r.blob = blobOf(r.doc), blobOf(r.sig.Armoured)
		if !bytes.Equal(r.doc, referrerManifest(subject, r.blob, kind)) {
			return corrupt(at, "this is not the manifest of the signature that follows it")
		}
		if n := len(f.sigs); n > 0 && !less(f.sigs[n-1].self.SHA256, r.self.SHA256) {
			return corrupt(at, "the signatures are not sorted, or one stands there twice")
		}
		f.sigs = append(f.sigs, r)
	}
}

// filler reads the zeros that end the front. Its size is not free: it depends
// on what index.json would be without signatures, which follows from the lock.
// So here only its limits are checked, and File.layout compares it.
func (fr *frontReader) filler(f *front, base, size int64) error {
	if (fr.at+size)%frontStep != 0 || size > 2*frontStep {
		return corrupt(fr.at-blockSize, "the filler has a wrong size, %d bytes", size)
	}
	zero := make([]byte, blockSize)
	b := make([]byte, blockSize)
	for end := fr.at + size; fr.at < end; {
		if err := fr.full(b); err != nil {
			return err
		}
		if !bytes.Equal(b, zero) {
			return corrupt(fr.at-blockSize, "the filler is not all zeros")
		}
	}
	return nil
}

// constant reads an entry whose name and content never change.
func (fr *frontReader) constant(name, want string) error {
	at := fr.at
	got, err := fr.named(name, int64(len(want)))
	if err != nil {
		return err
	}
	if string(got) != want {
		return corrupt(at+blockSize, "%s is not what it is in every bundle", name)
	}
	return nil
}

// named reads an entry with this name, of at most limit bytes.
func (fr *frontReader) named(want string, limit int64) ([]byte, error) {
	at := fr.at
	name, size, err := fr.header()
	if err != nil {
		return nil, err
	}
	if name != want {
		return nil, corrupt(at, "an entry %q stands where %q must be", shorten(name), shorten(want))
	}
	return fr.content(at, size, limit)
}

// hashed reads the entry of a blob whose digest is not known before.
func (fr *frontReader) hashed(limit int64) ([]byte, error) {
	at := fr.at
	name, size, err := fr.header()
	if err != nil {
		return nil, err
	}
	return fr.blob(at, name, size, limit)
}

func (fr *frontReader) blob(at int64, name string, size, limit int64) ([]byte, error) {
	want, ok := parseBlobName(name)
	if !ok {
		return nil, corrupt(at, "an entry %q stands where a blob must be", shorten(name))
	}
	b, err := fr.content(at, size, limit)
	if err != nil {
		return nil, err
	}
	if got := manifest.Sum(b); got != want {
		return nil, &CorruptError{Faults: []Fault{{Offset: at + blockSize, Blob: want, What: "its sha256 is " + got.Hex()}}}
	}
	return b, nil
}

// header reads one header block.
func (fr *frontReader) header() (string, int64, error) {
	at := fr.at
	b := make([]byte, blockSize)
	if err := fr.full(b); err != nil {
		return "", 0, err
	}
	name, size, ok := readHeader(b)
	if !ok {
		if at == 0 {
			return "", 0, corrupt(0, notBundle)
		}
		return "", 0, corrupt(at, "this is no tar header of the form that a bundle has")
	}
	return name, size, nil
}

// content reads an entry's bytes and the zeros after them. It takes memory as
// the bytes come, so that a header alone cannot ask for much.
func (fr *frontReader) content(at, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, corrupt(at, "an entry of %d bytes where at most %d are allowed", size, limit)
	}
	var buf bytes.Buffer
	n, err := io.CopyN(&buf, fr.r, size)
	fr.at += n
	if err != nil {
		return nil, fr.failed(err)
	}
	zeros := make([]byte, pad(size))
	if err := fr.full(zeros); err != nil {
		return nil, err
	}
	for _, c := range zeros {
		if c != 0 {
			return nil, corrupt(fr.at-int64(len(zeros)), "the padding is not all zeros")
		}
	}
	return buf.Bytes(), nil
}

func (fr *frontReader) full(b []byte) error {
	n, err := io.ReadFull(fr.r, b)
	fr.at += int64(n)
	if err != nil {
		return fr.failed(err)
	}
	return nil
}

func (fr *frontReader) failed(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return corrupt(fr.at, "the file ends here, within its front")
	}
	return fmt.Errorf("reading bundle at byte %d: %w", fr.at, err)
}
