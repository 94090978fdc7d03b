package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"satchel/runner"
	"satchel/runner/differ"
)

// twice builds scripts that hold what was varied, one that does not, and one that fails
// the second time: each is caught and named.
func (c *crossing) twice(t *testing.T, engine string) {
	run := func(only, out string, more ...string) (runner.Doubled, int, string) {
		t.Helper()
		args := append([]string{"run", "unruly.satchel", "--keyring", "key.pub", "--engine", engine, "--only", only, "-o", out, "--twice", "--apart", "2s", "--json"}, more...)
		text, code, story := c.satchel(t, offline(), args...)
		var d runner.Doubled
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Fatalf("exit status %d, %v\n%s\n%s", code, err, text, story)
		}
		c.judge.add(t, "twice", fmt.Sprintf("satchel %q", args), text)
		return d, code, story
	}
	out := engine + "-varied"
	asked, err := exec.LookPath("diffoscope")
	with := "--diffoscope"
	if engine == "docker" || err != nil { // once is enough
		asked, with = "", "--no-diffoscope"
	}
	d, code, story := run("varied", out, with)
	if code != exitDiffer || d.Answer != runner.TwiceDiffer || len(d.Inside) != 1 {
		t.Fatalf("exit status %d, %+v\n%s", code, d, story)
	}
	users := false
	for _, v := range d.Varied {
		users = users || v.Name == "users" && v.Why == ""
		if v.Why != "" && v.Name != "cache" && v.Name != "users" && (engine != "docker" || v.Name != "uptime") {
			t.Errorf("not varied: %+v", v)
		}
	}
	if engine == "docker" && users {
		t.Error("a daemon is said to give a container other users")
	}
	c.named(t, engine, users, d.Inside[0].Differences)
	if asked != "" {
		c.diffoscope(t, out, d.Inside[0].Differences)
	}
	text, code, _ := c.satchel(t, nil, "compare", out, out+".second")
	if code != exitDiffer || !strings.Contains(text, "  host: text\n    line 1: another line\n      first   satchel\n      second  elsewhere-2\n") {
		t.Errorf("compare: exit status %d\n%s", code, text)
	}
	text, _, _ = c.satchel(t, nil, "compare", out, out+".second", "--json")
	c.judge.add(t, "compare", "compare of two results", text)
	d, code, story = run("steady", engine+"-steady")
	if code != 0 || d.Answer != runner.TwiceSame || len(d.Built) != 1 || !strings.Contains(story, "varied: host name (satchel, elsewhere-2)\n") {
		t.Errorf("exit status %d, %+v\n%s", code, d, story)
	}
	if _, err := os.Lstat(filepath.Join(c.dir, engine+"-steady.second")); err == nil {
		t.Error("an equal second result is kept")
	}
	if text := c.read(t, engine+"-steady", "steady-provenance.json"); !strings.Contains(text, `"name": "host-name"`) {
		t.Errorf("the provenance does not tell of the second build:\n%s", text)
	}
	if engine == "docker" { // what follows does not depend on the engine
		return
	}
	d, code, story = run("second", engine+"-second", "--same", "kernel,uptime")
	if code != exitDiffer || d.Answer != runner.TwiceFailed || !strings.Contains(story, "failed the second") || !strings.Contains(story, engine+"-second.second.failed/logs/bookworm-amd64-build.log") {
		t.Errorf("exit status %d, %+v\n%s", code, d, story)
	}
	d, code, story = run("second", engine+"-second-same", "--same", "jobs")
	if code != 0 || d.Answer != runner.TwiceSame {
		t.Errorf("without the cause: exit status %d, %+v\n%s", code, d, story)
	}
}

// named wants every output of varied told of with its cause.
func (c *crossing) named(t *testing.T, engine string, users bool, all []differ.Difference) {
	t.Helper()
	tree := differencesText("varied", all)
	want := map[string]string{
		"host": "the host name of each build, satchel and elsewhere-2", "processors": "the number of processors of each build, 2 and 1",
		"kernel": "the kernel release of each build, ", "process": "perhaps a process number", "listing": "the same lines in another order",
		"order.tar": "the same members in another order", "times.tar.gz": "modification time; the time of each build: set it to SOURCE_DATE_EPOCH",
		"address": "an address in memory", "date": "a date or a time of day", "path": "the name of a temporary file", "memory": "the memory in MiB of each build, 2000 and 2064",
	}
	if engine == "sandbox" {
		want["uptime"] = "another line"
	}
	if users {
		want["users"] = "another line"
	} else if strings.Contains(tree, "\n  users: ") {
		t.Errorf("the users are others, and it is not said:\n%s", tree)
	}
	for name, words := range want {
		_, after, ok := strings.Cut(tree, "\n  "+name+": ")
		if !ok {
			t.Errorf("%s is not told of in\n%s", name, tree)
			continue
		}
		var about strings.Builder
		for i, line := range strings.Split(after, "\n") {
			if i > 0 && !strings.HasPrefix(line, "    ") {
				break
			}
			about.WriteString(line + "\n")
		}
		if !strings.Contains(about.String(), words) {
			t.Errorf("%s: want %q in\n%s", name, words, about.String())
		}
	}
}

