// Package enginetest holds the tests that every engine must pass: what a
// container is given, what it cannot do, and what is left of it. An engine's
// own test calls Run:
//
//	func TestEngine(t *testing.T) {
//		enginetest.Run(t, func(t *testing.T, init string) runner.Engine { … })
//	}
package enginetest

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"satchel/runner"
)

// Opener makes an engine whose containers' init is the binary at path init.
type Opener func(t *testing.T, init string) runner.Engine

// An Engine that can say what it has running lets the tests see that nothing
// is left. Runs returns the names of the containers that exist, ended or not.
type lister interface {
	Runs(ctx context.Context) ([]string, error)
}

// Names of environment variables by which a test starts itself as the program
// that is to be killed.
const (
	victimVar = "SATCHEL_ENGINETEST_VICTIM"
	dirVar    = "SATCHEL_ENGINETEST_DIR"
	initVar   = "SATCHEL_ENGINETEST_INIT"
)

// Dir is a folder for the state of the engine under test: the same one for
// every engine that a test opens, and in the program that it starts in order
// to kill it.
func Dir(t *testing.T) string {
	if d := os.Getenv(dirVar); d != "" {
		return d
	}
	return t.TempDir()
}

// IsVictim tells whether this program is the one that a test kills: it must
// leave everything as it is.
func IsVictim() bool { return os.Getenv(victimVar) != "" }

// Run runs every test against the engines that open makes.
func Run(t *testing.T, open Opener) {
	if IsVictim() {
		victim(t, open)
		return
	}
	s := &suite{open: open, init: BuildProbe(t), rows: Rows{}}
	for _, group := range sortedKeys(groups) {
		t.Run(group, func(t *testing.T) {
			s.group, s.shared = t, nil
			for _, name := range sortedKeys(groups[group]) {
				t.Run(name, func(t *testing.T) { groups[group][name](t, s) })
			}
		})
	}
	if whole() {
		s.publish(t, open(t, s.init).Name())
	}
}

// Some runs a few tests, named "group/test", for an engine that another way leads
// to than that of its whole run.
func Some(t *testing.T, open Opener, names ...string) {
	s := &suite{open: open, init: BuildProbe(t), rows: Rows{}}
	for _, name := range names {
		group, test, _ := strings.Cut(name, "/")
		f := groups[group][test]
		if f == nil {
			t.Fatalf("there is no test %s", name)
		}
		t.Run(name, func(t *testing.T) {
			s.group, s.shared = t, nil
			f(t, s)
		})
	}
}

// whole tells whether no test was left out.
func whole() bool {
	pattern := flag.Lookup("test.run").Value.String()
	return !strings.Contains(pattern, "/")
}

// groups are all tests.
var groups = map[string]map[string]func(*testing.T, *suite){
	"streams": streamTests, "keep": keepTests, "leave": leaveTests, "inside": insideTests,
	"network": networkTests, "escape": escapeTests, "script": scriptTests, "shell": shellTests, "life": lifeTests,
}

type suite struct {
	open   Opener
	init   string
	rows   Rows
	group  *testing.T // the group that runs now
	shared *container // of the group; nil before somebody needs it
}

// common returns a container that the tests of a group share: for those that
// look and try, and leave nothing that would disturb another.
func (s *suite) common(t *testing.T) *container {
	t.Helper()
	if s.shared == nil {
		s.shared = s.start(s.group, s.open(s.group, s.init), runner.Container{})
	}
	c := *s.shared
	c.t = t
	return &c
}

// UseProbe is the environment in which a test's program takes that probe and
// builds none.
func UseProbe(path string) []string { return []string{initVar + "=" + path} }

// BuildProbe builds the probe as satchel is built: static. It returns its path.
func BuildProbe(t testing.TB) string {
	t.Helper()
	if p := os.Getenv(initVar); p != "" {
		return p
	}
	path := filepath.Join(t.TempDir(), "probe")
	c := exec.Command("go", "build", "-o", path, "satchel/runner/enginetest/probe")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("building the probe: %v\n%s", err, out)
	}
	return path
}

// engine opens an engine and makes sure at the end that it has no container left.
func (s *suite) engine(t *testing.T) runner.Engine {
	t.Helper()
	if os.Getenv(dirVar) == "" {
		t.Setenv(dirVar, t.TempDir())
	}
	e := s.open(t, s.init)
	l, ok := e.(lister)
	if !ok {
		return e
	}
	before, err := l.Runs(t.Context()) // those that tests share
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		left, err := l.Runs(context.Background())
		left = slices.DeleteFunc(left, func(name string) bool { return slices.Contains(before, name) })
		if err != nil || len(left) > 0 {
			t.Errorf("containers left: %q, %v", left, err)
		}
	})
	return e
}
