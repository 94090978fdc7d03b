package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"satchel/manifest"
	"satchel/runner/guest"
)

// failingRun makes the scripts of the suites fail, and every run keep what they leave; told are
// those that Kept was told of.
func failingRun(r *Run, e *fakeEngine, suites ...string) (told *[]Left) {
	told, r.Bundle = &[]Left{}, manifest.Sum([]byte("bundle"))
	var mu sync.Mutex
	r.Kept = func(l Left) { mu.Lock(); defer mu.Unlock(); *told = append(*told, l) }
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r.Now = func() time.Time { now = now.Add(time.Second); return now }
	sound := e.script
	e.script = func(b *guest.Build, c []string) (map[string]string, int) {
		if slices.ContainsFunc(suites, func(s string) bool { return strings.HasPrefix(b.Log, s+"-") }) {
			return nil, 137
		}
		return sound(b, c)
	}
	return told
}

// What a script that failed left is kept, and a shell finds it.
func TestLeave(t *testing.T) {
	r, e, story := fakeRun(t, "", "s1", "s2", "s3")
	told := failingRun(r, e, "s2")
	if _, err := r.Do(t.Context()); !errors.As(err, new(*ScriptError)) {
		t.Fatalf("got %v", err)
	}
	if len(e.left) != 1 || len(*told) != 1 || (*told)[0] != (Left{e.left[0].Name, "hello", "s2-amd64"}) {
		t.Fatalf("left %v, told of %v", e.left, *told)
	}
	if !strings.HasPrefix(e.left[0].Name, "hello-s2-amd64-") || e.left[0].Environment.Key.IsZero() {
		t.Errorf("left %+v", e.left[0])
	}
	if n, ok := readNote(e.left[0]); !ok || n.How != "it ended with status 137" || n.Bundle != r.Bundle {
		t.Errorf("its note is %+v", n)
	}
	if !strings.Contains(story.all(), "Keeping what the script left") {
		t.Errorf("told:\n%s", story.all())
	}
	s := &Shell{Run: r, After: true}
	b, left, err := s.choose(t.Context())
	if err != nil || b.name != "s2-amd64" || left != e.left[0] {
		t.Fatalf("chose %v, %v, %v", b, left, err)
	}
	plan, err := s.plan(b)
	if err != nil || !plan.Placed || plan.Before != "" || strings.Contains(plan.Prelude, "\ncd build\n") {
		t.Errorf("its plan: %+v, %v", plan, err)
	}
	for name, other := range map[string]Shell{"target": {Run: r, After: true, Target: "s1-amd64"}} {
		if err := other.Find(t.Context()); !errors.Is(err, ErrNothingLeft) || !strings.Contains(err.Error(), "hello s2-amd64 of bundle") {
			t.Errorf("another %s: %v", name, err)
		}
	}
	r.Lock.Descriptors[0].Reference = "2020-01-01 00:00:00" // another lock
	if err := s.Find(t.Context()); !errors.Is(err, ErrNothingLeft) || !strings.Contains(err.Error(), "there is only\nhello s2-amd64") {
		t.Errorf("another lock: %v", err)
	}
	e.left = nil
	if err := s.Find(t.Context()); !errors.Is(err, ErrNothingLeft) || strings.Contains(err.Error(), "there is only") || !strings.Contains(err.Error(), "run it") {
		t.Errorf("of nothing: %v", err)
	}
	s.Target = "sid-amd64"
	if err := s.Find(t.Context()); !errors.Is(err, ErrChoice) {
		t.Errorf("of a target that is not there: %v", err)
	}
}

// When nothing is kept, and that the script's own failure stays the error.
func TestLeaveNot(t *testing.T) {
	full := errors.New("no space left on device")
	for name, c := range map[string]struct {
		change func(r *Run, e *fakeEngine, cancel func())
		said   string
	}{
		"nobody wants it": {func(r *Run, _ *fakeEngine, _ func()) { r.Kept = nil }, ""},
		"interrupted": {func(_ *Run, e *fakeEngine, cancel func()) {
			e.script = func(*guest.Build, []string) (map[string]string, int) { cancel(); return nil, 1 }
		}, ""},
		"the disk is full": {func(_ *Run, e *fakeEngine, _ func()) { e.leave = full }, "It could not be kept: no space left on device"},
		"it never began":   {func(_ *Run, e *fakeEngine, _ func()) { e.silent = true }, ""},
	} {
		r, e, story := fakeRun(t, "", "s1")
		told := failingRun(r, e, "s1")
		ctx, cancel := context.WithCancel(t.Context())
		c.change(r, e, cancel)
		_, err := r.Do(ctx)
		if name != "interrupted" && !errors.As(err, new(*ScriptError)) || errors.Is(err, full) {
			t.Errorf("%s: got %v, want the script's failure", name, err)
		}
		if len(e.left) > 0 || len(*told) > 0 {
			t.Errorf("%s: left %v, told of %v", name, e.left, *told)
		}
		if said := story.all(); !strings.Contains(said, c.said) || c.said == "" && strings.Contains(said, "Keeping") {
			t.Errorf("%s: told\n%s", name, said)
		}
		cancel()
	}
}