// diffoscope, asked besides, must find the same outputs to differ, and name the same members.
func (c *crossing) diffoscope(t *testing.T, out string, all []differ.Difference) {
	t.Helper()
	text := c.read(t, out+".second", "diffoscope.txt")
	for _, d := range all {
		if !strings.Contains(text, "/"+d.Where+"\n") && !strings.Contains(text, "── "+d.Where) {
			t.Errorf("diffoscope does not tell of %s:\n%.3000s", d.Where, text)
		}
	}
}

// TestDiffoscope: its report counts only whole, and its failure is nobody's.
func TestDiffoscope(t *testing.T) {
	dir := t.TempDir()
	program, report := filepath.Join(dir, "diffoscope"), filepath.Join(dir, "report.txt")
	for name, tt := range map[string]struct {
		script string
		want   string // "" is a report
	}{
		"differ": {"echo they differ > $2; exit 1", ""},
		"breaks": {"echo half > $2; echo it breaks >&2; exit 2", "it breaks"},
		"hangs":  {"echo half > $2; exec sleep 100", "deadline"},
		"silent": {"exit 1", "no such file"},
	} {
		if err := os.WriteFile(program, []byte("#!/bin/sh\n"+tt.script), 0o755); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		err := diffoscope(ctx, program, "a", "b", report)
		cancel()
		left, _ := filepath.Glob(report + "*")
		if tt.want == "" && (err != nil || len(left) != 1) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || len(left) > 0) {
			t.Errorf("%s: got %v, left %q, want %q", name, err, left, tt.want)
		}
		os.Remove(report)
	}
}

// TestCompareInside: results that lie with their outputs are looked into, others are not.
func TestCompareInside(t *testing.T) {
	a, b := newResult(t, resultText), newResult(t, strings.Replace(resultText, "1111  a.tar", "1112  a.tar", 1))
	compare := func() (string, compared) {
		t.Helper()
		var texts [2]string
		for i, json := range []bool{false, true} {
			var out bytes.Buffer
			c := compareCmd{What: []string{a, b}, JSON: json}
			if err := c.Run(t.Context(), &ui{out: &out, err: io.Discard}); exitCode(err) != exitDiffer {
				t.Fatalf("got %v", err)
			}
			texts[i] = out.String()
		}
		var v compared
		if err := json.Unmarshal([]byte(texts[1]), &v); err != nil {
			t.Fatal(err)
		}
		return texts[0], v
	}
	if text, v := compare(); strings.Contains(text, "p: what differs\n") || len(v.Inside) > 0 {
		t.Errorf("without outputs: %+v\n%s", v.Inside, text)
	}
	for dir, text := range map[string]string{a: "one\n", b: "other\n"} {
		if err := os.MkdirAll(filepath.Join(dir, "out"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "out", "a.tar"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, v := compare()
	if want := "p: what differs\n  a.tar: text\n    line 1: another line\n      first   "; !strings.Contains(text, want) || len(v.Inside) != 1 || len(v.Inside[0].Differences) != 1 {
		t.Errorf("got %+v\n%s\nwant %q", v.Inside, text, want)
	}
}

// TestTwiceUsage: what makes no sense together ends at once.
func TestTwiceUsage(t *testing.T) {
	for name, f := range map[string]struct {
		flags  twiceFlags
		resume bool
		want   string
	}{
		"resume":       {twiceFlags{Twice: true}, true, "--twice makes two whole builds"},
		"same alone":   {twiceFlags{Same: []string{"jobs"}}, false, "are about the second build of --twice"},
		"cache alone":  {twiceFlags{SecondCache: "x"}, false, "are about the second build of --twice"},
		"no such name": {twiceFlags{Twice: true, Same: []string{"moon"}}, false, "there are host-name, jobs, memory, listings"},
		"past":         {twiceFlags{Twice: true, Apart: -1}, false, "--apart"},
		"good":         {twiceFlags{Twice: true, Same: []string{"jobs"}}, false, ""},
		"nothing":      {twiceFlags{}, true, ""},
	} {
		err := f.flags.check(f.resume)
		if (err == nil) != (f.want == "") || err != nil && (exitCode(err) != exitUsage || !strings.Contains(err.Error(), f.want)) {
			t.Errorf("%s: got %v, want %q", name, err, f.want)
		}
	}
}

// TestOtherCaller: who calls is as before afterwards.
func TestOtherCaller(t *testing.T) {
	t.Setenv("TZ", "UTC")
	t.Setenv("LC_ALL", "")
	os.Unsetenv("LC_ALL")
	varied, undo := otherCaller()
	if os.Getenv("TZ") == "UTC" || len(varied) != 4 {
		t.Errorf("varied %+v", varied)
	}
	for _, v := range varied {
		if v.First == v.Second {
			t.Errorf("not varied: %+v", v)
		}
	}
	undo()
	if _, there := os.LookupEnv("LC_ALL"); there || os.Getenv("TZ") != "UTC" {
		t.Errorf("left: TZ=%s, LC_ALL: %v", os.Getenv("TZ"), there)
	}
	if again, undo := otherCaller(); again[0] != varied[0] {
		t.Errorf("the umask was left: %+v, %+v", again[0], varied[0])
	} else {
		undo()
	}
}
