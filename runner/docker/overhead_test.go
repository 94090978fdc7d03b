package docker_test

import (
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"satchel/runner"
	"satchel/runner/enginetest"
)

// overheadGoal is what a container of the engine may take more than `docker run
// --rm` of the same program, which ends at once.
const overheadGoal = 300 * time.Millisecond

// A container of ours against docker's own command, by turns.
func TestOverhead(t *testing.T) {
	if os.Getenv("SATCHEL_FULL") != "1" {
		t.Skip("SATCHEL_FULL=1 measures, on a machine that does nothing else")
	}
	e := newEngine(t, enginetest.BuildProbe(t))
	t.Cleanup(func() { discardAll(t, e) })
	once := func() time.Duration {
		begin := time.Now()
		p, err := e.Start(t.Context(), runner.Container{})
		if err != nil {
			t.Fatal(err)
		}
		p.Stdin().Close()
		io.Copy(io.Discard, p.Stdout())
		if code, err := p.Wait(); code != 0 {
			t.Fatal(code, err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		return time.Since(begin)
	}
	once() // the first one makes the image
	items, err := e.Items(t.Context())
	if err != nil || len(items) != 1 {
		t.Fatalf("%+v, %v", items, err)
	}
	var ours, theirs []time.Duration
	for range 9 {
		ours = append(ours, once())
		begin := time.Now()
		c := exec.Command("docker", "run", "--rm", "--network", "none", "-i", "--entrypoint", "/.satchel/init", items[0].Name, "guest")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		theirs = append(theirs, time.Since(begin))
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	t.Logf("a container: ours %v, docker run %v (medians), best %v and %v", ours[4], theirs[4], ours[0], theirs[0])
	if over := ours[4] - theirs[4]; over > overheadGoal {
		t.Errorf("%v more than docker run, wanted at most %v", over, overheadGoal)
	}
}
