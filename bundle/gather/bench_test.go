package gather

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"satchel/aptmirror"
	"satchel/aptmirror/fetch"
	"satchel/bundle"
	"satchel/bundle/store"
	"satchel/manifest"
)

// The closure that the figures are about: 346 .debs of 463 MB.
const (
	benchFiles = 346
	benchBytes = 463_400_000
)

// closure makes a mirror with the sizes of a package closure, most small, a few
// the bulk, and the lock that pins them all.
func closure(b *testing.B, dir string) *manifest.Lock {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	weights := make([]float64, benchFiles)
	sum := 0.0
	for i := range weights {
		weights[i] = math.Exp(1.9 * r.NormFloat64())
		sum += weights[i]
	}
	var packages []manifest.PackagePin
	var index bytes.Buffer
	for i, w := range weights {
		name := fmt.Sprintf("p%03d.deb", i)
		data := make([]byte, int(w/sum*benchBytes))
		rand.NewChaCha8([32]byte{byte(i), byte(i >> 8)}).Read(data)
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			b.Fatal(err)
		}
		f := manifest.PackagePin{
			Name: fmt.Sprintf("p%03d", i), Version: "1", Architecture: "all", Archive: "debian/bookworm", Path: name, Why: "asked for",
			Blob: manifest.Blob{SHA256: manifest.Sum(data), Size: int64(len(data))},
		}
		packages = append(packages, f)
		fmt.Fprintf(&index, "Package: p%03d\nVersion: 1\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: test\nFilename: ./%s\nSize: %d\nSHA256: %s\n\n",
			i, name, f.Size, f.SHA256.Hex())
	}
	if err := os.WriteFile(filepath.Join(dir, "Packages"), index.Bytes(), 0o644); err != nil {
		b.Fatal(err)
	}
	small := smallBlob()
	return &manifest.Lock{
		Version:     manifest.LockVersion,
		Descriptors: []manifest.DescriptorPin{{Name: "bench", File: "bench.yml", Reference: "2024-01-01 00:00:00", Blob: small}},
		Archives: []manifest.ArchivePin{{
			Name: "debian", Suite: "bookworm", Components: []string{"main"}, Date: "2024-01-01T00:00:00Z",
			SignedBy: []string{strings.Repeat("A", 40)}, Keyring: small,
			Release: []manifest.ArchiveFile{{Path: "InRelease", Blob: small}},
			Indexes: []manifest.ArchiveFile{{Path: "main/binary-all/Packages", Blob: small}},
		}},
		Targets: []manifest.Target{{
			Descriptor: "bench", Distro: "debian", Suite: "bookworm", Architecture: "amd64",
			Image: manifest.Image{Kind: manifest.ImageBootstrap}, Packages: packages,
		}},
	}
}

// smallText stands for all that the benchmark has in its store already.
const smallText = "small"

func smallBlob() manifest.Blob {
	return manifest.Blob{SHA256: manifest.Sum([]byte(smallText)), Size: int64(len(smallText))}
}

