package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"satchel/runner"
)

// Bounds of what diffoscope may take.
const (
	diffoscopeTime = 10 * time.Minute
	diffoscopeSize = "16777216" // bytes of its report
)

// diffoscopeAll has diffoscope, where it is in PATH, write down what it finds. It is asked
// besides: whatever becomes of it, the answer stands.
func diffoscopeAll(ctx context.Context, ui *ui, out *runner.Doubled) {
	program, err := exec.LookPath("diffoscope")
	if err != nil {
		return
	}
	for _, in := range out.Inside {
		report := filepath.Join(filepath.Dir(in.Second), "diffoscope.txt")
		ui.Stepf("Asking diffoscope about %s", in.Descriptor)
		switch err := diffoscope(ctx, program, in.First, in.Second, report); {
		case err != nil:
			ui.Stepf("diffoscope gave no report: %v", err)
		default:
			ui.Stepf("%s: what diffoscope says", report)
		}
	}
}

// diffoscope compares two folders. Its report appears under its name only when it is whole.
func diffoscope(ctx context.Context, program, first, second, report string) error {
	ctx, cancel := context.WithTimeout(ctx, diffoscopeTime)
	defer cancel()
	scratch, err := os.MkdirTemp("", "satchel-diffoscope-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	next := report + ".new"
	defer os.Remove(next)
	cmd := exec.CommandContext(ctx, program, "--text", next, "--max-text-report-size", diffoscopeSize, "--no-progress", "--exclude-directory-metadata", "yes", "--", first, second)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "HOME=" + scratch, "TMPDIR=" + scratch}
	cmd.WaitDelay = 5 * time.Second
	said, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if ctx.Err() != nil {
		return fmt.Errorf("it was stopped: %w", ctx.Err())
	}
	if errors.As(err, &ended) && ended.ExitCode() == 1 { // they differ
		err = nil
	}
	if err != nil {
		return errors.Join(err, errors.New(lastLine(string(said))))
	}
	return os.Rename(next, report)
}

// lastLine is the end of what a program said.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return oneLine(s[strings.LastIndexByte(s, '\n')+1:])
}