// Results that are refused leave their container, too; a build that ends well does not.
func TestLeaveRefused(t *testing.T) {
	r, e, _ := fakeRun(t, "", "s1", "s2")
	failingRun(r, e)
	sound := e.script
	e.script = func(b *guest.Build, c []string) (map[string]string, int) {
		if strings.HasPrefix(b.Log, "s2") {
			return map[string]string{"out/a b": "x"}, 0
		}
		return sound(b, c)
	}
	if _, err := r.Do(t.Context()); err == nil {
		t.Fatal("it was built")
	}
	if len(e.left) != 1 {
		t.Fatalf("left %v", e.left)
	}
	if n, _ := readNote(e.left[0]); n.Target != "s2-amd64" || n.How != "its results could not be taken" {
		t.Errorf("its note is %+v", n)
	}
}

// The newest of each build stay, four in all, and what is in use.
func TestPrune(t *testing.T) {
	r, e, story := fakeRun(t, "", "s1", "s2", "s3", "s4", "s5", "s6")
	failingRun(r, e, "s1", "s2", "s3", "s4", "s5", "s6")
	fail := func(suites ...string) {
		t.Helper()
		all := r.Lock.Targets
		defer func() { r.Lock.Targets = all }()
		for _, s := range suites {
			one, _, _ := fakeRun(t, "", s) // another lock, but for s1
			one.Engine, one.Kept, one.Now, one.Bundle = e, r.Kept, r.Now, r.Bundle
			if _, err := one.Do(t.Context()); !errors.As(err, new(*ScriptError)) {
				t.Fatalf("got %v", err)
			}
		}
	}
	targets := func() string {
		var all []string
		for _, l := range e.left {
			n, _ := readNote(l)
			all = append(all, strings.TrimSuffix(n.Target, "-amd64"))
		}
		return strings.Join(all, " ")
	}
	fail("s1", "s2", "s1", "s3")
	if got, want := targets(), "s3 s1 s2"; got != want {
		t.Errorf("kept %q, want %q", got, want)
	}
	fail("s4", "s5")
	if got, want := targets(), "s5 s4 s3 s1"; got != want {
		t.Errorf("kept %q, want %q", got, want)
	}
	e.used = e.left[3].Name
	fail("s6", "s1")
	if got, want := targets(), "s1 s6 s5 s4 s1"; got != want {
		t.Errorf("kept %q, want %q: the last is in use", got, want)
	}
	e.left = append(e.left, Remains{Name: "foreign-0123456789abcdef", Note: "{}"})
	fail("s2")
	if got, want := targets(), "s2 s1 s6 s5 s1"; got != want {
		t.Errorf("kept %q, want %q", got, want)
	}
	if strings.Contains(story.all(), "could not be") {
		t.Errorf("told:\n%s", story.all())
	}
}

// The second of two builds leaves nothing: what was varied is not what a shell would have.
func TestLeaveTwice(t *testing.T) {
	r, e, _ := fakeRun(t, "", "s1")
	told := failingRun(r, e)
	n := 0
	e.script = func(*guest.Build, []string) (map[string]string, int) {
		n++
		return map[string]string{"out/x": "x"}, n - 1
	}
	got, err := (&Twice{Run: r}).Do(t.Context())
	if err != nil || got.Answer != TwiceFailed || len(*told) > 0 || len(e.left) > 0 {
		t.Errorf("%+v, %v; left %v", got, err, e.left)
	}
}

func TestRemainsName(t *testing.T) {
	id := [8]byte{1, 2, 3, 4, 5, 6, 7, 0xab}
	for _, descriptor := range []string{"hello", ".x", "a_b.c-1", strings.Repeat("n", 300)} {
		if name := remainsName(descriptor, "bookworm-amd64", id); !IsRemainsName(name) {
			t.Errorf("%.20q makes %q, which is none", descriptor, name)
		}
	}
	for _, name := range []string{"", "x", "-0123456789abcdef", "x-0123456789ABCDEF", "x-0123456789abcde", "x-0123456789abcdef0", "x/y-0123456789abcdef", "../x-0123456789abcdef",
		".x-0123456789abcdef", "x y-0123456789abcdef", "x\n-0123456789abcdef", strings.Repeat("x", 112) + "-0123456789abcdef"} {
		if IsRemainsName(name) {
			t.Errorf("%q is a name", name)
		}
	}
	r := Remains{Name: remainsName("a", "b", id), Environment: Environment{Key: manifest.Sum(nil), Root: manifest.Sum(nil)}, Made: time.Unix(1, 0), Note: "n"}
	if err := r.Check(); err != nil {
		t.Error(err)
	}
	if _, ok := readNote(r); ok {
		t.Error("any note is ours")
	}
	if err := (&Container{Remains: r.Name}).Complete(); err == nil || !strings.Contains(fmt.Sprint(err), r.Name) {
		t.Errorf("remains without an environment: %v", err)
	}
}
