package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"satchel/manifest"
	"satchel/runner/guest"
)

var fiveSuites = []string{"s1", "s2", "s3", "s4", "s5"}

// buildsOf are the Logs of builds for suites.
func buildsOf(suites ...string) []string {
	var all []string
	for _, s := range suites {
		all = append(all, s+"-amd64-build.log")
	}
	return all
}

// Targets are built in order, into one folder, and told of in gitian's words.
func TestRun(t *testing.T) {
	r, e, story := fakeRun(t, "", "s2", "s1")
	var heard []string
	r.Output = func(target, line string) { heard = append(heard, target+"|"+line) }
	r.Options.Memory = 3
	built, err := r.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := buildsOf("s2", "s1"); !slices.Equal(e.builds, want) {
		t.Errorf("built %q, want %q", e.builds, want)
	}
	var paths []string
	for _, o := range built[0].Outputs {
		paths = append(paths, o.Path)
	}
	if want := []string{"link", "s1-amd64-build.log", "s2-amd64-build.log", "same/x"}; !slices.Equal(paths, want) {
		t.Errorf("outputs %q, want %q", paths, want)
	}
	if want := []int64{0, 3 << 20, 0, 3 << 20}; !slices.Equal(e.limits, want) {
		t.Errorf("limits %v, want %v: a preparation has none", e.limits, want)
	}
	if want := []string{"s2-amd64|preparing s2", "s2-amd64|+ building", "s2-amd64|s2-amd64-build.log ends"}; !slices.Equal(heard[:3], want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
	var files []string
	filepath.WalkDir(r.Result, func(p string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(r.Result, p)
		files = append(files, rel)
		return err
	})
	want := []string{".", "hello-provenance.json", "hello-res.yml", "logs", "logs/s1-amd64-build.log", "logs/s1-amd64-environment.txt", "logs/s1-amd64-install.log",
		"logs/s2-amd64-build.log", "logs/s2-amd64-environment.txt", "logs/s2-amd64-install.log",
		"out", "out/link", "out/s1-amd64-build.log", "out/s2-amd64-build.log", "out/same", "out/same/x"}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("the result (-want +got):\n%s", diff)
	}
	steps := "--- Building for s2 amd64 ---\nMaking a new image copy\nInstalling additional packages (log in logs/s2-amd64-install.log)\nEnvironment sha256:"
	if text := story.all(); !strings.HasPrefix(text, steps) || !strings.HasSuffix(text, "Starting target\nCleaning up target\nGenerating report\n") {
		t.Errorf("told:\n%s", text)
	}
}

// A result tells what was waived of the archives that it was built from, in the
// install log of each target.
func TestWaivedInResult(t *testing.T) {
	r, _, _ := fakeRun(t, "", "s1", "s2")
	r.Lock.Archives[0].Waived = []manifest.Waiver{manifest.WaivedHashes, manifest.WaivedSignatures}
	if _, err := r.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"s1-amd64-install.log", "s2-amd64-install.log"} {
		log, err := os.ReadFile(filepath.Join(r.Result, "logs", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range r.Lock.Archives[0].Waived {
			if want := "Archive " + r.Lock.Archives[0].ID() + ": " + w.Meaning() + ".\n"; !strings.Contains(string(log), want) {
				t.Errorf("%s does not tell %q:\n%s", name, want, log)
			}
		}
	}
}

// Two targets may bring one name only with one content.
func TestRunClash(t *testing.T) {
	for name, clash := range map[string]func(b *guest.Build) map[string]string{
		"content": func(b *guest.Build) map[string]string { return map[string]string{"out/x": b.Log} },
		"link": func(b *guest.Build) map[string]string {
			if b.Log == "s1-amd64-build.log" {
				return map[string]string{"out/x": "-> y", "out/y": ""}
			}
			return map[string]string{"out/x": ""}
		},
		"folder": func(b *guest.Build) map[string]string {
			if b.Log == "s1-amd64-build.log" {
				return map[string]string{"out/x/y": ""}
			}
			return map[string]string{"out/x": ""}
		},
		"links": func(b *guest.Build) map[string]string {
			return map[string]string{"out/x": "-> " + b.Log, "out/" + b.Log: ""}
		},
		"through": func(b *guest.Build) map[string]string {
			if b.Log == "s1-amd64-build.log" {
				return map[string]string{"out/d/y": "", "out/x": "-> d"}
			}
			return map[string]string{"out/x/y": ""}
		},
	} {
		r, e, _ := fakeRun(t, "", "s1", "s2", "s3")
		e.script = func(b *guest.Build, _ []string) (map[string]string, int) { return clash(b), 0 }
		_, err := r.Do(t.Context())
		for _, word := range []string{`"out/x`, "s1-amd64 wrote ", "of s2-amd64"} {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v; want %q in it", name, err, word)
			}
		}
		if name == "content" && len(e.builds) != 2 {
			t.Errorf("%s: it is noticed only after %q", name, e.builds)
		}
		if _, err := os.Lstat(r.Result); err == nil {
			t.Errorf("%s: there is a result", name)
		}
	}
}

