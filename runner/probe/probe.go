// Package probe tries a machine, one thing after the other. An engine is one
// list of probes, which its Check walks to the first that fails and doctor walks
// to the end: so what doctor says and what run does cannot differ.
//
//	list := []probe.Probe{{Name: "folder", Why: "environments are kept there", Try: func(context.Context) (string, error) {
//		return "/var/cache/satchel", os.MkdirAll("/var/cache/satchel", 0o700)
//	}}}
//	err := probe.First(ctx, list)    // what Check returns
//	found := probe.All(ctx, list)    // what doctor shows
package probe

import (
	"context"
	"errors"
	"strings"
)

// A Probe tries one thing, for real where that can be done.
type Probe struct {
	Name string // what is tried, in a few words
	Why  string // what it is wanted for
	// Advice says that all works without it, if less well: an error is a
	// warning, and Check does not ask.
	Advice bool
	// Alone says that it can be tried although one before it has failed.
	Alone bool
	// Try says what is there. An error that holds a *Fault names what mends it;
	// one that wraps ErrNotNeeded says why nobody wants it here.
	Try func(context.Context) (found string, err error)
}

// ErrNotNeeded is wrapped by the answer that a thing is not wanted here.
var ErrNotNeeded = errors.New("not needed")

// notNeeded is ErrNotNeeded with the reason alone as its text.
type notNeeded string

func (n notNeeded) Error() string      { return string(n) }
func (notNeeded) Is(target error) bool { return target == ErrNotNeeded }

// NotNeeded answers why a thing is not wanted.
func NotNeeded(why string) error { return notNeeded(why) }

// First tries what must hold, in order, and returns the first error.
func First(ctx context.Context, list []Probe) error {
	for _, p := range list {
		if p.Advice {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := p.Try(ctx); err != nil && !errors.Is(err, ErrNotNeeded) && !scarce(err) {
			return err
		}
	}
	return nil
}

// All tries everything, in order. What comes after a failure and does not stand
// alone is not tried. The error is the context's.
func All(ctx context.Context, list []Probe) ([]Finding, error) {
	found := make([]Finding, 0, len(list))
	broken := ""
	for _, p := range list {
		if err := ctx.Err(); err != nil {
			return found, err
		}
		f := Finding{Name: p.Name, Why: p.Why, Mend: []Remedy{}}
		if broken != "" && !p.Alone {
			f.Verdict, f.Found = NotTried, "it takes what fails above: "+broken
			found = append(found, f)
			continue
		}
		text, err := p.Try(ctx)
		f.judge(text, err, p.Advice)
		if f.Verdict == Fails && broken == "" {
			broken = p.Name
		}
		found = append(found, f)
	}
	return found, ctx.Err()
}

// scarce tells whether an error is only a warning, whatever the probe.
func scarce(err error) bool {
	var w interface{ Warning() bool }
	return errors.As(err, &w) && w.Warning()
}

// judge writes down how a try went.
func (f *Finding) judge(text string, err error, advice bool) {
	f.Verdict, f.Found = OK, text
	if err == nil {
		return
	}
	var fault *Fault
	f.Verdict, f.Found = Fails, err.Error()
	switch {
	case errors.Is(err, ErrNotNeeded):
		f.Verdict = Unneeded
	case advice || scarce(err):
		f.Verdict = Warning
	}
	if errors.As(err, &fault) {
		f.Mend = append(f.Mend, fault.Mend...)
		f.Found = strings.Replace(f.Found, fault.Error(), fault.Err.Error(), 1)
	}
}
