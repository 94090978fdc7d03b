package bundle

import (
	"bytes"
	"errors"
	"testing"
	"testing/iotest"
)

// TestFrontReadsItsPartOnly: Front takes not one byte more than the front, so
// that what follows in a pipe is still there.
func TestFrontReadsItsPartOnly(t *testing.T) {
	fix := newFixture(t)
	alice, _ := keyPair(t)
	data := fix.write(t, alice)
	r := bytes.NewReader(data)
	f, err := Front(iotest.OneByteReader(r))
	if err != nil {
		t.Fatal(err)
	}
	if read := int64(len(data) - r.Len()); read != f.front.end || read%frontStep != 0 {
		t.Errorf("read %d bytes, the front ends at %d", read, f.front.end)
	}
	if !bytes.Equal(f.Manifest(), open(t, data).Manifest()) || len(f.Signatures()) != 1 || !bytes.Equal(f.LockText(), mustMarshal(t, fix.lock)) {
		t.Error("Front and New differ")
	}
	if v, _, err := f.Verify(t.Context(), Policy{Unsigned: true}, nil); v != nil || err == nil {
		t.Error("a File without its bulk was verified")
	}
	if lock, err := f.Lock(); err != nil || len(lock.Targets) != 1 {
		t.Errorf("got lock %v, %v", lock, err)
	}
}

func TestReadErrorIsNoDamage(t *testing.T) {
	data := newFixture(t).write(t)
	errDisk := errors.New("bad sector")
	for n := 0; n < len(data); n += 5003 {
		r := func() *iotestReader { return &iotestReader{data: data, n: n, err: errDisk} }
		_, _, err := VerifyStream(t.Context(), r(), Policy{Unsigned: true}, memory{}, nil)
		if !errors.Is(err, errDisk) || errors.Is(err, ErrCorrupt) {
			t.Fatalf("after %d bytes: from a pipe: got %v", n, err)
		}
		f, err := New("test", r(), int64(len(data)))
		if err == nil {
			_, _, err = f.Verify(t.Context(), Policy{Unsigned: true}, nil)
		}
		if !errors.Is(err, errDisk) || errors.Is(err, ErrCorrupt) {
			t.Fatalf("after %d bytes: from a file: got %v", n, err)
		}
	}
}

// iotestReader gives n bytes of data and then fails.
type iotestReader struct {
	data  []byte
	n, at int
	err   error
}

func (r *iotestReader) Read(p []byte) (int, error) {
	n, err := r.ReadAt(p, int64(r.at))
	r.at += n
	return n, err
}

func (r *iotestReader) ReadAt(p []byte, at int64) (int, error) {
	if at >= int64(r.n) {
		return 0, r.err
	}
	n := copy(p, r.data[at:r.n])
	if n < len(p) {
		return n, r.err
	}
	return n, nil
}

// FuzzFront: whatever is read as a front is, written again, the very bytes that
// were read; and nothing panics.
func FuzzFront(f *testing.F) {
	fix := newFixture(f)
	alice, _ := keyPair(f)
	for _, data := range [][]byte{fix.write(f), fix.write(f, alice)} {
		end := open(f, data).front.end
		f.Add(data[:end])
		f.Add(data[:2048])
		f.Add(data[:end-blockSize])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fr, err := readFront(bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("got %v, want ErrCorrupt", err)
			}
			return
		}
		b := appendFile(nil, layoutName, []byte(layoutFile))
		b = appendFile(b, indexName, fr.index)
		b = appendFile(b, blobName(blobOf(fr.doc).SHA256), fr.doc)
		b = appendFile(b, blobName(blobOf(fr.lockDoc).SHA256), fr.lockDoc)
		b = appendFile(b, blobName(emptyBlob().SHA256), []byte(emptyConfig))
		for _, r := range fr.sigs {
			b = appendFile(b, blobName(r.self.SHA256), r.doc)
			b = appendFile(b, blobName(r.blob.SHA256), r.sig.Armoured)
			r.sig.check(fr.doc)
		}
		b = appendHeader(b, fillerName, fr.end-int64(len(b))-blockSize)
		b = append(b, make([]byte, fr.end-int64(len(b)))...)
		if !bytes.Equal(b, data[:fr.end]) {
			t.Fatal("the front is not what it was read as")
		}
		l, err := fr.layout()
		if err == nil && !bytes.Equal(l.front(), data[:fr.end]) {
			t.Fatal("the layout is not what was read")
		}
	})
}

// FuzzHeader: a header that we read is one that we write.
func FuzzHeader(f *testing.F) {
	f.Add(appendHeader(nil, indexName, 5))
	f.Add(appendHeader(nil, fillerName, ustarMax))
	f.Fuzz(func(t *testing.T, b []byte) {
		name, size, ok := readHeader(b)
		if ok && (!bytes.Equal(appendHeader(nil, name, size), b) || name == "" || size < 0) {
			t.Fatalf("read %q, %d", name, size)
		}
	})
}

// FuzzSignature: a signature that parses is armoured in one way only.
func FuzzSignature(f *testing.F) {
	alice, _ := keyPair(f)
	sig, err := alice.Sign(f.Context(), SignatureNamespace, []byte("doc"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sig.Armoured)
	f.Fuzz(func(t *testing.T, b []byte) {
		key, err := (Signature{b}).check([]byte("doc"))
		if err == nil && checkKey(key) != nil {
			t.Fatal("a key that is not accepted has signed")
		}
	})
}

// FuzzFrontContents gives the parser fronts whose names and hashes are right,
// whatever the documents hold.
func FuzzFrontContents(f *testing.F) {
	fix := newFixture(f)
	alice, _ := keyPair(f)
	l := open(f, fix.write(f, alice)).front
	f.Add(l.index, l.doc, l.lockDoc, l.sigs[0].sig.Armoured, 40000)
	f.Add(l.index, l.doc, []byte("satchel-lock: 1\n"), []byte(armourBegin+armourEnd), 0)
	f.Fuzz(func(t *testing.T, index, doc, lock, sig []byte, filler int) {
		b := appendFile(nil, layoutName, []byte(layoutFile))
		b = appendFile(b, indexName, index)
		lockBlob := blobOf(lock)
		if i := bytes.Index(doc, []byte("LOCK")); i >= 0 { // lets the fuzzer name the lock
			doc = bytes.Replace(doc, []byte("LOCK"), []byte(lockBlob.SHA256.Hex()), 1)
		}
		b = appendFile(b, blobName(blobOf(doc).SHA256), doc)
		b = appendFile(b, blobName(lockBlob.SHA256), lock)
		b = appendFile(b, blobName(emptyBlob().SHA256), []byte(emptyConfig))
		if len(sig) > 0 {
			ref := referrerManifest(blobOf(doc), blobOf(sig), MediaTypeSSHSig)
			b = appendFile(b, blobName(blobOf(ref).SHA256), ref)
			b = appendFile(b, blobName(blobOf(sig).SHA256), sig)
		}
		if filler < 0 || filler > 4*frontStep {
			filler = int(roundUp(int64(len(b))+blockSize, frontStep)) - len(b) - blockSize
		}
		b = appendFile(b, fillerName, make([]byte, filler))
		file, err := New("fuzz", bytes.NewReader(b), int64(len(b)))
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("got %v, want ErrCorrupt", err)
			}
			return
		}
		if v, _, err := file.Verify(t.Context(), Policy{Unsigned: true}, nil); err == nil || v != nil {
			t.Fatal("a front without blobs and without an end passes")
		}
	})
}
