package bundle

import (
	"bytes"
	"fmt"
	"sort"

	"satchel/manifest"
)

// A layout is everything about a bundle but the blobs' bytes: it follows from
// the lock and the signatures alone.
type layout struct {
	lock     *manifest.Lock
	lockDoc  []byte
	doc      []byte // the artifact manifest
	images   []descriptor
	bulk     []entry // by digest
	sigs     []referrer
	index    []byte
	frontEnd int64 // where the first bulk header begins
	size     int64 // of the whole file
}

// entry is a blob's place in the file.
type entry struct {
	blob manifest.Blob
	at   int64 // of its header
}

func (e entry) data() int64 { return e.at + headerSize(e.blob.Size) }
func (e entry) end() int64  { return e.at + entrySize(e.blob.Size) }

// referrer is a signature with the OCI manifest that ties it to its subject.
type referrer struct {
	sig  Signature
	blob manifest.Blob // the signature's
	doc  []byte
	self manifest.Blob // doc's
	at   int64         // offset of the signature's content, where it was read
}

// identity is the digest of the artifact manifest.
func (l *layout) identity() manifest.Digest { return manifest.Sum(l.doc) }

// newLayout works out the bundle of a lock.
func newLayout(lock *manifest.Lock, lockDoc []byte, sigs []Signature) (*layout, error) {
	if len(lockDoc) == 0 || len(lockDoc) > MaxLockSize {
		return nil, fmt.Errorf("laying out bundle: the lock has %d bytes, the limit is %d", len(lockDoc), MaxLockSize)
	}
	l := &layout{lock: lock, lockDoc: lockDoc}
	blobs, err := layers(lock)
	if err != nil {
		return nil, err
	}
	l.doc = artifactManifest(blobOf(lockDoc), blobs)
	if len(l.doc) > MaxManifestSize {
		return nil, fmt.Errorf("laying out bundle: its manifest has %d bytes, the limit is %d", len(l.doc), MaxManifestSize)
	}
	if l.images, err = baseImages(lock); err != nil {
		return nil, err
	}
	if l.sigs, err = referrers(blobOf(l.doc), sigs); err != nil {
		return nil, err
	}
	l.index = indexDocument(l.indexEntries(true))
	if len(l.index) > maxIndexSize {
		return nil, fmt.Errorf("laying out bundle: index.json has %d bytes, the limit is %d", len(l.index), maxIndexSize)
	}
	l.place(blobs)
	return l, nil
}

// layers gives every blob of the lock once, by digest.
func layers(lock *manifest.Lock) ([]descriptor, error) {
	refs := lock.Blobs()
	byDigest := make(map[manifest.Digest]int, len(refs))
	var out []descriptor
	for _, r := range refs {
		if r.SHA256.IsZero() || r.Size < 0 || r.Size > maxBlobSize {
			return nil, fmt.Errorf("laying out bundle: %q has no hash or an impossible size (%d bytes)", shorten(r.Title), r.Size)
		}
		if i, ok := byDigest[r.SHA256]; ok {
			if out[i].blob != r.Blob {
				return nil, fmt.Errorf("laying out bundle: %s has two sizes, %d (%s) and %d (%s)",
					r.SHA256, out[i].blob.Size, out[i].title, r.Size, r.Title)
			}
			continue
		}
		if err := checkString("title", r.Title); err != nil {
			return nil, err
		}
		if err := checkString("media type", r.MediaType); err != nil {
			return nil, err
		}
		byDigest[r.SHA256] = len(out)
		out = append(out, descriptor{mediaType: r.MediaType, blob: r.Blob, title: r.Title})
	}
	if len(out) > maxBlobs {
		return nil, fmt.Errorf("laying out bundle: the lock names %d blobs, the limit is %d", len(out), maxBlobs)
	}
	sort.Slice(out, func(i, j int) bool { return less(out[i].blob.SHA256, out[j].blob.SHA256) })
	return out, nil
}

