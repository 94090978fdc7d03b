package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"satchel/manifest"
	"satchel/manifest/provenance"
	"satchel/runner/guest"
)

// fakeTwice is a Twice of fakeRun with a clock that goes a second a look.
func fakeTwice(t *testing.T, more string, suites ...string) (*Twice, *fakeEngine, *fakeStory) {
	r, e, story := fakeRun(t, more, suites...)
	at := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	r.Now = func() time.Time { at = at.Add(time.Second); return at }
	return &Twice{Run: r}, e, story
}

// However long what comes before the first script takes, the second one begins later by Apart.
func TestTwiceApart(t *testing.T) {
	tw, e, _ := fakeTwice(t, "", "s1", "s2")
	at, slow, script := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC), 3*time.Minute, e.script
	tw.Now = func() time.Time { return at }
	var began []time.Time
	e.script = func(b *guest.Build, cache []string) (map[string]string, int) {
		began = append(began, at)
		at = at.Add(time.Second)
		return script(b, cache)
	}
	e.preparing = func() { at, slow = at.Add(slow), 0 }
	tw.Apart, tw.Wait = time.Minute, func(_ context.Context, d time.Duration) error { at = at.Add(d); return nil }
	if _, err := tw.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(began) != 4 || began[2].Sub(began[0]) < tw.Apart || began[3].Sub(began[1]) < tw.Apart || slow != 0 {
		t.Errorf("the scripts began at %v, want those of the second build later by %v", began, tw.Apart)
	}
}

