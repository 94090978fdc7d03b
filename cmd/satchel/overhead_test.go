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

// Goals of a warm run of a script that does next to nothing, the verification of
// its bundle of some 160 MB included. They are for an idle machine.
const (
	warmGoal   = 1500 * time.Millisecond
	memoryGoal = 100 << 20
)

// overheads measures warm runs: the best of several, for a machine that does
// other things too is no slower than that.
func (c *crossing) overheads(t *testing.T) {
	if os.Getenv("SATCHEL_FULL") != "1" {
		t.Skip("SATCHEL_FULL=1 measures, on a machine that does nothing else")
	}
	if _, code, story := c.build(t, "sandbox", "unruly.satchel", "stdin", "overhead"); code != 0 { // makes the environment
		t.Fatalf("exit status %d\n%s", code, story)
	}
	var times []time.Duration
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
	}
	size := int64(0)
	if st, err := os.Stat(filepath.Join(c.dir, "unruly.satchel")); err == nil {
		size = st.Size()
	}
	slices.Sort(times)
	t.Logf("warm run with a bundle of %d MB: best %v, median %v; most memory %d MiB", size/1e6, times[0], times[len(times)/2], most>>20)
	if times[0] > warmGoal || most > memoryGoal {
		t.Errorf("wanted at most %v and %d MiB", warmGoal, int64(memoryGoal)>>20)
	}
}
