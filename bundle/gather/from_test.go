package gather

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"satchel/aptmirror/fetch"
	"satchel/bundle/store"
	"satchel/manifest"
)

// finding is a Finder in a test, and what it tells.
type finding struct {
	*Finder
	story []string
}

func newFinding(t *testing.T, wanted ...manifest.NeededBlob) *finding {
	t.Helper()
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	f := &finding{}
	f.Finder = NewFinder(s, wanted, func(line string) { f.story = append(f.story, line) })
	return f
}

func (f *finding) in(t *testing.T, place string) {
	t.Helper()
	if err := f.In(context.Background(), place); err != nil {
		t.Error(err)
	}
}

// wanted is a blob by its content, and the hints that there are of it.
func wanted(content string, hint manifest.NeededBlob) manifest.NeededBlob {
	hint.Blob = manifest.Blob{SHA256: manifest.Sum([]byte(content)), Size: int64(len(content))}
	return hint
}

// tree writes files below a new folder.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestFinder: where things are in folders, apt's caches and lists, on discs and
// in mirrors. What has the right name and other bytes is not taken; what has
// another name is.
func TestFinder(t *testing.T) {
	deb := manifest.NeededBlob{Name: "pool/main/t/tool/tool_2.0-1_amd64.deb", Archive: "debian/bookworm", Path: "pool/main/t/tool/tool_2.0-1_amd64.deb"}
	release := manifest.NeededBlob{Name: "debian/bookworm InRelease", Archive: "debian/bookworm", Path: "dists/bookworm/InRelease"}
	sdk := manifest.NeededBlob{Name: "sdk.tar.gz", URL: "https://example.org/get/sdk.tar.gz?x=1"}
	for name, c := range map[string]struct {
		files map[string]string
		left  int
	}{
		"plain folder":      {map[string]string{"a/tool_2.0-1_amd64.deb": "the deb", "b/InRelease": "the release", "sdk.tar.gz": "the sdk"}, 0},
		"other names":       {map[string]string{"1": "the deb", "2": "the release", "3": "the sdk"}, 0},
		"apt's cache":       {map[string]string{"archives/tool_1%3a2.0-1_amd64.deb": "the deb", "archives/lock": ""}, 2},
		"apt's unfinished":  {map[string]string{"archives/partial/tool_1%3a2.0-1_amd64.deb": "the deb"}, 3},
		"apt's lists":       {map[string]string{"deb.example.org_debian_dists_bookworm_InRelease": "the release"}, 2},
		"a disc":            {map[string]string{"pool/main/t/tool/tool_2.0-1_amd64.deb": "the deb", "dists/bookworm/InRelease": "the release"}, 1},
		"several archives":  {map[string]string{"debian/pool/main/t/tool/tool_2.0-1_amd64.deb": "the deb"}, 2},
		"a supplement":      {map[string]string{manifest.Sum([]byte("the deb")).Hex(): "the deb"}, 2},
		"wrong bytes":       {map[string]string{"pool/main/t/tool/tool_2.0-1_amd64.deb": "the bed", "tool_2.0-1_amd64.deb": "the dbe", "x": "the sdk!"}, 3},
		"a name misleads":   {map[string]string{"tool_2.0-1_amd64.deb": "the sdk", "sdk.tar.gz": "the deb"}, 1},
		"right among wrong": {map[string]string{"a/tool_2.0-1_amd64.deb": "the bed", "b/tool_2.0-1_amd64.deb": "the deb"}, 2},
		"nothing":           {nil, 3},
	} {
		f := newFinding(t, wanted("the deb", deb), wanted("the release", release), wanted("the sdk", sdk))
		f.in(t, tree(t, c.files))
		if f.left() != c.left {
			t.Errorf("%s: %d are left, want %d: %q", name, f.left(), c.left, f.story)
		}
		n := 0
		for b, err := range f.Store.All() {
			if n++; err != nil || f.Store.Check(context.Background(), b) != nil {
				t.Errorf("%s: %v, %v", name, b, err)
			}
		}
		if n != 3-c.left {
			t.Errorf("%s: %d blobs are stored, want %d", name, n, 3-c.left)
		}
	}
}

