package aptmirror

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// machineIndexes returns the largest Packages index that apt has fetched on
// this machine, plain.
func machineIndex(tb testing.TB) []byte {
	tb.Helper()
	files, _ := filepath.Glob("/var/lib/apt/lists/*_Packages*")
	best, size := "", int64(0)
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.Size() > size {
			best, size = f, info.Size()
		}
	}
	if best == "" {
		need(tb, "a Packages index in /var/lib/apt/lists")
	}
	data, err := exec.Command("/usr/lib/apt/apt-helper", "cat-file", best).Output()
	if err != nil {
		need(tb, "apt-helper: "+err.Error())
	}
	return data
}

// need skips a test for want of something on this machine, or fails it where
// everything should be there.
func need(tb testing.TB, what string) {
	tb.Helper()
	if os.Getenv("SATCHEL_CI") == "1" {
		tb.Fatal("this machine lacks " + what)
	}
	tb.Skip("this machine lacks " + what)
}

func BenchmarkReadPackages(b *testing.B) {
	data := machineIndex(b)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	var pkgs []Package
	for b.Loop() {
		var err error
		if pkgs, err = ReadPackages("Packages", bytes.NewReader(data), 0); err != nil {
			b.Fatal(err)
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n := len(pkgs)
	runtime.KeepAlive(pkgs)
	pkgs = nil
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(before.HeapAlloc-after.HeapAlloc)/float64(len(data)), "kept/byte")
	b.ReportMetric(float64(n), "packages")
}

func BenchmarkStanzas(b *testing.B) {
	data := machineIndex(b)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		s := NewStanzas("Packages", bytes.NewReader(data))
		for {
			if _, err := s.Next(); err != nil {
				break
			}
		}
	}
}

func BenchmarkCompareVersions(b *testing.B) {
	pkgs, err := ReadPackages("Packages", bytes.NewReader(machineIndex(b)), 0)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		j := i % (len(pkgs) - 1)
		CompareVersions(pkgs[j].Version, pkgs[j+1].Version)
	}
}

func TestArenaSharesTheFilename(t *testing.T) {
	p := &packageReader{known: map[string]string{}}
	name := p.keep([]byte("pool/main/h/hello/hello_2.10-3_amd64.deb"))
	if got := p.part(name, []byte("hello")); got != "hello" || !strings.HasSuffix(name, got+"_2.10-3_amd64.deb") {
		t.Errorf("part: got %q", got)
	}
}
