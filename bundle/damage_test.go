package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

	"satchel/manifest"
)

// full says that the long tests are wanted.
func full() bool { return os.Getenv("SATCHEL_FULL") == "1" }

// refused checks that neither way of reading takes the bundle, and that both
// say why in an error of ours.
func refused(t *testing.T, what string, data []byte, p Policy) {
	t.Helper()
	judge := func(how string, v *Verified, err error) {
		t.Helper()
		if v != nil || err == nil {
			t.Fatalf("%s: %s: the bundle passes", what, how)
		}
		if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrMissing) {
			t.Errorf("%s: %s: got %v, want ErrCorrupt or ErrMissing", what, how, err)
		}
	}
	if f, err := New("test", bytes.NewReader(data), int64(len(data))); err != nil {
		judge("file", nil, err)
	} else {
		v, _, err := f.Verify(t.Context(), p, nil)
		judge("file", v, err)
	}
	v, _, err := VerifyStream(t.Context(), bytes.NewReader(data), p, memory{}, nil)
	judge("pipe", v, err)
}

func signedFixture(t *testing.T) ([]byte, Policy) {
	t.Helper()
	fix := newFixture(t)
	alice, alicePub := keyPair(t)
	bob, _ := keyPair(t)
	return fix.write(t, alice, bob), Policy{AllowedSigners: signers(t, alicePub), Threshold: 1}
}

// TestEveryByteCounts changes one byte at a time. By default it takes a sample
// of the offsets; with SATCHEL_FULL=1 all of them.
func TestEveryByteCounts(t *testing.T) {
	data, p := signedFixture(t)
	p.Unsigned = !full() // the stricter case: no signature helps to find the change
	step := 31
	if full() {
		step = 1
	}
	for at := 0; at < len(data); at += step {
		bad := bytes.Clone(data)
		bad[at] ^= 1 << (at % 8)
		refused(t, fmt.Sprintf("byte %d of %d", at, len(data)), bad, p)
	}
}

func TestTruncated(t *testing.T) {
	data, p := signedFixture(t)
	step := 97
	if full() {
		step = 1
	}
	for n := 0; n < len(data); n += step {
		refused(t, fmt.Sprintf("%d of %d bytes", n, len(data)), data[:n], p)
	}
	for n := 0; n < len(data); n += blockSize {
		refused(t, fmt.Sprintf("%d of %d bytes", n, len(data)), data[:n], p)
	}
}

func TestTruncatedLarger(t *testing.T) {
	a := newArchive(t)
	for i := range 40 {
		a.debs = append(a.debs, fakeDeb{fmt.Sprintf("pkg%02d", i), "1", "all", string(bytes.Repeat([]byte{byte(i), 7, 9}, 30_000))})
	}
	data := a.fixture(t).write(t)
	step := 64 << 10
	if full() {
		step = 4 << 10
	}
	for n := 0; n < len(data); n += step {
		refused(t, fmt.Sprintf("%d of %d bytes", n, len(data)), data[:n], Policy{Unsigned: true})
	}
}

func TestTrailing(t *testing.T) {
	data, p := signedFixture(t)
	for _, tail := range [][]byte{{0}, {'x'}, make([]byte, blockSize), make([]byte, 10240), data} {
		refused(t, fmt.Sprintf("%d bytes behind the end", len(tail)), append(bytes.Clone(data), tail...), p)
	}
}

// taken is a bundle taken apart: its front, and its bulk entries with headers.
type taken struct {
	front []byte
	l     *layout
	bulk  [][]byte
}

func takeApart(t *testing.T, data []byte) *taken {
	t.Helper()
	l, err := open(t, data).layout()
	if err != nil {
		t.Fatal(err)
	}
	x := &taken{front: data[:l.frontEnd], l: l}
	for _, e := range l.bulk {
		x.bulk = append(x.bulk, data[e.at:e.end()])
	}
	return x
}

func (x *taken) join(bulk ...[]byte) []byte {
	out := bytes.Clone(x.front)
	for _, b := range bulk {
		out = append(out, b...)
	}
	return append(out, make([]byte, endSize)...)
}

// entryWith writes an entry whose header block has been through change.
func entryWith(name string, content []byte, kind byte) []byte {
	b := appendBlock(nil, name, int64(len(content)), kind)
	b = append(b, content...)
	return append(b, make([]byte, pad(int64(len(content))))...)
}