// baseImages lists the images of the lock once each, in the lock's order, for
// index.json: so other tools find them. An image is called SUITE-ARCHITECTURE;
// a second one that would have the same name has its digest's start added.
func baseImages(lock *manifest.Lock) ([]descriptor, error) {
	var out []descriptor
	seen := map[manifest.Digest]bool{}
	names := map[string]bool{refBundle: true}
	for _, t := range lock.Targets {
		m := t.Image.Manifest
		if m == nil || seen[m.SHA256] {
			continue
		}
		seen[m.SHA256] = true
		name := t.Suite + "-" + t.Architecture
		if names[name] {
			name += "-" + m.SHA256.Hex()[:12]
		}
		names[name] = true
		if err := checkString("image name", name); err != nil {
			return nil, err
		}
		out = append(out, descriptor{mediaType: m.MediaType, blob: m.Blob, ref: name})
	}
	return out, nil
}

// referrers makes the manifests of signatures, sorted by their digests.
func referrers(subject manifest.Blob, sigs []Signature) ([]referrer, error) {
	if len(sigs) > MaxSignatures {
		return nil, fmt.Errorf("laying out bundle: %d signatures, the limit is %d", len(sigs), MaxSignatures)
	}
	var out []referrer
	for _, s := range sigs {
		kind, err := s.kind()
		if err != nil {
			return nil, err
		}
		r := referrer{sig: s, blob: blobOf(s.Armoured)}
		r.doc = referrerManifest(subject, r.blob, kind)
		r.self = blobOf(r.doc)
		out = append(out, r)
	}
	sort.Slice(out, func(i, j int) bool { return less(out[i].self.SHA256, out[j].self.SHA256) })
	for i := 1; i < len(out); i++ {
		if out[i].self == out[i-1].self {
			return nil, fmt.Errorf("laying out bundle: the same signature twice")
		}
	}
	return out, nil
}

// indexEntries lists what index.json names: the bundle, images, signatures.
func (l *layout) indexEntries(signed bool) []descriptor {
	out := []descriptor{{mediaType: mediaTypeOCI, blob: blobOf(l.doc), ref: refBundle, artifactType: MediaTypeBundle}}
	out = append(out, l.images...)
	if signed {
		for _, r := range l.sigs {
			out = append(out, descriptor{mediaType: mediaTypeOCI, blob: r.self, artifactType: r.sig.mustKind()})
		}
	}
	return out
}

// place gives every blob its offset. The empty config stands in the front
// already, so a lock that names "{}" does not put it there twice.
func (l *layout) place(blobs []descriptor) {
	base := l.used(len(indexDocument(l.indexEntries(false))))
	used := l.used(len(l.index))
	for _, r := range l.sigs {
		used += entrySize(r.self.Size) + entrySize(r.blob.Size)
	}
	l.frontEnd = roundUp(max(base+blockSize+frontRoom, used+blockSize), frontStep)
	at := l.frontEnd
	for _, b := range blobs {
		if b.blob == emptyBlob() {
			continue
		}
		e := entry{blob: b.blob, at: at}
		l.bulk = append(l.bulk, e)
		at = e.end()
	}
	l.size = at + endSize
}

// used is the size of a front without signatures and filler.
func (l *layout) used(index int) int64 {
	n := int64(0)
	for _, size := range []int{len(layoutFile), index, len(l.doc), len(l.lockDoc), len(emptyConfig)} {
		n += entrySize(int64(size))
	}
	return n
}

// front writes the front: all that comes before the first bulk header.
func (l *layout) front() []byte {
	b := make([]byte, 0, l.frontEnd)
	b = appendFile(b, layoutName, []byte(layoutFile))
	b = appendFile(b, indexName, l.index)
	b = appendFile(b, blobName(l.identity()), l.doc)
	b = appendFile(b, blobName(manifest.Sum(l.lockDoc)), l.lockDoc)
	b = appendFile(b, blobName(emptyBlob().SHA256), []byte(emptyConfig))
	for _, r := range l.sigs {
		b = appendFile(b, blobName(r.self.SHA256), r.doc)
		b = appendFile(b, blobName(r.blob.SHA256), r.sig.Armoured)
	}
	b = appendHeader(b, fillerName, l.frontEnd-int64(len(b))-blockSize)
	return append(b, make([]byte, l.frontEnd-int64(len(b)))...)
}

func appendFile(b []byte, name string, content []byte) []byte {
	b = appendHeader(b, name, int64(len(content)))
	b = append(b, content...)
	return append(b, make([]byte, pad(int64(len(content))))...)
}

func roundUp(n, step int64) int64 { return (n + step - 1) / step * step }

func less(a, b manifest.Digest) bool { return bytes.Compare(a[:], b[:]) < 0 }
