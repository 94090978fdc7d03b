package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"satchel/aptmirror"
	"satchel/manifest"
)

// TestCorpusFromAssert asks for each real build again, where nobody has anything any
// more: no archive answers, so it ends with the list of what is missing, soon, and
// writes no lock. Without SATCHEL_FULL it is every fifth. The descriptors are small ones
// in the real ones' place; what is read, down to its last line of noise, is what people signed.
func TestCorpusFromAssert(t *testing.T) {
	dir := corpus()
	if dir == "" {
		t.Skip("the corpus is not beside this checkout")
	}
	files, err := filepath.Glob(filepath.Join(dir, "asserts", "*", "*", "*.assert"))
	if err != nil || len(files) < 35 {
		t.Fatalf("%d asserts, %v", len(files), err)
	}
	empty := httptest.NewServer(http.NotFoundHandler())
	defer empty.Close()
	start := time.Now()
	work := t.TempDir()
	for i, file := range files {
		if i%5 != 0 && os.Getenv("SATCHEL_FULL") == "" {
			continue // each takes a second; TestCorpus reads them all
		}
		nobodyHas(t, filepath.Join(work, fmt.Sprint(i)), file, empty.URL, i%10 == 0)
	}
	t.Logf("asserts with an archive that has nothing: %v", time.Since(start))
	t.Run("no answer", func(t *testing.T) {
		if os.Getenv("SATCHEL_FULL") == "" {
			t.Skip("hosts that do not answer are asked with patience: set SATCHEL_FULL=1")
		}
		start := time.Now()
		var all sync.WaitGroup
		for i, file := range files {
			all.Go(func() { nobodyHas(t, filepath.Join(work, "refused", fmt.Sprint(i)), file, "http://127.0.0.1:9", true) })
		}
		all.Wait()
		took := time.Since(start)
		t.Logf("%d asserts, all at once: %v", len(files), took)
		if took > 2*time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

// nobodyHas locks what an assert says in a world with one archive, which has nothing;
// wrongly, too, if that is wanted.
func nobodyHas(t *testing.T, dir, file, archive string, wrongly bool) {
	w := &world{dir: dir}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
		return
	}
	r, err := manifest.ParseResult(file, text)
	if err != nil {
		t.Error(err)
		return
	}
	descriptor := descriptorOf(r)
	w.write(t, "apt/sources.list", "")
	desc := w.write(t, r.Name+".yml", descriptor)
	own := w.write(t, "own.assert", strings.ReplaceAll(string(text), r.In.Descriptor.SHA256.Hex(), hashOf(descriptor)))
	lock, needs := filepath.Join(dir, "satchel.lock"), filepath.Join(dir, "needs")
	args := []string{"lock", desc, "-o", lock, "--needs", needs, "--cache", filepath.Join(dir, "cache"), "--apt-sources", filepath.Join(dir, "apt"), "--mirrors-only",
		"--archive-keyring", "/usr/share/keyrings/debian-archive-keyring.gpg", "--mirror", "ubuntu=" + archive + "/ubuntu", "--from-assert"}
	listed := 0
	for _, b := range r.Base {
		debs, _, err := r.Debs(b.Target, aptmirror.CompareVersions)
		if err != nil {
			t.Error(err)
		}
		listed += len(debs)
	}
	if wrongly {
		w.ends(t, exitIncomparable, []string{"the assert is of something else: its descriptor has sha256 " + r.In.Descriptor.SHA256.Hex()}, append(args, file)...)
		w.ends(t, exitMissing, []string{"--trust-assert goes on"}, append(args, own)...)
	}
	w.ends(t, exitMissing, []string{fmt.Sprintf("of %d packages and files that the assert names", listed)}, append(args, own, "--trust-assert")...)
	if _, err := os.Lstat(lock); err == nil {
		t.Errorf("%s: there is a lock", file)
	}
	left, err := os.ReadFile(needs)
	if err != nil {
		t.Error(err)
		return
	}
	n, err := manifest.ParseNeeds(needs, left)
	if err != nil || len(n.Blobs) == 0 || len(n.Blobs) > listed {
		t.Errorf("%s: %d packages are needed, of %d: %v", file, len(n.Blobs), listed, err)
	}
}

// descriptorOf is a descriptor of what a result had targets of, and of nothing else.
func descriptorOf(r *manifest.Result) string {
	suites, arches := map[string]bool{}, map[string]bool{}
	for _, b := range r.Base {
		suite, arch, _ := strings.Cut(b.Target, "-")
		suites[suite], arches[arch] = true, true
	}
	list := func(set map[string]bool) string {
		var all []string
		for s := range set {
			all = append(all, fmt.Sprintf("%q", s))
		}
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("name: %q\ndistro: \"ubuntu\"\nsuites: [%s]\narchitectures: [%s]\npackages: []\nreference_datetime: \"2013-06-01 00:00:00\"\nremotes: []\nfiles: []\nscript: |\n  true\n",
		r.Name, list(suites), list(arches))
}
