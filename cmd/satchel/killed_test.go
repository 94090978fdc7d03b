package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// killed kills satchel outright at several moments of a run. Its container ends
// by itself, and the next run removes all that is left, but nothing of others.
func (c *crossing) killed(t *testing.T) {
	foreign := filepath.Join(c.dir, ".satchel-result-of-somebody")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(foreign)
	for engine, moments := range map[string][]time.Duration{"sandbox": {30, 400, 900, untilScript}, "docker": {untilScript}} {
		if engine == "docker" && exec.Command("docker", "info").Run() != nil {
			continue
		}
		t.Run(engine, func(t *testing.T) {
			for _, after := range moments {
				cmd := exec.Command(c.binary, "run", "unruly.satchel", "--keyring", "key.pub", "--engine", engine, "--only", "sleepy", "-o", "killed")
				cmd.Dir = c.dir
				cmd.Env = append(os.Environ(), "SATCHEL_CACHE="+c.cache, asSatchel+"=1")
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				c.pids[cmd.Process.Pid] = true
				if after == untilScript {
					waitFor(t, func() bool { return scripts() != "" })
				} else {
					time.Sleep(after * time.Millisecond)
				}
				cmd.Process.Kill()
				cmd.Wait()
			}
			groups := c.groups(t)
			if engine == "sandbox" && len(groups) == 0 {
				t.Error("no control group of a killed run was seen")
			}
			if _, code, story := c.build(t, engine, "unruly.satchel", "stdin", engine+"-after-kill"); code != 0 {
				t.Fatalf("after the kills: exit status %d\n%s", code, story)
			}
			for _, g := range groups {
				if _, err := os.Lstat(g); err == nil {
					t.Errorf("control group %s is left", g)
				}
			}
			left, err := filepath.Glob(filepath.Join(c.dir, ".satchel-result-*"))
			if err != nil || !slices.Equal(left, []string{foreign}) {
				t.Errorf("in the result's folder: %q, want the stranger's %s alone", left, foreign)
			}
			if _, err := os.Lstat(filepath.Join(c.dir, "killed")); err == nil {
				t.Error("there is a result")
			}
			if out := scripts(); out != "" {
				t.Errorf("the script goes on: %s", out)
			}
			c.nothingLeft(t)
		})
	}
}

// untilScript is the moment at which the script runs.
const untilScript = -1

// scripts are the processes of the script that sleeps; "" if there is none.
func scripts() (found string) {
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range paths {
		if text, err := os.ReadFile(p); err == nil && string(text) == strings.ReplaceAll(unruly["sleepy"], " ", "\x00")+"\x00" {
			found += filepath.Dir(p) + " "
		}
	}
	return found
}

// waitFor waits until something is so.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not become so")
		}
	}
}

// groups are the control groups that runs below the cache have noted.
func (c *crossing) groups(t *testing.T) (list []string) {
	t.Helper()
	notes, err := filepath.Glob(filepath.Join(c.cache, "sandbox", "runs", "*", "cgroups"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notes {
		text, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, strings.Fields(string(text))...)
	}
	return list
}
