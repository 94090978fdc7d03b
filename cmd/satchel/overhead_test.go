package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// Goals of a warm run of a script that does next to nothing, the verification of its bundle of
// some 160 MB included, in which all is hashed, and archives' indexes are read. So the measure
// is sha256sum of the same file, at the same time: a machine that is slower, or does other
// things too, is so for both.
const (
	warmGoal   = 2.5 // times sha256sum
	memoryGoal = 100 << 20
)

// overheads measures warm runs, in turns with the measure: the best of several of each.
func (c *crossing) overheads(t *testing.T) {
	if os.Getenv("SATCHEL_FULL") != "1" {
		t.Skip("SATCHEL_FULL=1 measures")
	}
	if _, code, story := c.build(t, "sandbox", "unruly.satchel", "stdin", "overhead"); code != 0 { // makes the environment
		t.Fatalf("exit status %d\n%s", code, story)
	}
	var times, hashing []time.Duration
	var most int64
	for i := range 7 {
		cmd := exec.Command(c.binary, "run", "unruly.satchel", "--keyring", "key.pub", "--engine", "sandbox", "--only", "stdin", "-o", "overhead-"+string(rune('a'+i)))
		cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, io.Discard, io.Discard
		cmd.Env = append(os.Environ(), "SATCHEL_CACHE="+c.cache, asSatchel+"=1")
		begin := time.Now()
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		times = append(times, time.Since(begin))
		most = max(most, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss<<10)
		begin = time.Now()
		run(t, "sha256sum", filepath.Join(c.dir, "unruly.satchel"))
		hashing = append(hashing, time.Since(begin))
	}
	size := int64(0)
	if st, err := os.Stat(filepath.Join(c.dir, "unruly.satchel")); err == nil {
		size = st.Size()
	}
	slices.Sort(times)
	slices.Sort(hashing)
	ratio := times[0].Seconds() / hashing[0].Seconds()
	t.Logf("warm run with a bundle of %d MB: best %v, median %v; sha256sum: best %v, median %v; ratio %.2f; most memory %d MiB",
		size/1e6, times[0], times[len(times)/2], hashing[0], hashing[len(hashing)/2], ratio, most>>20)
	if ratio > warmGoal || most > memoryGoal {
		t.Errorf("wanted at most %v times sha256sum, and %d MiB", warmGoal, int64(memoryGoal)>>20)
	}
}
