package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"satchel/runner/enginetest"
)

// What takes longer than the scripts of unruly, or a disk of its own.

// flood prints 10 GB: the log is bounded and has its end, satchel's memory is, too.
func (c *crossing) flood(t *testing.T, engine string) {
	if os.Getenv("SATCHEL_FULL") == "" {
		t.Skip("10 GB through two pipes take a minute: set SATCHEL_FULL=1")
	}
	out := engine + "-flood"
	_, code, story := c.build(t, engine, "unruly.satchel", "flood", out)
	t.Logf("%.1f s, satchel's own memory %d MiB", c.took.Seconds(), c.peak>>20)
	if code != 0 || c.peak > memoryGoal {
		t.Errorf("exit status %d, %d bytes of memory, want 0 and at most %d\n%s", code, c.peak, memoryGoal, story)
	}
	log := filepath.Join(c.dir, out, "logs", "bookworm-amd64-build.log")
	fi, err := os.Stat(log)
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(log)
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	end := make([]byte, 5000)
	if _, err := f.ReadAt(end, fi.Size()-int64(len(end))); err != nil {
		t.Fatal(err)
	}
	if size := fi.Size(); size < 1<<30 || size > 1<<30+10000 {
		t.Errorf("the log has %d bytes, want 1 GiB and a little", size)
	}
	for _, want := range []string{"bytes are left out here]\n", "\n+ echo the end\nthe end\n"} {
		if !strings.Contains(string(end), want) {
			t.Errorf("%q is missing at the log's end:\n%s", want, end)
		}
	}
}

// smallResult has too little room for results, for the second file of two, and for what is
// written when all results are there: never is there half of a result under its name.
func (c *crossing) smallResult(t *testing.T, engine string) {
	t.Run("files", func(t *testing.T) { c.smallFiles(t, engine) })
	t.Run("pages", func(t *testing.T) { c.fewPages(t, engine) })
	c.nothingLeft(t)
}

func (c *crossing) smallFiles(t *testing.T, engine string) {
	for name, size := range map[string]int64{"first": 20 << 20, "second": 90 << 20} {
		dir := filepath.Join(c.dir, engine+"-small-"+name)
		enginetest.SmallDisk(t, dir, size)
		_, code, story := c.build(t, engine, "unruly.satchel", "large", filepath.Join(dir, "result"))
		if want := "no space left on device"; code != 1 || !strings.Contains(story, want) {
			t.Errorf("room for %s: exit status %d, want 1 and %q in\n%s", name, code, want, story)
		}
		if _, err := os.Lstat(filepath.Join(dir, "result")); err == nil {
			t.Errorf("room for %s: there is a result", name)
		}
		if c.took > 100*time.Second { // the first may prepare; a daemon's patience is two minutes
			t.Errorf("room for %s: it took %v", name, c.took)
		}
		if strings.Contains(story, "removing container") {
			t.Errorf("room for %s: the daemon could not remove the container:\n%s", name, story)
		}
		if c.peak > memoryGoal {
			t.Errorf("room for %s: satchel took %d bytes of memory", name, c.peak)
		}
	}
}

// fewPages gives a result more room each time, until it is enough.
func (c *crossing) fewPages(t *testing.T, engine string) {
	const page = 4096
	if engine == "docker" && os.Getenv("SATCHEL_FULL") == "" {
		t.Skip("writing is not the engine's: set SATCHEL_FULL=1")
	}
	step, from := 2, 2
	if os.Getenv("SATCHEL_FULL") == "" {
		step, from = 12, 6
	}
	for pages := from; ; pages += step {
		dir := filepath.Join(c.dir, fmt.Sprint(engine, "-pages-", pages))
		enginetest.SmallDisk(t, dir, int64(pages*page))
		_, code, story := c.build(t, engine, "unruly.satchel", "stdin", filepath.Join(dir, "result"))
		_, err := os.Lstat(filepath.Join(dir, "result"))
		if code == 0 {
			if text, err := os.ReadFile(filepath.Join(dir, "result", "out", "rest.txt")); err != nil || string(text) != "this line is data\n" {
				t.Errorf("%d pages: the result is %q, %v", pages, text, err)
			}
			if pages == from {
				t.Errorf("%d pages are enough", pages)
			}
			t.Logf("%d pages are enough", pages)
			break
		}
		if code != 1 || !strings.Contains(story, "no space left on device") || err == nil || pages > 200 {
			t.Fatalf("%d pages: exit status %d, want 1, the reason and no result (%v)\n%s", pages, code, err, story)
		}
	}
}

// smallBuild lets a script fill the disk that it writes to (the sandbox's: a daemon's is
// its own affair): it is the script that fails, and the environment is as good as ever.
func (c *crossing) smallBuild(t *testing.T) {
	if _, code, story := c.build(t, "sandbox", "unruly.satchel", "stdin", "before-filling"); code != 0 { // prepares, which takes more room
		t.Fatalf("exit status %d\n%s", code, story)
	}
	t.Run("filled", func(t *testing.T) {
		enginetest.SmallDisk(t, filepath.Join(c.cache, "sandbox", "runs"), 100<<20)
		_, code, story := c.build(t, "sandbox", "unruly.satchel", "filling", "filling")
		if want := "No space left on device"; code != 1 || !strings.Contains(story, want) {
			t.Errorf("exit status %d, want 1 and %q in\n%s", code, want, story)
		}
		if left, _ := filepath.Glob(filepath.Join(c.cache, "sandbox", "runs", "*")); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	})
	t.Run("kept", c.smallKept)
	if _, code, story := c.build(t, "sandbox", "unruly.satchel", "stdin", "after-filling"); code != 0 {
		t.Errorf("afterwards: exit status %d\n%s", code, story)
	}
}

