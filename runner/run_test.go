package runner

import (
	"context"
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

// After a failure in the second of five targets, what was finished is kept and
// taken, and the result is that of a run that never failed.
func TestResume(t *testing.T) {
	r, e, story := fakeRun(t, "", fiveSuites...)
	sound := e.script
	e.script = func(b *guest.Build, c []string) (map[string]string, int) {
		if strings.HasPrefix(b.Log, "s2") {
			return nil, 3
		}
		return sound(b, c)
	}
	var failed *ScriptError
	if _, err := r.Do(t.Context()); !errors.As(err, &failed) || failed.Exit != 3 {
		t.Fatalf("got %v", err)
	}
	if want := buildsOf("s1", "s2"); !slices.Equal(e.builds, want) {
		t.Fatalf("built %q, want %q: nothing after a failure", e.builds, want)
	}
	if log, err := os.ReadFile(failed.Log); err != nil || !strings.Contains(string(log), "s2-amd64-build.log ends") {
		t.Errorf("the log that the error names: %q, %v", log, err)
	}
	if !strings.Contains(story.all(), "result.failed keeps what is finished, 1 of the builds") {
		t.Errorf("told:\n%s", story.all())
	}
	e.script, e.builds = sound, nil
	r.Resume = true
	built, err := r.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := buildsOf("s2", "s3", "s4", "s5"); !slices.Equal(e.builds, want) {
		t.Errorf("built %q, want %q", e.builds, want)
	}
	if _, err := os.Stat(filepath.Join(r.Result, "logs", "s1-amd64-build.log")); err != nil {
		t.Error(err)
	}
	fresh, _, _ := fakeRun(t, "", fiveSuites...)
	want, err := fresh.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[0].Outputs, built[0].Outputs); diff != "" || built[0].Manifest != want[0].Manifest {
		t.Errorf("resumed, the result is another (-want +got):\n%s", diff)
	}
}

// What has changed since is not taken.
func TestResumeAfresh(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, r *Run, e *fakeEngine, done string){
		"nothing":          nil,
		"without --resume": func(t *testing.T, r *Run, e *fakeEngine, done string) { r.Resume = false },
		"another lock": func(t *testing.T, r *Run, e *fakeEngine, done string) {
			r.Lock.Archives[0].Date = "2024-05-04T03:02:02Z"
		},
		"another -j": func(t *testing.T, r *Run, e *fakeEngine, done string) { r.Options.Jobs = 3 },
		"sudo":       func(t *testing.T, r *Run, e *fakeEngine, done string) { r.Options.AllowSudo = true },
		"another environment": func(t *testing.T, r *Run, e *fakeEngine, done string) {
			for k, env := range e.kept {
				env.Root[0]++
				e.kept[k] = env
			}
		},
		"a changed file":  func(t *testing.T, r *Run, e *fakeEngine, done string) { edit(t, done+"/out/same/x", "y") },
		"a file gone":     func(t *testing.T, r *Run, e *fakeEngine, done string) { os.Remove(done + "/out/same/x") },
		"a broken record": func(t *testing.T, r *Run, e *fakeEngine, done string) { edit(t, done+"/record.json", "{") },
		"a record elsewhere": func(t *testing.T, r *Run, e *fakeEngine, done string) {
			rewrite(t, done+"/record.json", "out/same/x", "../same/x")
		},
		"a link elsewhere": func(t *testing.T, r *Run, e *fakeEngine, done string) {
			rewrite(t, done+"/record.json", `"out/link"`, `"/etc/link"`)
		},
		"a linked file": func(t *testing.T, r *Run, e *fakeEngine, done string) {
			os.Remove(done + "/out/same/x")
			os.Symlink("/etc/passwd", done+"/out/same/x")
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, e, story := fakeRun(t, "sudo: true\n", "s1", "s2")
			sound := e.script
			e.script = func(b *guest.Build, c []string) (map[string]string, int) {
				if strings.HasPrefix(b.Log, "s2") {
					return nil, 1
				}
				return sound(b, c)
			}
			if _, err := r.Do(t.Context()); err == nil {
				t.Fatal("it did not fail")
			}
			e.script, e.builds, r.Resume = sound, nil, true
			want := buildsOf("s1", "s2")
			if change == nil {
				want = buildsOf("s2")
			} else {
				change(t, r, e, filepath.Join(r.Result+".failed", finishedDir, "hello", "s1-amd64"))
			}
			if _, err := r.Do(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(e.builds, want) {
				t.Errorf("built %q, want %q", e.builds, want)
			}
			if told := strings.Contains(story.all(), " is not taken: "); change != nil && r.Resume != told {
				t.Errorf("told:\n%s", story.all())
			}
			if b, err := os.ReadFile(filepath.Join(r.Result, "out/same/x")); err != nil || string(b) != "x" {
				t.Errorf("same/x is %q, %v", b, err)
			}
		})
	}
}

func edit(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func rewrite(t *testing.T, path, old, new string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), old) {
		t.Fatalf("%s has no %q: %v", path, old, err)
	}
	edit(t, path, strings.ReplaceAll(string(b), old, new))
}

// An interrupted run keeps what it finished, and nothing if it finished nothing.
func TestInterruptedRun(t *testing.T) {
	for _, at := range []string{"s1", "s2"} {
		r, e, _ := fakeRun(t, "", "s1", "s2")
		ctx, stop := context.WithCancel(t.Context())
		sound := e.script
		e.script = func(b *guest.Build, c []string) (map[string]string, int) {
			if strings.HasPrefix(b.Log, at) {
				stop()
			}
			return sound(b, c)
		}
		if _, err := r.Do(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", at, err)
		}
		left, _ := filepath.Glob(filepath.Join(filepath.Dir(r.Result), "*"))
		left = slices.DeleteFunc(left, func(p string) bool { return filepath.Base(p) == "cache" })
		if want := map[string]int{"s1": 0, "s2": 1}[at]; len(left) != want {
			t.Errorf("stopped in %s, left are %q", at, left)
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