// A second build has everything otherwise; where nothing comes of it, nothing is left.
func TestTwiceSame(t *testing.T) {
	tw, e, story := fakeTwice(t, "", "s1", "s2")
	tw.Same, tw.Apart = []string{guest.VaryKernel}, time.Hour
	var waited time.Duration
	tw.Wait = func(_ context.Context, d time.Duration) error { waited = d; return nil }
	undone := false
	tw.Caller = func() ([]provenance.Variation, func()) {
		return []provenance.Variation{{Name: "umask", What: "umask", First: "0", Second: "1"}}, func() { undone = true }
	}
	var scripts []string
	var varied []guest.Vary
	script := e.script
	e.script = func(b *guest.Build, cache []string) (map[string]string, int) {
		scripts, varied = append(scripts, b.Script), append(varied, b.Vary)
		return script(b, cache)
	}
	out, err := tw.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if out.Answer != TwiceSame || len(out.Inside) > 0 || out.Second != "" || len(out.Built) != 1 {
		t.Errorf("got %+v", out)
	}
	if waited < 50*time.Minute || !undone {
		t.Errorf("waited %v, the caller is as before: %v", waited, undone)
	}
	if len(varied) != 4 || varied[0] != (guest.Vary{}) || varied[2] != (guest.Vary{Addresses: true, Listings: true, Pids: secondPids, Uptime: secondUptime, Users: secondUsers}) {
		t.Errorf("varied %+v", varied)
	}
	if !strings.Contains(scripts[0], "MAKEOPTS=(-j2)\nNUM_PROCS=2\nNUM_MEM=2000\n") || !strings.Contains(scripts[3], "MAKEOPTS=(-j1)\nNUM_PROCS=1\nNUM_MEM=2064\n") {
		t.Errorf("scripts\n%s\n%s", scripts[0], scripts[3])
	}
	if tw.Options != (Options{Jobs: 2, Memory: 2000}) || tw.vary != (vary{}) {
		t.Errorf("the first run has become another: %+v", tw.Run)
	}
	for _, name := range []string{"result/out/s1-amd64-build.log", "result/hello-res.yml"} {
		if _, err := os.Stat(filepath.Join(filepath.Dir(tw.Result), name)); err != nil {
			t.Error(err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(tw.Result), "*second*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if left, _ := filepath.Glob(filepath.Join(tw.Cache, ".new-*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	names := map[string]provenance.Variation{}
	for _, v := range out.Varied {
		names[v.Name] = v
	}
	if v := names["host-name"]; v.First != "satchel" || v.Second != secondHost {
		t.Errorf("host name: %+v", v)
	}
	if v := names[guest.VaryKernel]; v.Why != "--same asks for it" {
		t.Errorf("kernel: %+v", v)
	}
	if v := names["cache"]; v.Why == "" {
		t.Errorf("cache: %+v", v)
	}
	if !strings.Contains(story.all(), "--- Building a second time") || names["umask"].Second != "1" {
		t.Errorf("told:\n%s", story.all())
	}
	s := readProvenance(t, out.Built[0], tw.Result)
	if s.Predicate.BuildDefinition.InternalParameters.Twice == nil || !s.Predicate.BuildDefinition.InternalParameters.Twice.Same {
		t.Errorf("the provenance says %+v", s.Predicate.BuildDefinition.InternalParameters)
	}
}

func readProvenance(t *testing.T, b Built, result string) *provenance.Statement {
	t.Helper()
	name := filepath.Join(result, b.Provenance)
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := provenance.Parse(name, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What differs is kept, and told with the values that were varied.
func TestTwiceDiffer(t *testing.T) {
	tw, e, _ := fakeTwice(t, "enable_cache: true\n", "s1")
	var found [][]string
	e.script = func(b *guest.Build, cache []string) (map[string]string, int) {
		found = append(found, cache)
		jobs := b.Script[strings.Index(b.Script, "NUM_PROCS="):]
		return map[string]string{"out/same": "x", "out/jobs": strings.SplitN(jobs, "\n", 2)[0] + "\n", "cache/common/x": jobs, "cache/hello/y": ""}, 0
	}
	if err := os.MkdirAll(filepath.Join(tw.Cache, "debian-s1-amd64", "common"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tw.Cache, "debian-s1-amd64", "common", "before"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := tw.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 2 || !slices.Equal(found[0], found[1]) || !slices.Equal(found[0], []string{"cache/common/before"}) {
		t.Errorf("the builds found %q in the cache", found)
	}
	if kept, _ := os.ReadFile(filepath.Join(tw.Cache, "debian-s1-amd64", "common", "x")); !strings.HasPrefix(string(kept), "NUM_PROCS=2\n") {
		t.Errorf("kept is the second build's cache: %q", kept)
	}
	if out.Answer != TwiceDiffer || out.Second != SecondOf(tw.Result) || len(out.Inside) != 1 || out.Text != "1 of 2 outputs differ between the two builds" {
		t.Fatalf("got %+v", out)
	}
	if d := out.Inside[0].Differences; len(d) != 1 || d[0].Where != "jobs" || d[0].Inside[0].Hint != "the number of processors of each build, 2 and 1" {
		t.Errorf("got %+v", d)
	}
	for _, dir := range []string{tw.Result, out.Second} {
		if _, err := os.Stat(filepath.Join(dir, "out", "jobs")); err != nil {
			t.Error(err)
		}
	}
	if s := readProvenance(t, out.Built[0], tw.Result); s.Predicate.BuildDefinition.InternalParameters.Twice.Same {
		t.Error("the provenance says that it is the same")
	}
	if text, err := json.Marshal(out); err != nil || !strings.Contains(string(text), `"answer":"differ"`) {
		t.Errorf("%s, %v", text, err)
	}
	tw.Result = filepath.Join(t.TempDir(), "r")
	os.MkdirAll(filepath.Join(SecondOf(tw.Result), "x"), 0o755)
	if _, err := tw.Do(t.Context()); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("a second result is there: %v", err)
	}
}

// That the script fails the second time alone is an answer; that satchel does is an error.
func TestTwiceFails(t *testing.T) {
	tw, e, _ := fakeTwice(t, "", "s1")
	n := 0
	e.script = func(*guest.Build, []string) (map[string]string, int) {
		n++
		return map[string]string{"out/x": ""}, (n - 1) * 7
	}
	out, err := tw.Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var se *ScriptError
	if out.Answer != TwiceFailed || !errors.As(out.Failure, &se) || se.Exit != 7 || !strings.Contains(se.Log, ".second.failed") {
		t.Errorf("got %+v", out)
	}
	if _, err := os.Stat(tw.Result); err != nil {
		t.Errorf("the first result: %v", err)
	}
	if s := readProvenance(t, out.Built[0], tw.Result); s.Predicate.BuildDefinition.InternalParameters.Twice.Same {
		t.Error("the provenance says that it is the same")
	}
	tw, e, _ = fakeTwice(t, "", "s1")
	n = 0
	e.script = func(*guest.Build, []string) (map[string]string, int) { n++; return nil, 1 }
	if _, err := tw.Do(t.Context()); !errors.As(err, &se) || n != 1 {
		t.Errorf("the first fails: %v, %d builds", err, n)
	}
	tw, e, _ = fakeTwice(t, "", "s1")
	n = 0
	e.script = func(*guest.Build, []string) (map[string]string, int) {
		if n++; n == 2 {
			return map[string]string{"out/bad name": ""}, 0
		}
		return nil, 0
	}
	if _, err := tw.Do(t.Context()); err == nil || !strings.Contains(err.Error(), "building a second time: ") {
		t.Errorf("the second has a bad result: %v", err)
	}
	tw, e, _ = fakeTwice(t, "", "s1")
	ctx, cancel := context.WithCancelCause(t.Context())
	tw.Apart, tw.Wait = time.Hour, func(context.Context, time.Duration) error { cancel(errors.New("enough")); return context.Cause(ctx) }
	if _, err := tw.Do(ctx); err == nil || err.Error() != "enough" || len(e.builds) != 1 {
		t.Errorf("interrupted: %v, %q", err, e.builds)
	}
	if _, err := os.Stat(tw.Result); err != nil {
		t.Errorf("the first result: %v", err)
	}
}

// An environment that is made anew and becomes another one is told.
func TestTwiceOther(t *testing.T) {
	tw, _, _ := fakeTwice(t, "", "s1")
	other := &fakeEngine{kept: map[manifest.Digest]Environment{}}
	other.script = func(b *guest.Build, _ []string) (map[string]string, int) {
		return map[string]string{"out/" + b.Log: b.Log, "out/same/x": "x", "out/link": "-> same/x"}, 0
	}
	tw.Other, tw.OtherPath = other, "/elsewhere"
	out, err := tw.Do(t.Context())
	if err != nil || out.Answer != TwiceSame || other.prepared != 1 {
		t.Fatalf("got %+v, %v, prepared %d", out, err, other.prepared)
	}
	for key, env := range other.kept { // the next one finds another in its place
		env.Root = manifest.Sum([]byte("other"))
		other.kept[key] = env
	}
	tw.Result = filepath.Join(t.TempDir(), "r")
	out, err = tw.Do(t.Context())
	if err != nil || out.Answer != TwiceDiffer || out.Text != "the outputs are the same, and the environments are not" {
		t.Errorf("got %+v, %v", out, err)
	}
}

// What cannot be varied is told with the reason.
func TestTold(t *testing.T) {
	first, second := []*build{{seen: guest.Seen{Kernel: "6.1", CPUs: 1}}}, []*build{{seen: guest.Seen{Kernel: "2.6.61", CPUs: 1}, unvaried: map[string]string{guest.VaryListings: "no"}}}
	var got []string
	for _, k := range kinds() {
		r := &Run{Options: Options{Jobs: 1, Memory: 10}}
		a, b := k.set(r)
		v := k.told(provenance.Variation{Name: k.name, What: k.what, First: a, Second: b}, first, second)
		got = append(got, fmt.Sprintf("%s: %s|%s|%s", v.What, v.First, v.Second, v.Why))
	}
	want := []string{"host name: satchel|elsewhere-2|", "-j: 1|2|", "memory in MiB, and -m: 10|74|", "order in which folders list their files: ||no",
		"order in which inputs are placed: first to last|last to first|", "addresses in memory: at random|fixed|", "kernel release: 6.1|2.6.61|",
		"process numbers: from 1|above 3000|", "time since the machine started: as it is|100 hours longer|",
		"users on the host: those of the same numbers|from 1073741824 on|"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Descriptors of one target share its caches: they are kept once, whoever is built.
func TestSnapshotOfSharedCache(t *testing.T) {
	dir := t.TempDir()
	target := manifest.Target{Distro: "debian", Suite: "bookworm", Architecture: "amd64"}
	one, other := target, target
	one.Descriptor, other.Descriptor = "one", "other"
	file := filepath.Join(dir, cacheKey(target), "one", "deep", "own")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	tw := &Twice{Run: &Run{Cache: dir, Lock: &manifest.Lock{Targets: []manifest.Target{one, other}}}}
	kept, release, err := tw.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(kept, cacheKey(target), "one", "deep", "own")); string(text) != "kept" {
		t.Errorf("got %q, %v", text, err)
	}
	release()
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}