func TestStructure(t *testing.T) {
	data, p := signedFixture(t)
	x := takeApart(t, data)
	b := x.bulk
	name := blobName(x.l.bulk[0].blob.SHA256)
	content := b[0][blockSize : blockSize+x.l.bulk[0].blob.Size]
	rest := b[1:]
	front := func(e []byte) [][]byte { return append([][]byte{e}, rest...) }
	also := func(e []byte) [][]byte { return append([][]byte{e}, b...) }
	size := func(n int64) []byte {
		return append(appendHeader(nil, name, n), b[0][blockSize:]...)
	}
	swapped := append([][]byte{b[1], b[0]}, b[2:]...)
	tests := map[string][][]byte{
		"empty":               nil,
		"last missing":        b[:len(b)-1],
		"reordered":           swapped,
		"duplicate":           also(b[0]),
		"duplicate at end":    append(append([][]byte{}, b...), b[len(b)-1]),
		"empty config again":  also(entryWith(blobName(emptyBlob().SHA256), []byte(emptyConfig), '0')),
		"lock again":          also(entryWith(blobName(manifest.Sum(x.l.lockDoc)), x.l.lockDoc, '0')),
		"extra blob":          also(entryWith(blobName(manifest.Sum([]byte("extra"))), []byte("extra"), '0')),
		"misnamed blob":       front(entryWith(blobName(manifest.Sum([]byte("other"))), content, '0')),
		"escaping path":       also(entryWith("../../etc/passwd", []byte("x"), '0')),
		"absolute path":       also(entryWith("/etc/passwd", []byte("x"), '0')),
		"dot path":            front(entryWith("./"+name, content, '0')),
		"upper case":          front(entryWith("blobs/SHA256/"+name[len(blobPrefix):], content, '0')),
		"directory":           also(entryWith("blobs/", nil, '5')),
		"hard link":           front(entryWith(name, nil, '1')),
		"symbolic link":       front(entryWith(name, nil, '2')),
		"device":              also(entryWith("blobs/sha256/null", nil, '3')),
		"old regular file":    front(entryWith(name, content, 0)),
		"contiguous file":     front(entryWith(name, content, '7')),
		"GNU long name":       also(entryWith("././@LongLink", []byte(name), 'L')),
		"GNU sparse":          front(entryWith(name, content, 'S')),
		"needless PAX header": also(entryWith(name, []byte("12 size=100\n"), 'x')),
		"PAX path":            also(entryWith(name, []byte("20 path=/etc/passwd\n"), 'x')),
		"global PAX header":   also(entryWith("pax", []byte("12 comment=x\n"), 'g')),
		"size too small":      front(size(int64(len(content)) - 1)),
		"size too large":      front(size(int64(len(content)) + 1)),
		"size huge":           front(size(ustarMax)),
		"filler again":        also(entryWith(fillerName, make([]byte, 512), '0')),
		"only one end block":  nil,
	}
	for what, bulk := range tests {
		bad := x.join(bulk...)
		if what == "only one end block" {
			bad = x.join(b...)
			bad = bad[:len(bad)-blockSize]
		}
		refused(t, what, bad, p)
	}
	if v, _, err := open(t, x.join(b...)).Verify(t.Context(), p, nil); v == nil {
		t.Fatalf("put together again it does not pass: %v", err)
	}
}

// TestAllAtOnce: missing, extra and damaged blobs are all in one report.
func TestAllAtOnce(t *testing.T) {
	data, p := signedFixture(t)
	x := takeApart(t, data)
	b := append([][]byte{}, x.bulk...)
	damaged := -1
	for i := 3; damaged < 0; i++ {
		if x.l.bulk[i].blob.Size > 0 {
			damaged = i
		}
	}
	b[damaged] = bytes.Clone(b[damaged])
	b[damaged][blockSize] ^= 1
	extra := manifest.Sum([]byte("extra"))
	all := append([][]byte{entryWith(blobName(extra), []byte("extra"), '0')}, b[2:]...)
	bad := x.join(all...)
	check := func(report *Report, err error) {
		t.Helper()
		var c *CorruptError
		var m *MissingError
		if !errors.As(err, &c) || !errors.As(err, &m) || !errors.Is(err, ErrCorrupt) || !errors.Is(err, ErrMissing) {
			t.Fatalf("got %v, want both ErrCorrupt and ErrMissing", err)
		}
		if len(m.Blobs) != 2 || m.Blobs[0] != x.l.bulk[0].blob || m.Blobs[1] != x.l.bulk[1].blob {
			t.Errorf("got missing %v, want the first two", m.Blobs)
		}
		if m.Title(m.Blobs[0]) == "" {
			t.Error("a missing blob has no title")
		}
		if len(c.Faults) != 2 || c.Faults[0].Blob != extra || c.Faults[1].Blob != x.l.bulk[damaged].blob.SHA256 || c.Faults[1].Title == "" {
			t.Errorf("got faults %v, want the extra blob and the damaged one", c.Faults)
		}
		if c.Faults[0].Offset != x.l.frontEnd {
			t.Errorf("got offset %d, want %d", c.Faults[0].Offset, x.l.frontEnd)
		}
		if len(report.Missing) != 2 || len(report.Faults) != 2 {
			t.Errorf("the report differs from the error: %+v", report)
		}
	}
	_, report, err := open(t, bad).Verify(t.Context(), p, nil)
	check(report, err)
	kept := memory{}
	_, report, err = VerifyStream(t.Context(), bytes.NewReader(bad), p, kept, nil)
	check(report, err)
	if _, ok := kept[x.l.bulk[damaged].blob.SHA256]; ok || len(kept) != len(x.bulk)-3 {
		t.Errorf("kept %d blobs, want the %d good ones", len(kept), len(x.bulk)-3)
	}
}

// TestMissingOnly: a sound file that lacks a blob is ErrMissing, not damage.
func TestMissingOnly(t *testing.T) {
	data, p := signedFixture(t)
	x := takeApart(t, data)
	_, _, err := open(t, x.join(x.bulk[1:]...)).Verify(t.Context(), p, nil)
	if !errors.Is(err, ErrMissing) || errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want ErrMissing alone", err)
	}
}
