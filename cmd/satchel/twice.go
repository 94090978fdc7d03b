package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"satchel/manifest/provenance"
	"satchel/runner"
)

// twiceFlags say how a second build is made.
type twiceFlags struct {
	Twice       bool          `help:"Build a second time with everything varied that may vary. Exit 4 if outputs differ, with what differs inside them; the second result is kept then, in DIR.second."`
	Same        []string      `help:"With --twice: what not to vary (${variations})." placeholder:"NAME"`
	Apart       time.Duration `help:"With --twice: let so much time pass from the beginning of a script to that of the other." default:"61s" placeholder:"TIME"`
	SecondCache string        `help:"With --twice: another cache folder for the second build, with an environment prepared anew." type:"path" placeholder:"DIR"`
	Diffoscope  bool          `help:"With --twice: have diffoscope, where it is installed, write DIR.second/diffoscope.txt." default:"true" negatable:""`
}

// check refuses what makes no sense together.
func (f twiceFlags) check(resume bool) error {
	if !f.Twice {
		if len(f.Same) > 0 || f.SecondCache != "" {
			return fmt.Errorf("%w: --same and --second-cache are about the second build of --twice", errUsage)
		}
		return nil
	}
	if resume {
		return fmt.Errorf("%w: --twice makes two whole builds; --resume takes one from earlier, of which nobody knows how it was made", errUsage)
	}
	if f.Apart < 0 {
		return fmt.Errorf("%w: --apart wants a time of 0 or more", errUsage)
	}
	for _, name := range f.Same {
		if !slices.Contains(runner.Variations(), name) {
			return fmt.Errorf("%w: --same %s: there are %s", errUsage, name, strings.Join(runner.Variations(), ", "))
		}
	}
	return nil
}

// twice builds twice, and prints what came of it.
func (c *runCmd) twice(ctx context.Context, ui *ui, run *runner.Run, expected []expectation) error {
	t := runner.Twice{Run: run, Same: c.Same, Apart: c.Apart, Wait: wait, Caller: otherCaller}
	if c.SecondCache != "" {
		if same, err := filepath.EvalSymlinks(c.SecondCache); err == nil && same == run.Scratch {
			return fmt.Errorf("%w: --second-cache is the cache itself", errUsage)
		}
		if err := os.MkdirAll(c.SecondCache, 0o700); err != nil {
			return err
		}
		other, err := openEngine(run.Engine.Name(), c.SecondCache, c.AllowSudo)
		if err != nil {
			return err
		}
		if run.Engine.Name() == "docker" {
			ui.Step("--second-cache changes nothing with docker: the daemon keeps the environments")
		} else {
			t.Other, t.OtherPath = other, c.SecondCache
		}
	}
	out, err := t.Do(ctx)
	if err != nil {
		showTail(ui, err)
		return writeNeeds(ui, c.Needs, nil, err)
	}
	tellVaried(ui, out.Varied)
	if out.Answer == runner.TwiceDiffer && c.Diffoscope {
		diffoscopeAll(ctx, ui, out)
	}
	if err := c.printTwice(ui, out); err != nil {
		return err
	}
	if out.Failure != nil {
		showTail(ui, out.Failure)
		return fmt.Errorf("%w: %s: %w", errDiffer, out.Text, out.Failure)
	}
	if err := meet(ui, expected, out.Built); err != nil {
		return err
	}
	if out.Answer != runner.TwiceSame {
		return fmt.Errorf("%w: %s; they are in %s and %s", errDiffer, out.Text, run.Result, out.Second)
	}
	ui.Step("Done: " + out.Text + ".")
	return nil
}

// printTwice gives the hashes of the first build, and below them what differs.
func (c *runCmd) printTwice(ui *ui, out *runner.Doubled) error {
	if c.JSON {
		return ui.json(out)
	}
	if err := c.print(ui, out.Built); err != nil {
		return err
	}
	return printInside(ui, out.Inside)
}

// tellVaried tells what was varied and what could not be.
func tellVaried(ui *ui, all []provenance.Variation) {
	for _, v := range all {
		switch {
		case v.Why != "":
			ui.Stepf("could not be varied here: %s, because: %s", v.What, v.Why)
		default:
			ui.Stepf("varied: %s (%s, %s)", v.What, v.First, v.Second)
		}
	}
}

// wait is for the time between the builds.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// otherCaller gives this program another umask, locale and time zone: a container must
// inherit none of them.
func otherCaller() (varied []provenance.Variation, undo func()) {
	const mask = 0o077
	old := syscall.Umask(mask)
	if old == mask {
		syscall.Umask(0o002)
	}
	now := syscall.Umask(mask)
	syscall.Umask(now)
	varied = append(varied, provenance.Variation{Name: "umask", What: "umask of the caller", First: fmt.Sprintf("%04o", old), Second: fmt.Sprintf("%04o", now)})
	undos := []func(){func() { syscall.Umask(old) }}
	for _, v := range [][2]string{{"LC_ALL", "tr_TR.UTF-8"}, {"LANG", "C"}, {"TZ", "Pacific/Chatham"}} {
		was, there := os.LookupEnv(v[0])
		os.Setenv(v[0], v[1])
		undos = append(undos, func() {
			if os.Setenv(v[0], was); !there {
				os.Unsetenv(v[0])
			}
		})
		varied = append(varied, provenance.Variation{Name: strings.ToLower(v[0]), What: v[0] + " of the caller", First: was, Second: v[1]})
	}
	return varied, func() {
		for _, f := range undos {
			f()
		}
	}
}
