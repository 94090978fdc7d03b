package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"satchel/manifest"
)

// frontFile is one entry of a front.
type frontFile struct {
	name    string
	content []byte
}

// frontFiles takes a front apart.
func frontFiles(t *testing.T, l *layout) []frontFile {
	t.Helper()
	var out []frontFile
	b := l.front()
	for len(b) > 0 {
		name, size, ok := readHeader(b[:blockSize])
		if !ok {
			t.Fatal("our own front has a header that we do not read")
		}
		out = append(out, frontFile{name, b[blockSize : blockSize+size]})
		b = b[entrySize(size):]
	}
	return out
}

// joinFront puts a front together; the filler is made to fit.
func joinFront(files []frontFile) []byte {
	var b []byte
	for _, f := range files {
		content := f.content
		if f.name == fillerName {
			n := roundUp(int64(len(b))+blockSize+frontRoom, frontStep)
			content = make([]byte, n-int64(len(b))-blockSize)
		}
		b = appendFile(b, f.name, content)
	}
	return b
}

// TestForgedFront: fronts that are sound tar files, all hashes right, and yet
// not what a bundle's front is.
func TestForgedFront(t *testing.T) {
	data, p := signedFixture(t)
	x := takeApart(t, data)
	bulk := data[x.l.frontEnd:]
	files := frontFiles(t, x.l)
	const layout, index, doc, lock, empty, ref1, sig1, ref2, sig2, filler = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
	if len(files) != filler+1 {
		t.Fatalf("got %d files, want %d", len(files), filler+1)
	}
	with := func(change func(f []frontFile) []frontFile) []byte {
		return append(joinFront(change(append([]frontFile(nil), files...))), bulk...)
	}
	drop := func(i int) []byte {
		return with(func(f []frontFile) []frontFile { return append(f[:i], f[i+1:]...) })
	}
	twice := func(i int) []byte {
		return with(func(f []frontFile) []frontFile { return append(f[:i+1:i+1], f[i:]...) })
	}
	swap := func(i, j int) []byte {
		return with(func(f []frontFile) []frontFile { f[i], f[j] = f[j], f[i]; return f })
	}
	content := func(i int, c string) []byte {
		return with(func(f []frontFile) []frontFile { f[i].content = []byte(c); return f })
	}
	if !bytes.Equal(with(func(f []frontFile) []frontFile { return f }), data) {
		t.Fatal("taking a front apart and putting it together changes it")
	}
	p.Unsigned = true // a filler before the signatures hides them, so here nobody asks for any
	for i := range files {
		refused(t, fmt.Sprintf("without %d, %s", i, files[i].name), drop(i), p)
		refused(t, fmt.Sprintf("%d twice, %s", i, files[i].name), twice(i), p)
		for j := range i {
			refused(t, fmt.Sprintf("%d and %d swapped", i, j), swap(i, j), p)
		}
	}
	idx := string(files[index].content)
	refused(t, "space in index.json", content(index, strings.Replace(idx, `":2,`, `": 2,`, 1)), p)
	refused(t, "index.json names less", content(index, idx[:strings.Index(idx, `,{"mediaType"`)]+"]}"), p)
	refused(t, "index.json empty", content(index, ""), p)
	refused(t, "oci-layout of another version", content(layout, `{"imageLayoutVersion":"1.0.1"}`), p)
	refused(t, "another empty config", content(empty, `[]`), p)
	refused(t, "lock changed", content(lock, string(files[lock].content)+"\n"), p)
	refused(t, "manifest changed", content(doc, string(files[doc].content)+"\n"), p)
	refused(t, "both signatures of the same referrer", with(func(f []frontFile) []frontFile { f[sig2], f[ref2] = f[sig1], f[ref1]; return f }), p)
	refused(t, "referrers out of order", with(func(f []frontFile) []frontFile {
		f[ref1], f[sig1], f[ref2], f[sig2] = f[ref2], f[sig2], f[ref1], f[sig1]
		return f
	}), p)
	refused(t, "signature changed, names kept", content(sig1, string(files[sig1].content)+"\n"), p)
	refused(t, "signature and names changed", with(func(f []frontFile) []frontFile {
		return renamed(f, x.l, ref1, sig1, append(bytes.Clone(f[sig1].content), '\n'))
	}), p)
	// A front that is longer than it must be, all zeros.
	long := joinFront(files[:filler])
	n := roundUp(int64(len(long))+blockSize+frontRoom, frontStep) + frontStep - int64(len(long)) - blockSize
	long = appendFile(long, fillerName, make([]byte, n))
	refused(t, "too much filler", append(long, bulk...), p)
	refused(t, "filler not zero", func() []byte {
		b := bytes.Clone(data)
		b[x.l.frontEnd-1] = 1
		return b
	}(), p)
}

// renamed puts other bytes in the place of a signature, with right hashes.
func renamed(f []frontFile, l *layout, ref, sig int, content []byte) []frontFile {
	b := blobOf(content)
	doc := referrerManifest(blobOf(l.doc), b, MediaTypeSSHSig)
	f[ref] = frontFile{blobName(manifest.Sum(doc)), doc}
	f[sig] = frontFile{blobName(b.SHA256), content}
	return f
}

