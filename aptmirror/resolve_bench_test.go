package aptmirror

import (
	"bytes"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cpuTime reports the processor time of an operation, which other work on the
// machine disturbs less than the clock.
func cpuTime(b *testing.B) func() {
	now := func() time.Duration {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			b.Fatal(err)
		}
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	start := now()
	return func() {
		b.ReportMetric(float64((now()-start).Microseconds())/1000/float64(b.N), "cpu-ms/op")
	}
}

func benchPackages(b *testing.B) []Package {
	list, err := ReadPackages("main", bytes.NewReader(needApt(b)), 0)
	if err != nil {
		b.Fatal(err)
	}
	return list
}

// BenchmarkNewPool builds the pool of all of Debian main.
func BenchmarkNewPool(b *testing.B) {
	list := benchPackages(b)
	defer cpuTime(b)()
	for b.Loop() {
		if _, err := NewPool("amd64", nil, []ArchiveInfo{{Suite: "stable"}}, list); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkResolve answers what a lock asks: gitian's base and five packages
// from nothing.
func BenchmarkResolve(b *testing.B) {
	pool, err := NewPool("amd64", nil, []ArchiveInfo{{Suite: "stable"}}, benchPackages(b))
	if err != nil {
		b.Fatal(err)
	}
	plan := Plan{Essential: true, Steps: []Step{
		{Why: "base", Wishes: strings.Fields(gitianBase)},
		{Why: "asked for", Wishes: []string{"g++-mingw-w64", "autoconf", "libtool", "faketime", "zip"}},
	}}
	defer cpuTime(b)()
	for b.Loop() {
		sol, err := Resolve(pool, plan)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(sol.Install)), "packages")
	}
}

// BenchmarkOpenPool opens the pool of all of Debian main, as it lies on a disk.
func BenchmarkOpenPool(b *testing.B) {
	data := poolBytes(b, realPool(b))
	aligned := bytesOf(make([]uint64, len(data)/8))
	copy(aligned, data)
	b.SetBytes(int64(len(data)))
	defer cpuTime(b)()
	for b.Loop() {
		if _, err := OpenPool(aligned, poolTestKey); err != nil {
			b.Fatal(err)
		}
	}
}
