package aptmirror

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"satchel/manifest"
)

// tools are the stock compressors, by extension.
var tools = map[string][]string{
	".gz": {"gzip", "-9"}, ".xz": {"xz", "-6"}, ".bz2": {"bzip2"}, ".lzma": {"lzma"}, ".zst": {"zstd", "-19", "-q", "-c"},
}

// compressed asks the stock tool.
func compressed(t testing.TB, ext string, data []byte, more ...string) []byte {
	t.Helper()
	args := append(append([]string{}, tools[ext][1:]...), more...)
	if _, err := exec.LookPath(tools[ext][0]); err != nil {
		need(t, tools[ext][0])
	}
	cmd := exec.Command(tools[ext][0], args...)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	return out
}

// sample is text that compresses, with some noise.
func sample(n int) []byte {
	rnd := rand.New(rand.NewPCG(7, 8))
	var b bytes.Buffer
	for b.Len() < n {
		b.WriteString("Package: hello\nVersion: ")
		b.WriteByte(byte(rnd.IntN(256)))
	}
	return b.Bytes()[:n]
}

func readBack(name string, r io.Reader) ([]byte, error) {
	z, err := Decompress(name, r)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(z)
	if closeErr := z.Close(); err == nil {
		err = closeErr
	}
	return data, err
}

func TestDecompress(t *testing.T) {
	for _, n := range []int{0, 1, 100_000} {
		want := sample(n)
		for ext := range tools {
			in := compressed(t, ext, want)
			got, err := readBack("Packages"+ext, bytes.NewReader(in))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s of %d bytes: got %d bytes, %v", ext, n, len(got), err)
			}
			got, err = readBack("Packages"+ext, iotest.OneByteReader(bytes.NewReader(in)))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s of %d bytes, byte by byte: got %d bytes, %v", ext, n, len(got), err)
			}
			twice, err := readBack("Packages"+ext, io.MultiReader(bytes.NewReader(in), bytes.NewReader(in)))
			if ext == ".lzma" {
				if err == nil {
					t.Error(".lzma twice: no error")
				}
				continue
			}
			if err != nil || !bytes.Equal(twice, append(bytes.Clone(want), want...)) {
				t.Errorf("%s of %d bytes, twice: got %d bytes, %v", ext, n, len(twice), err)
			}
		}
	}
	if got, err := readBack("Packages", strings.NewReader("x")); err != nil || string(got) != "x" {
		t.Errorf("plain: got %q, %v", got, err)
	}
}

// TestDecompressBroken: cut anywhere, with something behind it, or changed, a
// stream is an error that names the file, and never the right content.
func TestDecompressBroken(t *testing.T) {
	want := sample(600)
	for ext := range tools {
		more := []string{}
		if ext == ".xz" || ext == ".lzma" {
			more = append(more, "-0") // a small dictionary
		}
		in := compressed(t, ext, want, more...)
		for k := range in {
			got, err := readBack("Packages"+ext, bytes.NewReader(in[:k]))
			if err == nil {
				t.Errorf("%s cut after %d of %d bytes: got %d bytes and no error", ext, k, len(in), len(got))
			}
			if err != nil && !strings.Contains(err.Error(), "decompressing Packages"+ext) {
				t.Errorf("%s cut after %d: the error does not name the file: %v", ext, k, err)
			}
		}
		if _, err := readBack("Packages"+ext, io.MultiReader(bytes.NewReader(in), strings.NewReader("trailing"))); err == nil {
			t.Errorf("%s with something behind it: no error", ext)
		}
		broken := errors.New("broken")
		if _, err := readBack("Packages"+ext, io.MultiReader(bytes.NewReader(in[:len(in)/2]), iotest.ErrReader(broken))); !errors.Is(err, broken) {
			t.Errorf("%s of a broken reader: got %v", ext, err)
		}
	}
}

// TestDecompressReadsToTheEnd: a reader that verifies says so only at its end,
// so a decoder must ask for it.
func TestDecompressReadsToTheEnd(t *testing.T) {
	for ext := range tools {
		in := compressed(t, ext, sample(600))
		blob := manifest.Blob{SHA256: manifest.Sum(in), Size: int64(len(in))}
		if _, err := readBack("x"+ext, blob.Verify(bytes.NewReader(in))); err != nil {
			t.Errorf("%s: %v", ext, err)
		}
		blob.SHA256 = manifest.Sum(nil)
		if _, err := readBack("x"+ext, blob.Verify(bytes.NewReader(in))); !errors.Is(err, manifest.ErrDigest) {
			t.Errorf("%s with another hash: got %v, want ErrDigest", ext, err)
		}
	}
}

// TestDecompressBounded: dictionaries over 64 MiB are refused before they are
// allocated.
func TestDecompressBounded(t *testing.T) {
	data := sample(100_000)
	lzma := compressed(t, ".lzma", data)
	binary.LittleEndian.PutUint32(lzma[1:], 1<<31)
	for name, in := range map[string][]byte{
		"big.xz":   compressed(t, ".xz", data, "--lzma2=dict=512MiB"),
		"big.zst":  compressed(t, ".zst", data, "--ultra", "--long=29", "--no-content-size"),
		"big.lzma": lzma,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := readBack(name, bytes.NewReader(in))
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 100<<20 {
			t.Errorf("%s: took %d MB", name, used>>20)
		}
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	// what real archives use is within the bound
	if got, err := readBack("a.xz", bytes.NewReader(compressed(t, ".xz", data, "-9"))); err != nil || !bytes.Equal(got, data) {
		t.Errorf("xz -9: %v", err)
	}
}

func BenchmarkDecompress(b *testing.B) {
	data := machineIndex(b)
	for _, ext := range []string{".gz", ".xz", ".zst", ".bz2"} {
		more := []string{}
		if ext == ".zst" {
			more = append(more, "-3")
		}
		in := compressed(b, ext, data, more...)
		b.Run(ext[1:], func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				z, err := Decompress("Packages"+ext, bytes.NewReader(in))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, z); err != nil {
					b.Fatal(err)
				}
				z.Close()
			}
		})
	}
}

func FuzzDecompress(f *testing.F) {
	for ext := range tools {
		f.Add(ext, compressed(f, ext, sample(200)))
	}
	f.Fuzz(func(t *testing.T, ext string, data []byte) {
		if len(ext) > 8 || len(data) > 1<<16 {
			return
		}
		z, err := Decompress("x"+ext, bytes.NewReader(data))
		if err != nil {
			return
		}
		defer z.Close()
		io.Copy(io.Discard, io.LimitReader(z, 8<<20))
	})
}
