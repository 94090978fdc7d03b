package enginetest

import (
	"io"
	"testing"
	"time"

	"satchel/runner"
	"satchel/runner/enginetest/wire"
)

// Bench measures an engine: from Start to the init's first byte, the whole
// life of a container, and the bytes that come out a second.
func Bench(b *testing.B, open func(init string) (runner.Engine, error)) {
	e, err := open(BuildProbe(b))
	if err != nil {
		b.Skip(err)
	}
	life := func(b *testing.B, q wire.Request) (first time.Duration) {
		begin := time.Now()
		p, err := e.Start(b.Context(), runner.Container{})
		if err != nil {
			b.Fatal(err)
		}
		defer p.Close()
		c := container{t: b, Process: p}
		c.send(q)
		var one [1]byte
		if _, err := io.ReadFull(p.Stdout(), one[:]); err != nil {
			b.Fatal(err)
		}
		first = time.Since(begin)
		p.Stdin().Close()
		io.Copy(io.Discard, p.Stdout())
		p.Wait()
		return first
	}
	life(b, wire.Request{Op: "args"}) // the first one copies the init
	b.Run("start", func(b *testing.B) {
		var first time.Duration
		for b.Loop() {
			first += life(b, wire.Request{Op: "args"})
		}
		b.ReportMetric(float64(first.Milliseconds())/float64(b.N), "ms-to-first-byte")
	})
	b.Run("out", func(b *testing.B) {
		const size = 1 << 30
		b.SetBytes(size)
		for b.Loop() {
			life(b, wire.Request{Op: "flood", N: size})
		}
	})
}
