package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCompareSpeed times the command itself on real asserts with their signatures: a
// set of 20 in half a second, a tree of 660 sets in half a minute. What it takes of
// the processors is judged, for that is nearly the same on a machine that is busy with
// other things; the time by the clock is told.
func TestCompareSpeed(t *testing.T) {
	dir := corpus()
	if dir == "" {
		t.Skip("the corpus is not beside this checkout")
	}
	compare := func(tree string, rounds int) (clock, processor time.Duration, out string) {
		t.Helper()
		clock, processor = time.Hour, time.Hour
		for range rounds {
			cmd := exec.Command(os.Args[0], "compare", tree, "--keyring", filepath.Join(dir, "builder-keys"))
			cmd.Env = append(os.Environ(), asSatchel+"=1")
			var stdout bytes.Buffer
			cmd.Stdout = &stdout
			start := time.Now()
			err := cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != exitDone && code != exitDiffer && code != exitNotVerified {
				t.Fatalf("exit status %d, %v", code, err)
			}
			clock, processor = min(clock, time.Since(start)), min(processor, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
			out = stdout.String()
		}
		return clock, processor, out
	}
	judge := func(what string, limit, clock, processor time.Duration) {
		t.Helper()
		t.Logf("%s: %v by the clock, %v of processors: %.2f and %.2f of the limit of %v", what, clock, processor, clock.Seconds()/limit.Seconds(), processor.Seconds()/limit.Seconds(), limit)
		if processor > 2*limit {
			t.Errorf("%s: %v of processors, the limit is %v", what, processor, limit)
		}
	}
	asserts := filepath.Join(t.TempDir(), "asserts")
	if err := os.CopyFS(asserts, os.DirFS(filepath.Join(dir, "asserts"))); err != nil {
		t.Fatal(err)
	}
	// 0.20.1-linux has 19 asserts; one of them again makes it 20.
	one := filepath.Join(t.TempDir(), "0.20.1-linux")
	link(t, filepath.Join(asserts, "0.20.1-linux"), one)
	link(t, filepath.Join(asserts, "0.20.1-linux", "sjors"), filepath.Join(one, "twentieth"))
	clock, processor, out := compare(one, 5)
	if !strings.Contains(out, "19 of 20 agree") {
		t.Errorf("got\n%s", out)
	}
	judge("20 asserts", time.Second/2, clock, processor)
	if os.Getenv("SATCHEL_FULL") == "" {
		t.Skip("660 sets take a while: set SATCHEL_FULL=1")
	}
	tree := filepath.Join(t.TempDir(), "gitian.sigs")
	for i := range 220 {
		for _, release := range []string{"0.9.3-win", "0.17.1-osx-signed", "0.20.1-linux"} {
			link(t, filepath.Join(asserts, release), filepath.Join(tree, fmt.Sprintf("%s-%03d", release, i)))
		}
	}
	clock, processor, out = compare(tree, 1)
	if n := strings.Count(out, " of 19 agree") + strings.Count(out, "all 10 agree") + strings.Count(out, "all 6 agree"); n != 660 {
		t.Errorf("%d sets were compared, want 660", n)
	}
	judge("660 sets of 7,700 asserts", 30*time.Second, clock, processor)
}

// link makes a folder of hard links to the files of another, which is on the same disk.
func link(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		rel, e := filepath.Rel(from, name)
		switch {
		case err != nil || e != nil:
			return errors.Join(err, e)
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		return os.Link(name, filepath.Join(to, rel))
	})
	if err != nil {
		t.Fatal(err)
	}
}
