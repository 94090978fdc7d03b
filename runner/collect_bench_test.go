package runner

import (
	"archive/tar"
	"bytes"
	"io"
	"os/exec"
	"testing"
	"time"
)

// BenchmarkCollect takes 2 GB of results from a stream, and lets tar take the
// same, by turns: with hashes and checks, how much longer does it take?
func BenchmarkCollect(b *testing.B) {
	const size = 2 << 30
	if _, err := exec.LookPath("tar"); err != nil {
		b.Skip(err)
	}
	var ours, theirs time.Duration
	for b.Loop() {
		begin := time.Now()
		c, err := newCollector(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		if err := c.take("x", results(size)); err != nil {
			b.Fatal(err)
		}
		c.Close()
		ours += time.Since(begin)

		dir := b.TempDir()
		begin = time.Now()
		t := exec.Command("tar", "-xf", "-", "-C", dir)
		t.Stdin = results(size)
		if out, err := t.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		if out, err := exec.Command("sync", dir+"/out/big").CombinedOutput(); err != nil { // as durable as ours
			b.Fatalf("%v: %s", err, out)
		}
		theirs += time.Since(begin)
	}
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "of-tar")
}

// results is a stream of one large file.
func results(size int64) io.Reader {
	r, w := io.Pipe()
	go func() {
		tw := tar.NewWriter(w)
		tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "out/", Mode: 0o755})
		tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "out/big", Mode: 0o644, Size: size})
		block := bytes.Repeat([]byte("0123456789abcdef"), 16<<10)
		for left := size; left > 0; left -= int64(len(block)) {
			tw.Write(block)
		}
		w.CloseWithError(tw.Close())
	}()
	return r
}
