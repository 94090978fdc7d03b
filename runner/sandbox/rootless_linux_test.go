package sandbox_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"satchel/runner/enginetest"
)

// ordinary returns what runs this test's program as an ordinary user, and that
// user's folder.
func ordinary(t *testing.T, ranges bool) (command func(args ...string) *exec.Cmd, dir string) {
	t.Helper()
	who, dir := enginetest.User(t, ranges)
	probe := enginetest.Copy(t, enginetest.BuildProbe(t), dir)
	return func(args ...string) *exec.Cmd {
		c := exec.Command("/proc/self/exe", args...)
		c.Dir = dir
		c.Env = append(enginetest.UseProbe(probe), "PATH=/usr/bin:/bin", "HOME="+dir, "TMPDIR="+dir, "SATCHEL_CI=1")
		c.SysProcAttr = &syscall.SysProcAttr{Credential: who}
		return c
	}, dir
}

// Everything that holds of root's containers holds of an ordinary user's.
func TestRootless(t *testing.T) {
	command, dir := ordinary(t, true)
	c := command("-test.v", "-test.run=^TestEngine$")
	rows := filepath.Join(dir, "rows")
	c.Env = append(c.Env, enginetest.UseRows(rows)...)
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestEngine/escape") {
		t.Errorf("%v\n%s", err, out)
	}
	enginetest.CheckTable(t, "sandbox without root", enginetest.ReadRows(t, rows))
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 2 { // the probe and the rows
		t.Errorf("left in the user's folder: %q, %v", left, err)
	}
}

// Where the machine gives a user no ids, the engine says so, and what to do.
func TestRootlessWithoutRanges(t *testing.T) {
	command, _ := ordinary(t, false)
	out, err := command("-test.run=^TestEngine$").CombinedOutput()
	if want := "usermod --add-subuids"; err == nil || !strings.Contains(string(out), want) {
		t.Errorf("%v; want an error with %q in\n%s", err, want, out)
	}
}

// On a file system that cannot hold an overlay's changes, such as another
// overlay, an environment is copied, and is the same; for root and for users.
func TestCopiedEnvironment(t *testing.T) {
	command, dir := ordinary(t, true)
	base, top := filepath.Join(dir, "base"), filepath.Join(dir, "top")
	for _, d := range []string{base, top} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mount := func(source, target, kind, data string) {
		if err := syscall.Mount(source, target, kind, 0, data); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := syscall.Unmount(target, 0); err != nil {
				t.Error(err)
			}
		})
	}
	mount("satchel-test", base, "tmpfs", "size=100m")
	for _, d := range []string{"lower", "upper", "work"} {
		if err := os.Mkdir(filepath.Join(base, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	mount("satchel-test", top, "overlay", fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", base))
	for _, who := range []string{"root", "user"} {
		c := command("-test.v", "-test.run=^TestEngine$/^(keep|leave)$")
		tmp := filepath.Join(top, who)
		if err := os.Mkdir(tmp, 0o755); err != nil {
			t.Fatal(err)
		}
		c.Env = append(c.Env, "TMPDIR="+tmp)
		if who == "root" {
			c.SysProcAttr = nil
		} else if err := os.Chown(tmp, int(c.SysProcAttr.Credential.Uid), int(c.SysProcAttr.Credential.Gid)); err != nil {
			t.Fatal(err)
		}
		out, err := c.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestEngine/keep/environment") || !strings.Contains(string(out), "--- PASS: TestEngine/leave/leave") {
			t.Errorf("as %s: %v\n%s", who, err, out)
		}
	}
}