// openStore opens a store that has what no mirror has.
func openStore(b *testing.B, dir string) *store.Store {
	b.Helper()
	s, err := store.Open(dir)
	if err == nil {
		err = s.Put(b.Context(), smallBlob(), strings.NewReader(smallText))
	}
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// TestMirror is the mirror of the benchmark, in a process of its own.
func TestMirror(t *testing.T) {
	dir := os.Getenv("SATCHEL_BENCH_MIRROR")
	if dir == "" {
		t.Skip("it is a part of the benchmark, which SATCHEL_FULL=1 enables")
	}
	srv := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer srv.Close()
	fmt.Println(srv.URL)
	os.Stdin.Read(make([]byte, 1)) // until the parent has gone
}

func mirror(b *testing.B, dir string) string {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestMirror$")
	cmd.Env = append(os.Environ(), "SATCHEL_BENCH_MIRROR="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	var url string
	if _, err := fmt.Fscanln(out, &url); err != nil {
		b.Fatal(err)
	}
	return url
}

// apt makes a root for an apt that knows this mirror alone, and gives the
// command that downloads all of it.
func apt(b *testing.B, url string) func(out string) *exec.Cmd {
	b.Helper()
	root := b.TempDir()
	for _, d := range []string{"etc/apt/preferences.d", "etc/apt/apt.conf.d", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/lib/dpkg"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	write := func(name, text string) string {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
		return filepath.Join(root, name)
	}
	write("var/lib/dpkg/status", "")
	write("etc/apt/sources.list", "deb [trusted=yes allow-insecure=yes] "+url+" ./\n")
	conf := write("apt.conf", fmt.Sprintf("Dir %q;\nDir::State::status %q;\nAPT::Sandbox::User \"root\";\nAcquire::http::Proxy \"DIRECT\";\nAcquire::Languages \"none\";\n",
		root, filepath.Join(root, "var/lib/dpkg/status")))
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command("apt-get", args...)
		cmd.Env = append(os.Environ(), "APT_CONFIG="+conf)
		return cmd
	}
	if out, err := command("update").CombinedOutput(); err != nil {
		b.Skipf("apt-get update: %v\n%s", err, out)
	}
	args := []string{"-qq", "download"}
	for i := range benchFiles {
		args = append(args, fmt.Sprintf("p%03d", i))
	}
	return func(out string) *exec.Cmd {
		cmd := command(args...)
		cmd.Dir = out
		return cmd
	}
}

// BenchmarkGather gathers the closure from loopback, has apt-get download the
// same from the same mirror, in turns, and reports the medians: the fetch, as
// little synced to the disk as apt's; the floor under it, which is the same files
// hashed and written with no network; the packing of the bundle; all of it, with
// everything synced; and the fetch as a multiple of apt's time. The cpu figures
// are what a busy machine changes least.
func BenchmarkGather(b *testing.B) {
	if os.Getenv("SATCHEL_FULL") == "" {
		b.Skip("463 MB: set SATCHEL_FULL=1")
	}
	dir := b.TempDir()
	url := mirror(b, dir)
	lock := closure(b, dir)
	download := apt(b, url)
	figures := map[string][]float64{}
	note := func(name string, v float64) { figures[name] = append(figures[name], v) }
	for range b.N {
		out := b.TempDir()
		cmd := download(out)
		began := time.Now()
		if text, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("apt-get download: %v\n%s", err, text)
		}
		apt := time.Since(began).Seconds()
		note("apt-s", apt)
		note("apt-cpu-s", (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())

		began = time.Now()
		hashAndWrite(b, dir, b.TempDir())
		note("floor-s", time.Since(began).Seconds())
		note("floor/apt", time.Since(began).Seconds()/apt)

		s := openStore(b, filepath.Join(out, "store"))
		g := gatherer(s, url)
		used := processorTime(b)
		began = time.Now()
		if err := g.All(b.Context(), lock); err != nil {
			b.Fatal(err)
		}
		fetched := time.Since(began).Seconds()
		note("fetch-s", fetched)
		note("fetch-cpu-s", processorTime(b)-used)
		note("fetch/apt", fetched/apt)

		packing, cpu := time.Now(), processorTime(b)
		flushed := make(chan error, 1)
		go func() { flushed <- s.Flush() }()
		if _, err := bundle.Create(b.Context(), filepath.Join(out, "bench.satchel"), lock, s, nil, nil); err != nil {
			b.Fatal(err)
		}
		note("pack-s", time.Since(packing).Seconds())
		note("pack-cpu-s", processorTime(b)-cpu)
		if err := <-flushed; err != nil {
			b.Fatal(err)
		}
		note("all-s", time.Since(began).Seconds())
		g.Fetch.Close()
		s.Close()
		// Memory that nobody has used for long costs a virtual machine more than all
		// else, so the next round takes this one's. ext4 makes a detour for minutes
		// round what was deleted: TMPDIR had better be on a tmpfs.
		if err := os.RemoveAll(out); err != nil {
			b.Fatal(err)
		}
	}
	for name, list := range figures {
		slices.Sort(list)
		b.ReportMetric(list[len(list)/2], name)
	}
	b.ReportMetric(0, "ns/op")
}

// hashAndWrite does what nobody who fetches can do without, on all cores.
func hashAndWrite(b *testing.B, from, to string) {
	b.Helper()
	names, err := filepath.Glob(filepath.Join(from, "p*.deb"))
	if err != nil || len(names) != benchFiles {
		b.Fatalf("%d files, %v", len(names), err)
	}
	var all errgroup.Group
	all.SetLimit(runtime.NumCPU())
	for _, name := range names {
		all.Go(func() error {
			r, err := os.Open(name)
			if err != nil {
				return err
			}
			defer r.Close()
			w, err := os.Create(filepath.Join(to, filepath.Base(name)))
			if err != nil {
				return err
			}
			sum := sha256.New()
			_, err = io.CopyBuffer(io.MultiWriter(sum, struct{ io.Writer }{w}), struct{ io.Reader }{r}, make([]byte, 256<<10))
			return errors.Join(err, w.Close())
		})
	}
	if err := all.Wait(); err != nil {
		b.Fatal(err)
	}
	if err := os.RemoveAll(to); err != nil {
		b.Fatal(err)
	}
}

func gatherer(s *store.Store, url string) *Gatherer {
	return &Gatherer{
		Fetch: fetch.New(fetch.Options{}), Store: s,
		Mirrors:  aptmirror.Mirrors{GivenOnly: true, Given: map[string][]string{"debian": {url}}},
		Progress: func(string) fetch.Progress { return fetch.NoProgress{} },
	}
}

// processorTime is what this process has used, in seconds.
func processorTime(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
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
	lock, url := closure(b, dir), srv.URL
	worst := 0.0
	for range b.N {
		s := openStore(b, b.TempDir())
		g := gatherer(s, url)
		began := time.Now()
		if err := g.All(context.Background(), lock); err != nil {
			b.Fatal(err)
		}
		worst = max(worst, time.Since(began).Seconds()/(benchBytes/rate))
		g.Fetch.Close()
		s.Close()
		os.RemoveAll(s.Dir())
	}
	b.ReportMetric(worst, "x-bandwidth")
	b.ReportMetric(0, "ns/op")
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
