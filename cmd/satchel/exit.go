package main

import (
	"context"
	"errors"
	"fmt"

	"satchel/aptmirror/fetch"
	"satchel/bundle"
	"satchel/bundle/plan"
	"satchel/runner"
)

// The exit codes, as README.md and OFFLINE.md publish them.
const (
	exitDone         = 0
	exitFailed       = 1
	exitUsage        = 2
	exitNotVerified  = 3
	exitDiffer       = 4
	exitIncomparable = 5
	exitMissing      = 6
	exitNetwork      = 7
	exitInterrupted  = 130
)

// errInterrupted is the cause of a context that a signal ended.
var errInterrupted = errors.New("interrupted")

// errUsage marks a command line that parses but makes no sense.
var errUsage = errors.New("usage")

// How a comparison ends when it is not that all agree.
var (
	errNotVouched   = errors.New("not signed by those who must sign it")
	errDiffer       = errors.New("outputs differ")
	errIncomparable = errors.New("not comparable")
)

// statusError is the exit status of a shell, which is satchel's then.
type statusError int

func (s statusError) Error() string { return fmt.Sprintf("the shell ended with status %d", int(s)) }

// exitCode says how the program ends after err.
func exitCode(err error) int {
	var script *runner.ScriptError
	var missing *fetch.MissingError
	var status statusError
	var nobody *plan.UnfoundError
	var mismatch *plan.MismatchError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &status):
		return int(status)
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, errUsage), errors.Is(err, runner.ErrChoice):
		return exitUsage
	case errors.Is(err, bundle.ErrUntrusted), errors.Is(err, bundle.ErrCorrupt), errors.Is(err, bundle.ErrArchive), errors.Is(err, errNotVouched):
		return exitNotVerified
	case errors.Is(err, errDiffer):
		return exitDiffer
	case errors.Is(err, errIncomparable), errors.As(err, &mismatch):
		return exitIncomparable
	case errors.Is(err, bundle.ErrMissing), errors.As(err, &missing), errors.As(err, &nobody):
		return exitMissing
	case errors.As(err, &script) && len(script.Wanted) > 0:
		return exitNetwork
	}
	return exitFailed
}
