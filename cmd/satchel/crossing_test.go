package main

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"satchel/runner"
)

// The whole way, for real: this machine's own Debian archive, the examples and
// some descriptors with unruly scripts, one bundle each way across, both engines.

// crossing is what all parts of TestCrossing share.
type crossing struct {
	dir    string // of the test
	binary string
	cache  string
	env    []string
	umask  string       // of the satchels; that of the tests if it is ""
	pids   map[int]bool // of the satchels that were started
	judge  *jsonJudge   // of what real runs print with --json
	made   map[string]runner.Built

	took time.Duration // by the last one
	peak int64         // of its own memory, in bytes, as often as it was looked at
}

func TestCrossing(t *testing.T) {
	if os.Getuid() != 0 {
		skip(t, "it takes root")
	}
	if f, err := elf.Open("/proc/self/exe"); err != nil || f.Section(".interp") != nil {
		skip(t, "the test's own binary is the init inside, so it must be static: run with CGO_ENABLED=0")
	}
	for _, tool := range []string{"git", "unshare", "ssh-keygen"} {
		if _, err := exec.LookPath(tool); err != nil {
			skip(t, tool+" is not installed")
		}
	}
	if release, _ := os.ReadFile("/etc/os-release"); !bytes.Contains(release, []byte("ID=debian")) {
		skip(t, "this machine's apt sources are not Debian's")
	}
	c := newCrossing(t)
	c.gather(t)
	// Much of it is waiting, so two rows go on side by side. Neither has anything of
	// the other's, but for the bundles; Docker's parts are all in the second.
	rows := [][]part{
		{
			{"sandbox", func(c *crossing, t *testing.T) { c.engine(t, "sandbox") }},
			{"rootless", (*crossing).rootless}, {"image", (*crossing).image}, {"readme", (*crossing).readme},
			{"ubuntu", (*crossing).ubuntu}, {"apt", (*crossing).apt},
			{"disk full", (*crossing).full}, {"disk filled", (*crossing).smallBuild}, {"silent", (*crossing).silent}, {"doctor", (*crossing).doctor},
		},
		{
			{"docker", func(c *crossing, t *testing.T) { c.engine(t, "docker") }},
			{"same", (*crossing).same}, {"again", (*crossing).again}, {"codesigned", (*crossing).codesigned},
			{"interrupted", (*crossing).interrupted}, {"killed", (*crossing).killed},
			{"seeds", (*crossing).seeds}, {"clean", (*crossing).clean},
		},
	}
	owns := []*crossing{c, c.beside(t)} // made before any row changes what is copied
	var all sync.WaitGroup
	for i, row := range rows {
		own := owns[i]
		all.Go(func() {
			for _, p := range row {
				t.Run(p.name, func(t *testing.T) { p.do(own, t) })
			}
		})
	}
	all.Wait()
	t.Run("json", c.json)
	t.Run("overheads", c.overheads) // measures, and wants to be alone
}

// json asks the validator about what the runs of all parts have printed; where no part did,
// it has one of each kind printed.
func (c *crossing) json(t *testing.T) {
	for schema, more := range map[string][]string{"run": nil, "twice": {"--twice", "--apart", "1s"}} {
		if c.judge.seen[schema] > 0 {
			continue
		}
		args := append([]string{"run", "unruly.satchel", "--keyring", "key.pub", "--engine", "sandbox", "--only", "stdin", "-o", "json-" + schema, "--json"}, more...)
		c.judge.add(t, schema, fmt.Sprintf("satchel %q", args), c.must(t, offline(), args...))
	}
	docs, err := filepath.Abs("../../docs")
	if err != nil {
		t.Fatal(err)
	}
	if bad := c.judge.ask(t, docs); bad != "" {
		t.Errorf("the schemas do not allow it:\n%s", bad)
	}
}

// part is one of TestCrossing's.
type part struct {
	name string
	do   func(*crossing, *testing.T)
}

// engine is what each engine must do.
func (c *crossing) engine(t *testing.T, engine string) {
	if engine == "docker" && exec.Command("docker", "info").Run() != nil {
		skip(t, "no Docker daemon answers")
	}
	t.Run("contract", func(t *testing.T) { c.contract(t, engine) })
	t.Run("unruly", func(t *testing.T) { c.unruly(t, engine) })
	t.Run("after", func(t *testing.T) { c.after(t, engine) })
	t.Run("flood", func(t *testing.T) { c.flood(t, engine) })
	t.Run("small", func(t *testing.T) { c.smallResult(t, engine) })
	t.Run("killed anywhere", func(t *testing.T) { c.killedAnywhere(t, engine) })
	t.Run("shell", func(t *testing.T) { c.shell(t, engine) })
	t.Run("twice", func(t *testing.T) {
		if engine == "docker" && os.Getenv("SATCHEL_FULL") == "" {
			t.Skip("six builds with this daemon take minutes: set SATCHEL_FULL=1")
		}
		c.twice(t, engine)
	})
}

// beside is a crossing with a folder and a cache of its own, and the same key,
// bundles and descriptors.
func (c *crossing) beside(t *testing.T) *crossing {
	other := newCrossing(t)
	other.judge = c.judge
	if out, err := exec.Command("cp", "-a", c.dir+"/.", other.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return other
}

// skip says why; where nothing may be skipped it fails.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("SATCHEL_CI") != "" {
		t.Fatal("SATCHEL_CI is set, but " + why)
	}
	t.Skip(why)
}