// TestFinderHostile: links in circles, pipes, and more than can be read.
func TestFinderHostile(t *testing.T) {
	dir := tree(t, map[string]string{"real/one": "the deb", "real/deeper/two": "other"})
	for link, to := range map[string]string{"real/loop": "..", "real/deeper/self": "self", "real/dangling": "nowhere", "outside": "/proc/self/mem", "zero": "/dev/zero"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "tool.deb"), 0o644); err != nil {
		t.Fatal(err)
	}
	blob := wanted("the deb", manifest.NeededBlob{Name: "tool.deb", Archive: "debian/x", Path: "tool.deb"})
	f := newFinding(t, blob)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := f.In(ctx, dir); err != nil || f.left() != 0 {
		t.Errorf("got %v, %q", err, f.story)
	}
	f = newFinding(t, blob)
	if err := f.In(ctx, filepath.Join(dir, "tool.deb")); err == nil || !strings.Contains(err.Error(), "neither a folder nor a file") {
		t.Errorf("a pipe: got %v", err)
	}
	if err := f.In(ctx, filepath.Join(dir, "real/deeper/two")); err == nil || !strings.Contains(err.Error(), "nothing that is wanted") {
		t.Errorf("another file: got %v", err)
	}
	if err := f.In(ctx, filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a place that is not there passes")
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if f.in(t, link); f.left() != 0 {
		t.Errorf("through a link to the folder: %q", f.story)
	}
	// A path from needs of somebody else must not lead out of the folder.
	out := newFinding(t, wanted("the deb", manifest.NeededBlob{Name: "x", Archive: "debian/x", Path: "../one"}))
	if out.in(t, filepath.Join(dir, "real/deeper")); out.left() != 1 {
		t.Error("it was found outside of the folder")
	}
	ended, stop := context.WithCancel(context.Background())
	stop()
	if err := newFinding(t, blob).In(ended, dir); err == nil {
		t.Error("an interrupted search passes")
	}
}

