package sandbox

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"satchel/runner"
	"satchel/runner/enginetest"
	"satchel/runner/enginetest/wire"
)

// Where control groups of version 2 are handed down, one group holds a container to all of
// its limits, tells what ran out, and is gone with it.
func TestGroupOfVersion2(t *testing.T) {
	parent := findHierarchies().delegated()
	if parent == "" {
		t.Skip("no control groups of version 2 are handed down here: TestOtherKernel has some (SATCHEL_FULL=1)")
	}
	e, err := New(Options{Dir: t.TempDir(), Init: enginetest.BuildProbe(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, request := range map[string]wire.Request{
		"memory": {Op: "grab", N: 512 << 20}, "processes": {Op: "spawn", N: 500, Path: "version2"},
	} {
		p, err := e.Start(t.Context(), runner.Container{Memory: 128 << 20, Processes: 60, CPUs: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		groups, err := filepath.Glob(filepath.Join(parent, groupPrefix+"*"))
		if err != nil || len(groups) != 1 {
			t.Fatalf("the groups are %q, %v; want one below %s", groups, err, parent)
		}
		for file, want := range map[string]string{"memory.max": "134217728", "memory.swap.max": "0", "pids.max": "60", "cpu.max": "100000 100000"} {
			text, err := os.ReadFile(filepath.Join(groups[0], file))
			if got := strings.TrimSpace(string(text)); got != want && !(file == "memory.swap.max" && os.IsNotExist(err)) {
				t.Errorf("%s is %q, %v; want %q", file, got, err, want)
			}
		}
		if pids, err := os.ReadFile(filepath.Join(groups[0], "cgroup.procs")); err != nil || len(pids) == 0 {
			t.Errorf("nothing is in the group: %v", err)
		}
		text, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Stdin().Write(append(text, '\n')); err != nil {
			t.Fatal(err)
		}
		p.Stdin().Close()
		answer, _ := io.ReadAll(p.Stdout())
		p.Wait()
		if got, want := p.Exhausted(), (runner.Exhausted{Memory: name == "memory", Processes: name == "processes"}); got != want {
			t.Errorf("%s: what ran out is %+v, want %+v; the answer was %.200s", name, got, want, answer)
		}
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if _, err := os.Lstat(groups[0]); err == nil {
			t.Errorf("%s is left", groups[0])
		}
	}
}

// elsewhere is what runs in the machine of TestOtherKernel: first as its root, then as a user to
// whom a group was given, and ids.
const elsewhere = `set -e
export SATCHEL_ENGINETEST_INIT=/work/probe SATCHEL_CI=1 TMPDIR=/work/tmp
mkdir -m 1777 tmp
tests='^(TestGroupOfVersion2|TestEngine)$/^(inside|escape|network|life)$/^(processes|processors|memory|calls|calls-32-bit|allowed|families|killed)$'
status=0
echo "== root"
./sandbox.test -test.v -test.run "$tests" || status=1
useradd --system --no-create-home tester
usermod --add-subuids 1000000-1065535 --add-subgids 1000000-1065535 tester
given=/sys/fs/cgroup/given
mkdir -p $given/inner
echo "+cpu +memory +pids" >$given/cgroup.subtree_control
chown -R tester $given
echo $$ >$given/inner/cgroup.procs
echo "== user"
setpriv --reuid tester --regid tester --clear-groups ./sandbox.test -test.v -test.run "$tests" || status=1
exit $status
`

// What this machine's kernel may give no occasion for holds on another one: limits by control
// groups of version 2, for root and for users, and what 32-bit calls can do.
func TestOtherKernel(t *testing.T) {
	if os.Getenv("SATCHEL_FULL") == "" {
		t.Skip("a machine is emulated for some minutes: set SATCHEL_FULL=1")
	}
	dir := t.TempDir()
	probe := enginetest.BuildProbe(t)
	for from, to := range map[string]string{"/proc/self/exe": "sandbox.test", probe: "probe"} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out, err := enginetest.InMachine(t, dir, "bash", "-c", elsewhere)
	t.Log(out)
	if err != nil {
		t.Error(err)
	}
	root, user, _ := strings.Cut(out, "== user")
	for _, one := range []string{"TestGroupOfVersion2", "TestEngine/escape/calls-32-bit", "TestEngine/escape/calls", "TestEngine/escape/allowed", "TestEngine/inside/memory",
		"TestEngine/inside/processes", "TestEngine/inside/processors", "TestEngine/network/families", "TestEngine/life/killed"} {
		for who, text := range map[string]string{"root": root, "a user": user} {
			if !strings.Contains(text, "--- PASS: "+one+" ") {
				t.Errorf("%s does not pass as %s", one, who)
			}
		}
	}
}