// smallKept lets a script fill the disk on which what it leaves would be kept, too. That
// cannot be: it is said, nothing is there for a shell, and the run ends as the script's
// failure has it end. When there is room, the next one is kept.
func (c *crossing) smallKept(t *testing.T) {
	tight := *c
	tight.cache = filepath.Join(c.dir, "small-cache")
	enginetest.SmallDisk(t, tight.cache, 100<<20)
	environments := filepath.Join(tight.cache, "sandbox", "environments")
	if err := os.MkdirAll(environments, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount(filepath.Join(c.cache, "sandbox", "environments"), environments, "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(environments, 0); err != nil {
			t.Error(err)
		}
	})
	shell := func() (out string, code int, story string) {
		return tight.satchel(t, nil, "shell", "unruly.satchel", "--keyring", "key.pub", "--engine", "sandbox", "--after-failure", "--", "cat", "d/f")
	}
	for only, want := range map[string]int{"filling": exitFailed, "full": exitNetwork} {
		_, code, story := tight.build(t, "sandbox", "unruly.satchel", only, "small-"+only)
		_, said, _ := strings.Cut(story, "It could not be kept: ")
		if said, _, _ = strings.Cut(said, "\n"); code != want || !strings.Contains(said, "no space left on device") || strings.Contains(story, "--after-failure") {
			t.Errorf("%s: exit status %d, want %d, and why it was not kept in\n%s", only, code, want, story)
		}
		for _, of := range []string{"runs", "failed"} {
			if left, _ := filepath.Glob(filepath.Join(tight.cache, "sandbox", of, "*")); len(left) > 0 {
				t.Errorf("%s: left: %q", only, left)
			}
		}
		if out, code, story := shell(); code != exitFailed || out != "" || !strings.Contains(story, "keeps nothing that a script of this bundle left") {
			t.Errorf("%s: a shell ends with %d, and prints %q\n%s", only, code, out, story)
		}
	}
	if _, code, story := tight.build(t, "sandbox", "unruly.satchel", "left", "small-left"); code != exitFailed || !strings.Contains(story, "--after-failure") {
		t.Errorf("with room: exit status %d, and nothing is kept\n%s", code, story)
	}
	if out, code, story := shell(); code != 0 || out != "kept\n" {
		t.Errorf("with room a shell ends with %d, and prints %q\n%s", code, out, story)
	}
	tight.must(t, nil, "clean", "--kind", "failed", "--engine", "sandbox")
}

// killedAnywhere kills satchel outright at moments that a seed gives, all over a run: each
// time clean finds nothing that it cannot remove, and the next run goes well.
func (c *crossing) killedAnywhere(t *testing.T, engine string) {
	if engine == "docker" && os.Getenv("SATCHEL_FULL") == "" {
		t.Skip("killed kills one while it builds; for 20 others set SATCHEL_FULL=1")
	}
	begin := time.Now()
	if _, code, story := c.build(t, engine, "unruly.satchel", "hardlink", engine+"-whole"); code != 0 {
		t.Fatalf("exit status %d\n%s", code, story)
	}
	whole := time.Since(begin)
	moments, seed := 5, uint64(20261126)
	if os.Getenv("SATCHEL_FULL") != "" {
		moments = 20
	}
	r := rand.New(rand.NewPCG(seed, 0))
	killed := 0
	for range moments {
		after := time.Duration(r.Int64N(int64(whole)))
		cmd := exec.Command(c.binary, "run", "unruly.satchel", "--keyring", "key.pub", "--engine", engine, "--only", "hardlink", "-o", "killed-anywhere")
		cmd.Dir = c.dir
		cmd.Env = append(os.Environ(), "SATCHEL_CACHE="+c.cache, asSatchel+"=1")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		c.pids[cmd.Process.Pid] = true
		time.Sleep(after)
		cmd.Process.Kill()
		if err := cmd.Wait(); err != nil {
			killed++
			if _, err := os.Lstat(filepath.Join(c.dir, "killed-anywhere")); err == nil {
				if _, err := os.Stat(filepath.Join(c.dir, "killed-anywhere", "hardlink-res.yml")); err != nil { // it is whole, if it is there
					t.Errorf("after %v there is half a result: %v", after, err)
				}
			}
		}
		os.RemoveAll(filepath.Join(c.dir, "killed-anywhere"))
		groups := c.groups(t)
		c.must(t, nil, "clean", "--kind", "run")
		for _, g := range groups {
			if _, err := os.Lstat(g); err == nil {
				t.Errorf("after %v clean leaves the control group %s", after, g)
			}
		}
		c.nothingLeft(t)
	}
	if killed == 0 {
		t.Errorf("in %v nothing was killed", whole)
	}
	t.Logf("%d of %d were killed within %v", killed, moments, whole)
	if _, code, story := c.build(t, engine, "unruly.satchel", "hardlink", engine+"-whole-again"); code != 0 {
		t.Fatalf("after the kills: exit status %d\n%s", code, story)
	}
	if left, _ := filepath.Glob(filepath.Join(c.dir, ".satchel-result-*")); len(left) > 0 {
		t.Errorf("left beside the result: %q", left)
	}
	if got, want := c.read(t, engine+"-whole-again", "hardlink-res.yml"), c.read(t, engine+"-whole", "hardlink-res.yml"); got != want {
		t.Errorf("after the kills the result is\n%s\nwant\n%s", got, want)
	}
}
