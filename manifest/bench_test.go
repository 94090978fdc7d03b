package manifest

import (
	"fmt"
	"testing"
)

// bigLock is as large as a release's lock: four targets of 400 packages.
func bigLock() *Lock {
	l := sampleLock()
	t := l.Targets[0]
	t.Packages = nil
	for i := range 400 {
		name := fmt.Sprintf("package%03d", i)
		p := sampleLock().Targets[0].Packages[0]
		p.Name, p.Path, p.Blob = name, "pool/main/p/"+name+"/"+name+"_1.2-3+deb12u1_amd64.deb", blob(name)
		t.Packages = append(t.Packages, p)
	}
	l.Targets = nil
	for _, suite := range []string{"a", "b", "c", "d"} {
		t.Suite = suite
		l.Targets = append(l.Targets, t)
	}
	return l
}

func BenchmarkLock(b *testing.B) {
	l := bigLock()
	data, err := l.Marshal()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Marshal", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := l.Marshal(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Parse", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParseLock("x", data); err != nil {
				b.Fatal(err)
			}
		}
	})
}
