package xz

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"

	rare "github.com/xi2/xz"
)

// compress has the real xz make a file.
func compress(t testing.TB, data []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("xz", append([]string{"-c", "-T1"}, args...)...)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("xz %v: %v", args, err)
	}
	return out
}

func unpack(data []byte) ([]byte, error) {
	r, err := NewReader(bytes.NewReader(data), 128<<20)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// texts are contents that make the encoder use all it has.
func texts() map[string][]byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 300<<10)
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	self, _ := os.ReadFile("/proc/self/exe")
	mixed := bytes.Buffer{}
	for mixed.Len() < 500<<10 {
		n := rnd.IntN(40 << 10)
		switch at := rnd.IntN(len(noise) - n); rnd.IntN(4) {
		case 0:
			mixed.Write(noise[at : at+n])
		case 1:
			mixed.Write(bytes.Repeat(noise[at:at+1+rnd.IntN(300)], 1+rnd.IntN(200)))
		case 2:
			at := rnd.IntN(max(1, mixed.Len()-n))
			mixed.Write(bytes.Clone(mixed.Bytes()[at:min(at+n, mixed.Len())]))
		default:
			at := rnd.IntN(len(self) - n)
			mixed.Write(self[at : at+n])
		}
	}
	return map[string][]byte{
		"nothing": nil, "a byte": {7}, "zeros": make([]byte, 5<<20), "noise": noise,
		"a program": self[:min(len(self), 600<<10)], "mixed": mixed.Bytes(),
		"words": []byte(strings.Repeat("the quick brown fox jumps over the lazy dog, ", 3e3)),
	}
}

// TestLikeXz: whatever the real xz makes, with every setting that matters to a
// decoder, is read back.
func TestLikeXz(t *testing.T) {
	for name, data := range texts() {
		for _, args := range [][]string{
			{"-0"}, {"-3"}, {"-0", "--check=none"}, {"-0", "--check=crc32"}, {"-1", "--check=sha256"},
			{"--lzma2=dict=4KiB,lc=0,lp=4,pb=4"}, {"--lzma2=dict=64KiB,lc=4,lp=0,pb=0"}, {"--lzma2=dict=1536KiB,lc=1,lp=3,pb=1,mode=fast"},
			{"-1", "--block-size=300000"}, {"-0", "-T2", "--block-size=200000"}, {"--x86", "--lzma2=preset=1"},
		} {
			file := compress(t, data, args...)
			got, err := unpack(file)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s, %v: %v, %d bytes of %d", name, args, err, len(got), len(data))
			}
			if name != "words" {
				continue
			}
			two := append(append(bytes.Clone(file), 0, 0, 0, 0), file...)
			got, err = unpack(two)
			if err != nil || !bytes.Equal(got, append(bytes.Clone(data), data...)) {
				t.Errorf("two streams, %v: %v, %d bytes of twice %d", args, err, len(got), len(data))
			}
			r, err := NewReader(iotest.OneByteReader(bytes.NewReader(file)), 128<<20)
			if err != nil {
				t.Fatal(err)
			}
			if err := iotest.TestReader(r, data); err != nil {
				t.Errorf("%v: %v", args, err)
			}
		}
	}
}

// TestDamage: no flipped bit and no cut goes unnoticed, and nothing that is not
// a beginning of the content is ever given away.
func TestDamage(t *testing.T) {
	data := texts()["mixed"][:60<<10]
	file := compress(t, data, "-1", "--block-size=20000")
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		bad := bytes.Clone(file)
		at := rnd.IntN(len(bad))
		bad[at] ^= 1 << rnd.IntN(8)
		if got, err := unpack(bad); err == nil {
			t.Fatalf("byte %d changed: no error, content %x", at, sha256.Sum256(got))
		}
		if got, err := unpack(file[:at]); !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.HasPrefix(data, got) {
			t.Fatalf("cut at %d: %v, %d bytes", at, err, len(got))
		}
	}
	for _, tail := range []string{"\x00", "\x00\x00\x00", "x", "\x00\x00\x00\x00x", "\xfd7zXZ\x00"} {
		if _, err := unpack(append(bytes.Clone(file), tail...)); err == nil {
			t.Errorf("%q behind it: no error", tail)
		}
	}
	if _, err := NewReader(bytes.NewReader(nil), 1<<20); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("nothing at all: %v", err)
	}
}

// TestWindow refuses a dictionary that is larger than allowed.
func TestWindow(t *testing.T) {
	file := compress(t, make([]byte, 100), "--lzma2=dict=2MiB,mode=fast")
	r, err := NewReader(bytes.NewReader(file), 1<<20)
	if err == nil {
		_, err = io.ReadAll(r)
	}
	if err == nil || !strings.Contains(err.Error(), "window of 2097152 bytes") {
		t.Errorf("got %v", err)
	}
}

// FuzzAgainst: what this package takes another decoder takes as well, with the
// same content; and the other way round.
func FuzzAgainst(f *testing.F) {
	for _, data := range texts() {
		f.Add(compress(f, data[:min(len(data), 2000)], "-0", "--check=none"), uint16(0), uint16(0))
	}
	f.Fuzz(func(t *testing.T, file []byte, at, with uint16) {
		if len(file) > 0 && with != 0 {
			file = bytes.Clone(file)
			file[int(at)%len(file)] ^= byte(with)
		}
		got, err := unpack(file)
		r, want := rare.NewReader(bytes.NewReader(file), 128<<20)
		var theirs []byte
		if want == nil {
			theirs, want = io.ReadAll(r)
		}
		if (err == nil) != (want == nil) {
			t.Fatalf("we say %v, xi2 says %v", err, want)
		}
		if err == nil && !bytes.Equal(got, theirs) {
			t.Fatalf("%d bytes differ from xi2's %d", len(got), len(theirs))
		}
	})
}

// BenchmarkProgram unpacks a program forty times over, so that the start of the real
// xz does not count.
func BenchmarkProgram(b *testing.B) {
	data := texts()["a program"]
	file := bytes.Repeat(compress(b, data, "-6"), 40)
	with := func(open func(io.Reader) (io.Reader, error)) func() error {
		return func() error {
			r, err := open(bytes.NewReader(file))
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			return err
		}
	}
	for _, d := range []struct {
		name   string
		unpack func() error
	}{
		{"ours", with(func(r io.Reader) (io.Reader, error) { return NewReader(r, 128<<20) })},
		{"xi2", with(func(r io.Reader) (io.Reader, error) { return rare.NewReader(r, 128<<20) })},
		{"xz", func() error {
			cmd := exec.Command("xz", "-dc", "-T1")
			cmd.Stdin = bytes.NewReader(file)
			return cmd.Run()
		}},
	} {
		b.Run(d.name, func(b *testing.B) {
			b.SetBytes(40 * int64(len(data)))
			for b.Loop() {
				if err := d.unpack(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
