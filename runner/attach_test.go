package runner

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"satchel/runner/guest"
)

// scripted is a process whose guest is a function.
func scripted(t *testing.T, init func(in io.Reader, frames *guest.Frames)) Process {
	t.Helper()
	e := &fakeEngine{}
	p := &fakeProcess{engine: e, done: make(chan struct{})}
	var in *io.PipeReader
	var out *io.PipeWriter
	in, p.in = io.Pipe()
	p.out, out = io.Pipe()
	go func() {
		defer close(p.done)
		tr := tar.NewReader(in)
		for {
			if _, err := tr.Next(); err != nil {
				break
			}
		}
		init(in, guest.NewFrames(out))
		out.Close()
		io.Copy(io.Discard, in)
	}()
	return p
}

func nothing(*tar.Writer) error { return nil }

// taken acknowledges input.
func taken(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// Never is more than the window on its way, and all of it arrives.
func TestAttachWindow(t *testing.T) {
	const size = 3 * guest.InputWindow
	p := scripted(t, func(in io.Reader, f *guest.Frames) {
		f.Send(guest.KindReady, []byte{0})
		away, total := 0, 0
		guest.ReadControls(in, func(k guest.Control, b []byte) error {
			if k == guest.ControlEnd {
				return io.EOF
			}
			if total, away = total+len(b), away+len(b); away > guest.InputWindow {
				f.Done(guest.Outcome{Error: "more than the window"})
				return io.EOF
			}
			if away == guest.InputWindow {
				f.Send(guest.KindTaken, taken(away))
				away = 0
			}
			return nil
		})
		f.Send(guest.KindOutput, taken(total))
		f.Done(guest.Outcome{Exit: 3})
	})
	var got bytes.Buffer
	out, err := Attach(t.Context(), p, guest.Shell{}, nothing, Streams{Input: bytes.NewReader(make([]byte, size)), Output: &got}, nil)
	if err != nil || out.Exit != 3 || binary.BigEndian.Uint32(got.Bytes()) != size {
		t.Errorf("got %+v, %v, %v", out, err, got.Bytes())
	}
}

// A guest that says what no guest says is refused.
func TestAttachHostile(t *testing.T) {
	ready := func(f *guest.Frames) { f.Send(guest.KindReady, []byte{0}) }
	for name, say := range map[string]func(*guest.Frames){
		"output before it begins": func(f *guest.Frames) { f.Send(guest.KindOutput, []byte("x")) },
		"begins twice":            func(f *guest.Frames) { ready(f); ready(f) },
		"takes what is not there": func(f *guest.Frames) { ready(f); f.Send(guest.KindTaken, taken(1)) },
		"takes in three bytes":    func(f *guest.Frames) { ready(f); f.Send(guest.KindTaken, []byte{0, 0, 0}) },
		"sends results":           func(f *guest.Frames) { ready(f); f.Send(guest.KindTar, []byte("x")) },
	} {
		p := scripted(t, func(_ io.Reader, f *guest.Frames) { say(f); f.Done(guest.Outcome{}) })
		_, err := Attach(t.Context(), p, guest.Shell{}, nothing, Streams{Output: io.Discard, Errors: io.Discard}, nil)
		if !errors.Is(err, guest.ErrFrames) {
			t.Errorf("%s: got %v, want %v", name, err, guest.ErrFrames)
		}
	}
}

// What cannot be sent ends the conversation, and is the error; the guest is not waited for.
func TestConverseCannotSend(t *testing.T) {
	mine := errors.New("the blob is damaged")
	p := scripted(t, func(in io.Reader, f *guest.Frames) {
		io.Copy(io.Discard, in)
		f.Done(guest.Outcome{Error: "satchel is gone"})
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := converse(ctx, p, guest.Plan{Build: &guest.Build{}}, func(*tar.Writer) error { return mine }, handlers{})
	if !errors.Is(err, mine) {
		t.Errorf("got %v, want %v", err, mine)
	}
}

func TestShellPlan(t *testing.T) {
	r, _, _ := fakeRun(t, "", "bookworm", "trixie")
	s := &Shell{Run: r}
	if _, _, err := s.choose(t.Context()); !errors.Is(err, ErrChoice) || !strings.Contains(err.Error(), "--only hello --target trixie-amd64") {
		t.Errorf("of two targets: %v", err)
	}
	s.Target = "sid-amd64"
	if _, _, err := s.choose(t.Context()); !errors.Is(err, ErrChoice) {
		t.Errorf("of a target that is not there: %v", err)
	}
	s.Target = "trixie-amd64"
	b, _, err := s.choose(t.Context())
	if err != nil || b.name != s.Target {
		t.Fatalf("got %v, %v", b, err)
	}
	plan, err := s.plan(b)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(plan.Prelude, "set -e") || strings.Contains(plan.Prelude, "PS1") || !strings.HasSuffix(plan.Prelude, "cd build\n") {
		t.Errorf("the prelude is\n%s", plan.Prelude)
	}
	// But for the resets, the shell reads what the script does, in its order.
	rest := plan.Build.Script
	for line := range strings.Lines(plan.Prelude) {
		_, after, ok := strings.Cut(rest, line)
		if !ok {
			t.Errorf("the script lacks %q", line)
		}
		rest = after
	}
}
