package store

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"satchel/aptmirror/fetch"
	"satchel/manifest"
)

// The closure that the figures are about: 346 .debs of 463 MB.
const (
	benchFiles = 346
	benchBytes = 463_400_000
)

// closure makes files with the sizes of a package closure: most are small, a
// few make up the bulk.
func closure(b *testing.B, dir string) (names []string, blobs []manifest.Blob) {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	weights := make([]float64, benchFiles)
	sum := 0.0
	for i := range weights {
		weights[i] = math.Exp(1.9 * r.NormFloat64())
		sum += weights[i]
	}
	for i, w := range weights {
		name := fmt.Sprintf("p%03d.deb", i)
		data := content(byte(i), int(w/sum*benchBytes))
		copy(data, name)
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			b.Fatal(err)
		}
		names, blobs = append(names, name), append(blobs, blobOf(data))
	}
	return names, blobs
}

func benchJobs(url string, names []string, blobs []manifest.Blob) (jobs []fetch.Job) {
	for i, n := range names {
		jobs = append(jobs, fetch.Job{Name: n, URLs: []string{url + "/" + n}, Blob: blobs[i]})
	}
	return jobs
}

// BenchmarkGather fetches the closure from loopback into a store, and has apt's
// own fetcher and curl do the same.
func BenchmarkGather(b *testing.B) {
	if os.Getenv("SATCHEL_FULL") == "" {
		b.Skip("463 MB: set SATCHEL_FULL=1")
	}
	dir := b.TempDir()
	names, blobs := closure(b, dir)
	srv := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer srv.Close()
	for _, perHost := range []int{4, 8} {
		b.Run(fmt.Sprintf("satchel-%d", perHost), func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				s, err := Open(b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				c := fetch.New(fetch.Options{PerHost: perHost})
				b.StartTimer()
				if err := c.Fetch(context.Background(), s, benchJobs(srv.URL, names, blobs), nil); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				c.Close()
				s.Close()
			}
			b.SetBytes(benchBytes)
		})
	}
	peer := func(name string, command func(out string) *exec.Cmd) {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				out := b.TempDir()
				cmd := command(out)
				if _, err := os.Stat(cmd.Path); err != nil {
					b.Skip("not here:", err)
				}
				b.StartTimer()
				if text, err := cmd.CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, text)
				}
				b.StopTimer()
			}
			b.SetBytes(benchBytes)
		})
	}
	peer("apt", func(out string) *exec.Cmd {
		cmd := exec.Command("/usr/lib/apt/apt-helper", "-o", "Acquire::http::Proxy=DIRECT", "-o", "APT::Sandbox::User=root", "download-file")
		for i, n := range names {
			cmd.Args = append(cmd.Args, srv.URL+"/"+n, filepath.Join(out, n), "SHA256:"+blobs[i].SHA256.Hex())
		}
		return cmd
	})
	peer("curl", func(out string) *exec.Cmd {
		cmd := exec.Command("curl", "--noproxy", "*", "--silent", "--fail", "--parallel", "--parallel-max", "6", "--config", "-")
		var s strings.Builder
		for _, n := range names {
			fmt.Fprintf(&s, "url = %s/%s\noutput = %s\n", srv.URL, n, filepath.Join(out, n))
		}
		cmd.Stdin = strings.NewReader(s.String())
		return cmd
	})
}

// BenchmarkSlowLink fetches the closure over a link of 30 MB/s with 50 ms to
// each answer, of which 5 % are 429, and reports the time as a multiple of what
// the bandwidth alone would take.
func BenchmarkSlowLink(b *testing.B) {
	if os.Getenv("SATCHEL_FULL") == "" {
		b.Skip("takes a minute: set SATCHEL_FULL=1")
	}
	const rate = 30e6
	dir := b.TempDir()
	names, blobs := closure(b, dir)
	link := &link{rate: rate}
	var asked atomic.Int64
	files := http.FileServer(http.Dir(dir))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(50 * time.Millisecond)
		if asked.Add(1)%20 == 0 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		files.ServeHTTP(&shaped{w, link}, r)
	}))
	defer srv.Close()
	for _, perHost := range []int{4, 6, 8} {
		b.Run(fmt.Sprint(perHost), func(b *testing.B) {
			for range b.N {
				s, err := Open(b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				c := fetch.New(fetch.Options{PerHost: perHost})
				began := time.Now()
				if err := c.Fetch(context.Background(), s, benchJobs(srv.URL, names, blobs), nil); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(time.Since(began).Seconds()/(benchBytes/rate), "x-bandwidth")
				c.Close()
				s.Close()
				os.RemoveAll(s.Dir())
			}
			b.SetBytes(benchBytes)
		})
	}
}

// link is a line that all answers share.
type link struct {
	rate float64 // bytes a second
	free atomic.Int64
}

// take waits until n bytes have passed.
func (l *link) take(n int) {
	d := int64(float64(n) / l.rate * 1e9)
	for {
		now, free := time.Now().UnixNano(), l.free.Load()
		at := max(now, free) + d
		if l.free.CompareAndSwap(free, at) {
			time.Sleep(time.Duration(at - now))
			return
		}
	}
}

type shaped struct {
	http.ResponseWriter
	link *link
}

func (s *shaped) Write(p []byte) (int, error) {
	for n := 0; n < len(p); {
		piece := p[n:min(n+64<<10, len(p))]
		s.link.take(len(piece))
		m, err := s.ResponseWriter.Write(piece)
		n += m
		if err != nil {
			return n, err
		}
	}
	return len(p), nil
}
