package runner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"satchel/runner/guest"
)

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