// Side by side the result is the same; the limit is kept, and nothing begins after a failure.
func TestSideBySide(t *testing.T) {
	r, e, story := fakeRun(t, "", fiveSuites...)
	r.SideBySide = 3
	sound := e.script
	var together sync.WaitGroup
	together.Add(3)
	e.script = func(b *guest.Build, c []string) (map[string]string, int) {
		if b.Log < "s4" {
			together.Done()
			together.Wait() // hangs if they are not side by side
		}
		return sound(b, c)
	}
	built, err := r.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if e.most != 3 || e.prepared != 5 {
		t.Errorf("%d at the same time, %d prepared", e.most, e.prepared)
	}
	fresh, _, _ := fakeRun(t, "", fiveSuites...)
	want, err := fresh.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[0].Outputs, built[0].Outputs); diff != "" || !slices.Equal(want[0].Environments, built[0].Environments) {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !strings.Contains(story.all(), "s4-amd64: --- Building for s4 amd64 ---\n") {
		t.Errorf("who tells?\n%s", story.all())
	}

	r, e, _ = fakeRun(t, "", fiveSuites...)
	r.SideBySide = 2
	slow := make(chan struct{})
	e.script = func(b *guest.Build, c []string) (map[string]string, int) {
		if strings.HasPrefix(b.Log, "s2") {
			close(slow)
			return nil, 9
		}
		<-slow
		time.Sleep(50 * time.Millisecond) // so that the failure comes first
		return sound(b, c)
	}
	var failed *ScriptError
	if _, err := r.Do(t.Context()); !errors.As(err, &failed) || failed.Target != "s2-amd64" {
		t.Errorf("got %v", err)
	}
	if len(e.builds) != 2 {
		t.Errorf("after a failure %q were built", e.builds)
	}
	if _, err := os.Stat(filepath.Join(r.Result+".failed", finishedDir, "hello", "s1-amd64", recordName)); err != nil {
		t.Errorf("the one that ran beside it is lost: %v", err)
	}
}

// Caches are kept per suite: what one leaves no other sees, and builds that share one
// wait for each other.
func TestCachesApart(t *testing.T) {
	r, e, _ := fakeRun(t, "enable_cache: true\n", "s1", "s2")
	seen := map[string][]string{}
	e.script = func(b *guest.Build, c []string) (map[string]string, int) {
		e.mu.Lock()
		seen[b.Log] = append(seen[b.Log], c...)
		e.mu.Unlock()
		return map[string]string{"cache/common/" + b.Log: "", "cache/hello/own-" + b.Log: ""}, 0
	}
	r.SideBySide = 2
	for range 2 {
		if _, err := r.Do(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(r.Result); err != nil {
			t.Fatal(err)
		}
	}
	for _, log := range buildsOf("s1", "s2") {
		if want := []string{"cache/common/" + log, "cache/hello/own-" + log}; !slices.Equal(seen[log], want) {
			t.Errorf("%s saw %q, want %q", log, seen[log], want)
		}
	}
	one := &build{descriptor: &manifest.Descriptor{EnableCache: true}, target: r.Lock.Targets[0]}
	unlock := r.locks.cache(one)
	other := *one
	got := make(chan struct{})
	go func() { r.locks.cache(&other)(); close(got) }()
	select {
	case <-got:
		t.Error("two builds have one cache")
	case <-time.After(20 * time.Millisecond):
	}
	unlock()
	<-got
}

// gitian has one cache for all targets and lists it as the last of them leaves it: what all
// have put there, a later one's over an earlier one's.
func TestCacheManifest(t *testing.T) {
	r, e, _ := fakeRun(t, "enable_cache: true\n", "s1", "s2", "s3")
	e.script = func(b *guest.Build, _ []string) (map[string]string, int) {
		files := map[string]string{"cache/common/same": b.Log, "cache/common/Z/" + b.Log: "x", "cache/hello/" + b.Log: "x"}
		if b.Log == "s3-amd64-build.log" {
			files = nil
		}
		return files, 0
	}
	built, err := r.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(r.Result, built[0].Manifest.Path))
	if err != nil {
		t.Fatal(err)
	}
	res, err := manifest.ParseResult("res", text)
	if err != nil {
		t.Fatal(err)
	}
	sum := func(content, path string) manifest.FileSum {
		return manifest.FileSum{SHA256: manifest.Sum([]byte(content)), Path: path}
	}
	want := []manifest.FileSum{sum("x", "Z/s1-amd64-build.log"), sum("x", "Z/s2-amd64-build.log"), sum("s2-amd64-build.log", "same")}
	if diff := cmp.Diff(want, res.CacheCommon); diff != "" {
		t.Errorf("cache_common_manifest (-want +got):\n%s", diff)
	}
	want = []manifest.FileSum{sum("x", "s1-amd64-build.log"), sum("x", "s2-amd64-build.log")}
	if diff := cmp.Diff(want, res.CachePackage); diff != "" {
		t.Errorf("cache_package_manifest (-want +got):\n%s", diff)
	}
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", maxLine+5)
	for _, chunk := range []int{1, 3, 1 << 20} {
		var got []string
		l := &lines{say: func(s string) { got = append(got, s) }}
		for b := []byte("a\n\nbc\n" + long + "\nend"); len(b) > 0; b = b[min(chunk, len(b)):] {
			fmt.Fprintf(l, "%s", b[:min(chunk, len(b))])
		}
		l.flush()
		if want := []string{"a", "", "bc", long[:maxLine], "xxxxx", "end"}; !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: %.60q", chunk, got)
		}
	}
}