// TestMoreSignaturesThanAllowed and larger ones than allowed are refused.
func TestLimitsOfSignatures(t *testing.T) {
	fix := newFixture(t)
	doc := mustMarshal(t, fix.lock)
	var many []Signature
	for i := range MaxSignatures + 1 {
		many = append(many, Signature{[]byte(armourBegin + fmt.Sprintf("%04d", i) + "\n" + armourEnd)})
	}
	if _, err := newLayout(fix.lock, doc, many); err == nil {
		t.Error("one signature more than the limit is taken")
	}
	l, err := newLayout(fix.lock, doc, many[:MaxSignatures])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Front(bytes.NewReader(l.front())); err != nil {
		t.Errorf("as many signatures as may be: %v", err)
	}
	last, files := l.sigs[MaxSignatures-1].self.SHA256, frontFiles(t, l)
	for i := 0; ; i++ { // until one sorts behind the others
		r, err := referrers(blobOf(l.doc), []Signature{{[]byte(armourBegin + fmt.Sprintf("more %d", i) + "\n" + armourEnd)}})
		if err != nil {
			t.Fatal(err)
		}
		if less(last, r[0].self.SHA256) {
			files = append(files[:len(files)-1], frontFile{blobName(r[0].self.SHA256), r[0].doc},
				frontFile{blobName(r[0].blob.SHA256), r[0].sig.Armoured}, files[len(files)-1])
			break
		}
	}
	if _, err := Front(bytes.NewReader(joinFront(files))); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "more than 64") {
		t.Errorf("65 signatures: got %v, want that they are too many", err)
	}
	big := Signature{append([]byte(armourBegin), make([]byte, MaxSignatureSize)...)}
	if _, err := newLayout(fix.lock, doc, []Signature{big}); err == nil {
		t.Error("a signature over the limit is taken")
	}
}

// TestHugeClaims: a header that claims much does not make us take memory.
func TestHugeClaims(t *testing.T) {
	data := newFixture(t).write(t)
	start := int64(0)
	for _, f := range frontFiles(t, takeApart(t, data).l) {
		for _, size := range []int64{ustarMax, MaxManifestSize + 1, MaxManifestSize} {
			bad := append(bytes.Clone(data[:start]), appendHeader(nil, f.name, size)...)
			if _, err := Front(bytes.NewReader(bad)); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s of %d bytes: got %v, want ErrCorrupt", f.name, size, err)
			}
		}
		start += entrySize(int64(len(f.content)))
	}
}

// TestSignedNonsense: what a trusted signer signed must still hold together.
func TestSignedNonsense(t *testing.T) {
	fix := newFixture(t)
	alice, alicePub := keyPair(t)
	p := Policy{AllowedSigners: signers(t, alicePub), Threshold: 1}
	lockDoc := mustMarshal(t, fix.lock)
	good, err := newLayout(fix.lock, lockDoc, nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]func(l *layout){
		"manifest names one layer less; is missing": func(l *layout) {
			i, j := bytes.LastIndex(l.doc, []byte(`,{"mediaType"`)), len(l.doc)-2
			l.doc = append(l.doc[:i], l.doc[j:]...)
		},
		"manifest has a field more; written differently": func(l *layout) {
			l.doc = append(l.doc[:len(l.doc)-1], `,"annotations":{"a":"b"}}`...)
		},
		"lock in another form; canonical form": func(l *layout) {
			l.lockDoc = append([]byte("# a comment\n"), l.lockDoc...)
			l.doc = bytes.Replace(l.doc, []byte(blobOf(lockDoc).SHA256.Hex()), []byte(blobOf(l.lockDoc).SHA256.Hex()), 1)
			l.doc = bytes.Replace(l.doc, fmt.Appendf(nil, `"size":%d`, len(lockDoc)), fmt.Appendf(nil, `"size":%d`, len(l.lockDoc)), 1)
		},
		"lock is no lock; was made so": func(l *layout) {
			l.lockDoc = []byte("hello")
			l.doc = bytes.Replace(l.doc, []byte(blobOf(lockDoc).SHA256.Hex()), []byte(blobOf(l.lockDoc).SHA256.Hex()), 1)
			l.doc = bytes.Replace(l.doc, fmt.Appendf(nil, `"size":%d`, len(lockDoc)), []byte(`"size":5`), 1)
		},
	}
	for what, change := range tests {
		l := *good
		l.doc = bytes.Clone(good.doc)
		change(&l)
		sig, err := alice.Sign(t.Context(), SignatureNamespace, l.doc)
		if err != nil {
			t.Fatal(err)
		}
		if l.sigs, err = referrers(blobOf(l.doc), []Signature{sig}); err != nil {
			t.Fatal(err)
		}
		l.index = indexDocument(l.indexEntries(true))
		var blobs []descriptor
		for _, e := range good.bulk {
			blobs = append(blobs, descriptor{blob: e.blob})
		}
		l.bulk = nil
		l.place(blobs)
		var b bytes.Buffer
		if err := l.write(t.Context(), &b, fix.blobs, silent{}); err != nil {
			t.Fatal(err)
		}
		refused(t, what, b.Bytes(), p)
		_, part, _ := strings.Cut(what, "; ")
		if _, _, err := open(t, b.Bytes()).Verify(t.Context(), p, nil); !strings.Contains(err.Error(), part) {
			t.Errorf("got %v, want %q", err, part)
		}
	}
}
