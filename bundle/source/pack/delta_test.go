package pack

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTreeNames(t *testing.T) {
	tree := func(entries ...string) (b []byte) {
		for _, e := range entries {
			b = append(append(b, e...), 0)
			b = append(b, make([]byte, 20)...)
		}
		return b
	}
	for want, trees := range map[bool][][]byte{
		true: {nil, tree("100644 a"), tree("40000 a", "100644 b"), tree("100644 a-", "40000 a"), tree("100644 a.c", "40000 a", "100644 a0"), tree("040000 a")},
		false: {tree("100644 "), tree("100644 ."), tree("100644 .."), tree("100644 .git"), tree("40000 .GIT"), tree("100644 a/b"),
			tree("100644 b", "100644 a"), tree("100644 a", "100644 a"), tree("100644 a", "40000 a"), tree("40000 a", "100644 a-"),
			tree("100666 a"), tree("a"), []byte("100644 a"), tree("100644 a")[:20]},
	} {
		for _, b := range trees {
			if err := ParseTree(b, func(Entry) error { return nil }); want != (err == nil) {
				t.Errorf("%q: got %v", b, err)
			}
		}
	}
}

// FuzzDelta checks that a delta makes what it was made for.
func FuzzDelta(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 4))
	base := make([]byte, 3000)
	for i := range base {
		base[i] = byte(rng.IntN(256))
	}
	f.Add(base, append(slices.Clone(base[1000:]), base[:1500]...))
	f.Add(bytes.Repeat([]byte("a"), 70000), bytes.Repeat([]byte("a"), 140001))
	f.Add([]byte(""), []byte("abc"))
	f.Add([]byte("0123456789abcdef"), []byte("xx0123456789abcdefxx"))
	f.Fuzz(func(t *testing.T, base, target []byte) {
		d := newDeltaIndex(base).delta(nil, target, len(target)*2+64)
		if d == nil {
			t.Fatal("no delta")
		}
		got, err := applyDelta(nil, base, d)
		if err != nil || !bytes.Equal(got, target) {
			t.Fatalf("delta of %d bytes makes %d bytes, %v; want %d", len(d), len(got), err, len(target))
		}
		if again := newDeltaIndex(base).delta(nil, target, len(d)-1); again != nil && len(d) > 0 {
			t.Fatalf("a limit of %d gives %d bytes", len(d)-1, len(again))
		}
	})
}

// FuzzApply checks that no delta makes more than it may, or fails badly.
func FuzzApply(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), []byte("\x10\x04\x90\x04"))
	f.Fuzz(func(t *testing.T, base, d []byte) {
		if out, err := applyDelta(nil, base, d); err == nil && len(out) > deltaMax {
			t.Errorf("%d bytes", len(out))
		}
	})
}
