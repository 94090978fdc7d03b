package main

// What is printed where. Standard output is the answer: the hashes of a run,
// the table of inspect, JSON; a program may read it. Standard error is the
// story: what happens now, one line each, and at the end what went wrong,
// "satchel: " before it. A progress bar is drawn on standard error only when
// that is a terminal, and never leaves anything behind.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

type ui struct {
	out, err io.Writer
	quiet    bool
	times    bool // each line of the story begins with the time
	terminal bool // err is one

	mu   sync.Mutex
	bars *mpb.Progress
	bar  *mpb.Bar
}

func newUI(out, err *os.File) *ui {
	return &ui{out: out, err: err, terminal: term.IsTerminal(int(err.Fd()))}
}

// Step tells one line of the story.
func (u *ui) Step(line string) {
	if u.quiet {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.times {
		line = time.Now().UTC().Format("15:04:05 ") + line
	}
	if u.bars != nil {
		fmt.Fprintln(u.bars, printable(line))
		return
	}
	fmt.Fprintln(u.err, printable(line))
}

// Stepf is Step with a format.
func (u *ui) Stepf(format string, args ...any) { u.Step(fmt.Sprintf(format, args...)) }

// answer prints to standard output.
func (u *ui) answer(format string, args ...any) error {
	_, err := fmt.Fprintf(u.out, format, args...)
	return err
}

// json prints a value for programs.
func (u *ui) json(v any) error {
	enc := json.NewEncoder(u.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// complain prints an error for people.
func (u *ui) complain(err error) {
	u.finish()
	fmt.Fprintln(u.err, "satchel: "+printable(err.Error()))
}

// fail prints err and returns the exit code.
func (u *ui) fail(err error) int {
	code := exitCode(err)
	if errors.As(err, new(statusError)) {
		return code // who ended so has said why
	}
	if code == exitInterrupted {
		u.complain(errors.New("interrupted; the same command goes on where this one stopped"))
		return code
	}
	u.complain(err)
	return code
}

// printable keeps line ends and tabs and shows every other control character
// as an escape: names from archives and scripts must not drive a terminal.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// progress starts a bar; it is nothing but counting where no terminal is.
func (u *ui) progress(what string) *progress { return &progress{ui: u, what: what} }

// finish takes a bar away that an error left.
func (u *ui) finish() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.bars == nil {
		return
	}
	if u.bar != nil {
		u.bar.Abort(true)
	}
	u.bars.Wait()
	u.bars, u.bar = nil, nil
}

// progress is the Progress of every room: bytes done of a total.
type progress struct {
	ui   *ui
	what string
}

// Start is Total, with a number of items.
func (p *progress) Start(total int64, _ int) { p.Total(total) }

// Total begins the bar.
func (p *progress) Total(total int64) {
	if !p.ui.terminal || p.ui.quiet || total <= 0 {
		return
	}
	p.ui.finish()
	p.ui.mu.Lock()
	defer p.ui.mu.Unlock()
	p.ui.bars = mpb.NewWithContext(context.Background(), mpb.WithOutput(p.ui.err), mpb.WithWidth(40))
	p.ui.bar = p.ui.bars.AddBar(total, mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(p.what+" ")),
		mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f"), decor.AverageSpeed(decor.SizeB1024(0), "  % .0f")))
}

// Add says that n bytes more are done.
func (p *progress) Add(n int64) {
	p.ui.mu.Lock()
	bar := p.ui.bar
	p.ui.mu.Unlock()
	if bar != nil {
		bar.IncrInt64(n)
	}
}

// Item is the name of what is worked on; the bar does not show it.
func (p *progress) Item(string) {}

// Done takes the bar away.
func (p *progress) Done() { p.ui.finish() }
