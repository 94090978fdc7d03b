package differ

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
)

// Files that want to be too much are compared as far as the limits go, and there is
// an answer.
func TestHostile(t *testing.T) {
	zeros := make([]byte, 16<<20)
	bomb := func(last byte) []byte {
		z := gz(9, gzip.Header{}, zeros)
		return append(z, gz(9, gzip.Header{}, []byte{last})...)
	}
	nested := func(last byte) []byte {
		b := []byte{last}
		w, _ := gzip.NewWriterLevel(nil, gzip.NoCompression)
		for range 1000 {
			var out bytes.Buffer
			w.Reset(&out)
			w.Write(b)
			w.Close()
			b = out.Bytes()
		}
		return b
	}
	a, b := bomb('a'), bomb('b')
	lying := arOf(0, plain("a/", "x"))
	copy(lying[len(arMagic)+48:], "9999999999")
	lying2 := bytes.Replace(lying, []byte("a/"), []byte("b/"), 1)
	for name, tt := range map[string]struct {
		a, b []byte
		want string
	}{
		"bomb":        {a, b, "gzip: it unpacks to more than is looked at\n byte 0x"},
		"bomb in tar": {tarOf(tar.FormatGNU, plain("x", string(a))), tarOf(tar.FormatGNU, plain("x", string(b))), "member x: content: gzip: it unpacks to more"},
		"bomb in zip": {zipOf(time.Time{}, zip.Deflate, plain("x", string(zeros))), zipOf(time.Time{}, zip.Deflate, plain("x", string(zeros)+"y")), "zip archive: it unpacks to more"},
		"deep":        {nested('a'), nested('b'), "24 deep: only bytes were compared"},
		"lying size":  {lying, lying2, `ar archive: it could not be read to its end (the member at 8 has a size of "9999999999")`},
		"broken gzip": {a[:len(a)/2], append(a[:len(a)/2:len(a)/2], 1), "gzip: "},
		"broken tar":  {tarOf(tar.FormatGNU, plain("x", "y"))[:700], tarOf(tar.FormatGNU, plain("z", "y"))[:700], "member x: presence: only in the first"},
		"no ELF":      {[]byte("\x7fELF\x02\x01\x01 garbage"), []byte("\x7fELF\x02\x01\x01 other"), "ELF: it could not be read to its end"},
		"no PE":       {[]byte("MZ garbage"), []byte("MZ other"), "PE: it could not be read to its end"},
	} {
		e := varied()
		e.Limits = Limits{Unpacked: 2 << 20, Memory: 1 << 18}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got := explain(t, e, tt.a, tt.b)
		runtime.ReadMemStats(&after)
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: want %q in\n%s", name, tt.want, got)
		}
		if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 40 {
			t.Errorf("%s: took %d MiB", name, n)
		}
	}
}

// Who asks may stop at any time.
func TestCancelled(t *testing.T) {
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	a, b := strings.NewReader("a"), strings.NewReader("b")
	if _, err := varied().Contents(ctx, "x", a, 1, b, 1); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	if _, err := varied().Trees(ctx, t.TempDir(), t.TempDir()); !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// FuzzContents: any two files have an answer, a short one, and equal ones have none.
func FuzzContents(f *testing.F) {
	x, y := tarOf(tar.FormatPAX, plain("a", "x")), tarOf(tar.FormatGNU, plain("a", "y"), plain("b", ""))
	for _, p := range [][2][]byte{
		{x, y}, {gz(9, gzip.Header{Name: "n"}, x), gz(1, gzip.Header{Comment: "c"}, y)},
		{zipOf(time.Unix(firstTime, 0), zip.Deflate, plain("a", "x")), zipOf(time.Unix(1, 0), zip.Store, plain("a", "y"))},
		{arOf(1, plain("//", "long/\n"), plain("/0", "x")), arOf(2, plain("#1/2", "ab"))},
		{xzOf([]byte("a")), xzOf([]byte("b"))}, {zst([]byte("a")), zst([]byte("b"))},
		{pngOf("IHDR0123", "tEXta"), pngOf("IHDR0123", "tIMEb")}, {peOf(1, "a"), peOf(2, "b")},
		{machoOf("0123456789abcdef", "a"), machoOf("0123456789abcdeF", "b")}, {pyc(1, "a"), pyc(2, "b")},
		{[]byte("%PDF-1.4 /ID [<1>]"), []byte("%PDF-1.4 /ID [<2>]")}, {[]byte("a b\n"), []byte("b a\n")},
		{[]byte("on satchel at 1795683610"), []byte("on otherwise at 1795683730")},
		{[]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00"), []byte("\x7fELF\x01\x01\x01")},
	} {
		f.Add(p[0], p[1])
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		e := varied()
		e.Limits = Limits{Unpacked: 1 << 20, Memory: 1 << 12, Members: 50, Depth: 5}
		for _, p := range [][2][]byte{{a, b}, {b, a}, {a, a}} {
			d, err := e.Contents(t.Context(), "x", bytes.NewReader(p[0]), int64(len(p[0])), bytes.NewReader(p[1]), int64(len(p[1])))
			if err != nil {
				t.Fatal(err)
			}
			if (d == nil) != bytes.Equal(p[0], p[1]) {
				t.Fatalf("equal: %v, answer: %v", bytes.Equal(p[0], p[1]), d)
			}
			if d == nil {
				continue
			}
			check(t, *d, 0)
			text, err := json.Marshal(d)
			if err != nil || len(text) > 1<<20 {
				t.Fatalf("%d bytes, %v", len(text), err)
			}
		}
	})
}

func check(t *testing.T, d Difference, depth int) {
	if depth > 30 || d.Where == "" || d.Kind == "" || d.Text == "" || (d.Kind == Content) != (len(d.Inside) > 0) {
		t.Fatalf("depth %d: %+v", depth, d)
	}
	for _, s := range []string{d.Where, d.Text, d.First, d.Second, d.Hint} {
		if len(s) > 6*maxShown || !utf8.ValidString(s) {
			t.Fatalf("a text of %d bytes: %.100q", len(s), s)
		}
	}
	if strings.Contains(d.Text, "reading it failed") {
		t.Fatalf("a panic: %s", d.Text)
	}
	for _, i := range d.Inside {
		check(t, i, depth+1)
	}
}