// TestFinderReadsLittle: files of other sizes are never read, those with fitting
// names first, and of the others only so much.
func TestFinderReadsLittle(t *testing.T) {
	dir := t.TempDir()
	sparse := func(name string, size int64) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(dir, name), size); err != nil {
			t.Fatal(err)
		}
	}
	sparse("huge", 1<<40) // a terabyte, and at 1 GB/s a quarter of an hour
	const size = 1 << 20
	content := string(bytes.Repeat([]byte("x"), size))
	for i := range 50 {
		sparse(fmt.Sprintf("a%02d", i), size)
	}
	if err := os.WriteFile(filepath.Join(dir, "z"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	f := newFinding(t, wanted(content, manifest.NeededBlob{Name: "sdk"}))
	f.Budget = 10 * size
	f.in(t, dir)
	if f.left() != 1 || !slices.ContainsFunc(f.story, func(s string) bool { return strings.HasPrefix(s, "41 files of a wanted size") }) {
		t.Errorf("more was read than allowed: %q", f.story)
	}
	if err := os.Rename(filepath.Join(dir, "z"), filepath.Join(dir, "sdk")); err != nil {
		t.Fatal(err)
	}
	if f.in(t, dir); f.left() != 0 {
		t.Errorf("the file of that name was not read first: %q", f.story)
	}
}

// TestFinderManyFiles: a folder of 100,000 files takes seconds and little memory.
func TestFinderManyFiles(t *testing.T) {
	dir := t.TempDir()
	const many = 100_000
	for i := range many / 1000 {
		sub := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		first := filepath.Join(sub, "0")
		if err := os.WriteFile(first, []byte(fmt.Sprint(1000+i)), 0o644); err != nil {
			t.Fatal(err)
		}
		for j := 1; j < 1000; j++ { // names are what this is about; links are quick to make
			if err := os.Link(first, filepath.Join(sub, fmt.Sprint(j))); err != nil {
				t.Fatal(err)
			}
		}
	}
	f := newFinding(t, wanted("1099", manifest.NeededBlob{Name: "x"}))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	f.in(t, dir)
	runtime.ReadMemStats(&after)
	took := time.Since(start)
	t.Logf("%v, %d MB allocated in all", took, (after.TotalAlloc-before.TotalAlloc)>>20)
	if f.left() != 0 || took > time.Minute {
		t.Errorf("it took %v: %q", took, f.story)
	}
}

// TestFinderBundle: blobs of a bundle are taken whoever signed it, and of a cut
// or changed one those that are sound.
func TestFinderBundle(t *testing.T) {
	var b bytes.Buffer
	entry := func(name, content string) {
		h := make([]byte, 512)
		copy(h, name)
		copy(h[100:], "0000644\x000000000\x000000000\x00")
		copy(h[124:], fmt.Sprintf("%011o\x00", len(content)))
		copy(h[136:], "00000000000\x00        0")
		copy(h[257:], "ustar\x0000")
		sum := 0
		for _, c := range h {
			sum += int(c)
		}
		copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
		b.Write(h)
		b.WriteString(content)
		b.Write(make([]byte, (512-len(content)%512)%512))
	}
	blob := func(content string) { entry("blobs/sha256/"+manifest.Sum([]byte(content)).Hex(), content) }
	entry("oci-layout", "{}")
	blob("one")
	entry("blobs/sha256/"+manifest.Sum([]byte("two")).Hex(), "owt") // another content under its name
	entry("blobs/sha256/../../etc/passwd", "x")
	blob("three")
	whole := b.Bytes()
	all := []manifest.NeededBlob{wanted("one", manifest.NeededBlob{}), wanted("two", manifest.NeededBlob{}), wanted("three", manifest.NeededBlob{})}
	for name, c := range map[string]struct {
		data []byte
		left int
		tell string
	}{
		"whole": {append(slices.Clone(whole), make([]byte, 1024)...), 1, "2 of 3"},
		"cut":   {whole[:len(whole)-600], 2, "damaged"},
		"split": {whole[:len(whole)-510], 2, "1 of 3"},
	} {
		file := filepath.Join(t.TempDir(), "x.satchel")
		if err := os.WriteFile(file, c.data, 0o644); err != nil {
			t.Fatal(err)
		}
		f := newFinding(t, all...)
		if f.in(t, file); f.left() != c.left || !strings.Contains(strings.Join(f.story, "\n"), c.tell) {
			t.Errorf("%s: %d are left, want %d: %q", name, f.left(), c.left, f.story)
		}
	}
}

// FuzzFinderBundle: whatever is called a bundle, nothing but what is wanted is
// stored, and it ends.
func FuzzFinderBundle(f *testing.F) {
	f.Add([]byte("oci-layout\x00"))
	one := make([]byte, 512)
	copy(one, "blobs/sha256/"+manifest.Sum([]byte("one")).Hex())
	copy(one[124:], "00000000003")
	copy(one[148:], "        0")
	copy(one[257:], "ustar\x0000")
	sum := 0
	for _, c := range one {
		sum += int(c)
	}
	copy(one[148:], fmt.Sprintf("%06o\x00 ", sum))
	f.Add(append(append(one, "one"...), make([]byte, 509+1024)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		fd := newFinding(t, wanted("one", manifest.NeededBlob{}))
		if err := fd.bundle(context.Background(), bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		for b, err := range fd.Store.All() {
			if err != nil || b.SHA256 != manifest.Sum([]byte("one")) {
				t.Fatalf("got %v, %v", b, err)
			}
		}
	})
}

// counted is a Progress that adds up.
type counted struct {
	fetch.NoProgress
	total, done int64
	begun, over int
}

func (c *counted) Start(total int64, _ int) { c.total, c.done, c.begun = total, 0, c.begun+1 }
func (c *counted) Add(n int64)              { c.done += n }
func (c *counted) Done()                    { c.over++ }

// What is told of is what was taken, however often something else was read.
func TestFinderProgress(t *testing.T) {
	first, second := wanted("the first", manifest.NeededBlob{Name: "first"}), wanted("another content", manifest.NeededBlob{Name: "second"})
	f := newFinding(t, first, second)
	var told counted
	f.Progress = &told
	f.in(t, tree(t, map[string]string{"first": "the wrong", "x": "the first"})) // of the same length
	if told.total != int64(len("the first"+"another content")) || told.done != int64(len("the first")) || told.begun != 1 || told.over != 1 {
		t.Errorf("first it tells %+v", told)
	}
	f.in(t, tree(t, map[string]string{"second": "another content"}))
	if told.total != told.done || told.done != int64(len("another content")) || told.begun != 2 || told.over != 2 {
		t.Errorf("then it tells %+v", told)
	}
	f.in(t, t.TempDir())
	if told.begun != 2 {
		t.Error("it begins where nothing is wanted")
	}
}
