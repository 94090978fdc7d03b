package bundle

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// large is a fixture of the size of a real build: 600 packages of 463 MB
// together, and an index of 63,000 packages, 47 MB when it is plain.
func large(b *testing.B) *fixture {
	b.Helper()
	random := rand.New(rand.NewSource(1))
	a := newArchive(b)
	a.debs = nil
	for i := range 600 {
		content := make([]byte, 463_000_000/600)
		random.Read(content)
		a.debs = append(a.debs, fakeDeb{fmt.Sprintf("pkg%04d", i), "1.0-1", "amd64", string(content)})
	}
	for i := range 63_000 {
		a.more = fmt.Appendf(a.more, "Package: other%d\nVersion: 1:%d.0-1\nArchitecture: amd64\nMaintainer: Somebody <who@example.org>\n"+
			"Depends: libc6 (>= 2.%d), libfoo%d (= 1.%d), libbar%d | libbaz%d\nDescription: the package number %d\n"+
			"Description-md5: %x\nTag: %0200x\nFilename: pool/main/o/other%d/other%d_1.%d_amd64.deb\nSize: %d\nSHA256: %x\n\n",
			i, i, i%40, i, i, i*7, i*3, i, random.Int63(), random.Int63(), i, i, i, 1000+i, randomBytes(random, 32))
	}
	return a.fixture(b)
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	r.Read(b)
	return b
}

// processorTime is what this process has used, user and system.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkLarge writes a large bundle, verifies it from a file and from a pipe.
func BenchmarkLarge(b *testing.B) {
	fix := large(b)
	file := filepath.Join(b.TempDir(), "large.satchel")
	var size int64
	b.Run("Create", func(b *testing.B) {
		for b.Loop() {
			if _, err := Create(b.Context(), file, fix.lock, fix.blobs, nil, nil); err != nil {
				b.Fatal(err)
			}
		}
		if info, err := os.Stat(file); err == nil {
			size = info.Size()
		}
		b.SetBytes(size)
	})
	b.Run("Verify", func(b *testing.B) {
		b.SetBytes(size)
		before := processorTime(b)
		defer func() { // what a busy machine does not change
			b.ReportMetric((processorTime(b)-before).Seconds()/float64(b.N), "cpu-s/op")
		}()
		for b.Loop() {
			f, err := Open(file)
			if err != nil {
				b.Fatal(err)
			}
			if _, _, err := f.Verify(b.Context(), Policy{Unsigned: true}, nil); err != nil {
				b.Fatal(err)
			}
			f.Close()
		}
	})
	b.Run("VerifyStream", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			f, err := os.Open(file)
			if err != nil {
				b.Fatal(err)
			}
			if _, _, err := VerifyStream(b.Context(), struct{ io.Reader }{f}, Policy{Unsigned: true}, memory{}, nil); err != nil {
				b.Fatal(err)
			}
			f.Close()
		}
	})
	b.Run("AddSignature", func(b *testing.B) {
		for b.Loop() {
			s, _ := keyPair(b)
			if err := AddSignature(b.Context(), file, fix.sign(b, s)[0]); err != nil {
				b.Fatal(err)
			}
		}
	})
	if keep := os.Getenv("SATCHEL_KEEP"); keep != "" { // for measuring other tools on it
		os.Rename(file, keep)
	}
}
