package guest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"satchel/manifest"
)

var ampleLimits = Limits{Log: 1 << 30, Listing: 1 << 30, Tar: 1 << 30, Shell: 1 << 30}

// collect reads frames into one text per kind.
func collect(r io.Reader, l Limits) (map[Kind]string, Outcome, error) {
	got := make(map[Kind]string)
	out, err := ReadFrames(r, l, func(k Kind, b []byte) error {
		got[k] += string(b)
		return nil
	})
	return got, out, err
}

func TestFramesRoundTrip(t *testing.T) {
	var b bytes.Buffer
	f := NewFrames(&b)
	long := strings.Repeat("0123456789", MaxFrame/4)
	fmt.Fprint(f.Writer(KindTar), long)
	f.Step("step %d", 1)
	f.Send(KindListing, nil)
	sum := manifest.Sum([]byte("x"))
	want := Outcome{Exit: 3, Root: &sum, Wanted: []Wanted{{Name: "a.example", Line: 2}, {Address: "192.0.2.1:80", Commands: []string{"wget x"}}}}
	if err := f.Done(want); err != nil {
		t.Fatal(err)
	}
	if err := f.Step("late"); err == nil {
		t.Error("a frame after the outcome was written")
	}
	got, out, err := collect(&b, ampleLimits)
	if err != nil {
		t.Fatal(err)
	}
	if got[KindTar] != long || got[KindStep] != "step 1" || got[KindDone] != "" || len(got) != 3 {
		t.Errorf("got %d bytes of tar, step %q, %d kinds", len(got[KindTar]), got[KindStep], len(got))
	}
	if out.Exit != 3 || *out.Root != sum || len(out.Wanted) != 2 || out.Wanted[1].Commands[0] != "wget x" {
		t.Errorf("got outcome %+v", out)
	}
}

func TestFramesConcurrent(t *testing.T) {
	var b bytes.Buffer
	f := NewFrames(&b)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 200 {
				fmt.Fprint(f.Writer(KindBuildLog), strings.Repeat(string(rune('a'+i)), 100)+"\n")
			}
		})
	}
	wg.Wait()
	f.Done(Outcome{})
	got, _, err := collect(&b, ampleLimits)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(got[KindBuildLog]) {
		if line != strings.Repeat(line[:1], 100)+"\n" {
			t.Fatalf("a torn line %q", line)
		}
	}
}

// failAt is a writer that fails after n bytes.
type failAt struct{ n int }

func (w *failAt) Write(p []byte) (int, error) {
	if w.n -= len(p); w.n < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestFramesFailAtEveryByte(t *testing.T) {
	write := func(w io.Writer) error {
		f := NewFrames(w)
		f.Step("one")
		f.Send(KindTar, make([]byte, 100))
		return f.Done(Outcome{Exit: 1})
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	for k := range b.Len() {
		if err := write(&failAt{k}); !errors.Is(err, io.ErrShortWrite) {
			t.Fatalf("failing at byte %d: got %v", k, err)
		}
	}
	for k := range b.Len() {
		if _, _, err := collect(bytes.NewReader(b.Bytes()[:k]), ampleLimits); !errors.Is(err, ErrNoOutcome) {
			t.Fatalf("cut at byte %d: got %v", k, err)
		}
	}
}

func TestLongOutcome(t *testing.T) {
	var b bytes.Buffer
	o := Outcome{Error: strings.Repeat("é", MaxFrame)}
	for i := range 5000 {
		o.Wanted = append(o.Wanted, Wanted{Name: fmt.Sprintf("host-%d.example", i)})
	}
	if err := NewFrames(&b).Done(o); err != nil {
		t.Fatal(err)
	}
	_, out, err := collect(&b, ampleLimits)
	if err != nil || len(out.Error) < 1000 || len(out.Wanted) < 100 {
		t.Errorf("got error of %d bytes, %d look-ups, %v", len(out.Error), len(out.Wanted), err)
	}
}

func TestReadFramesHostile(t *testing.T) {
	done := "d\x00\x00\x00\x0a{\"exit\":0}"
	for _, c := range []struct {
		name, in string
		limits   Limits
		want     error
	}{
		{"sound", done, Limits{}, nil},
		{"empty", "", ampleLimits, ErrNoOutcome},
		{"no outcome", "i\x00\x00\x00\x01x", ampleLimits, ErrNoOutcome},
		{"unknown kind", "z\x00\x00\x00\x00" + done, ampleLimits, ErrFrames},
		{"too long", "i\x00\x01\x00\x01", ampleLimits, ErrFrames},
		{"huge", "i\xff\xff\xff\xff", ampleLimits, ErrFrames},
		{"zero limits", "i\x00\x00\x00\x01x" + done, Limits{}, ErrFrames},
		{"over the limit", "t\x00\x00\x00\x02xy" + done, Limits{Tar: 1}, ErrFrames},
		{"log and steps count together", "i\x00\x00\x00\x01xs\x00\x00\x00\x01x" + done, Limits{Log: 1}, ErrFrames},
		{"a shell's kinds count together", "o\x00\x00\x00\x01xe\x00\x00\x00\x01x" + done, Limits{Shell: 1}, ErrFrames},
		{"no shell was asked for", "r\x00\x00\x00\x01x" + done, Limits{Log: 9}, ErrFrames},
		{"after the outcome", done + "i", ampleLimits, ErrFrames},
		{"two outcomes", done + done, ampleLimits, ErrFrames},
		{"outcome is no JSON", "d\x00\x00\x00\x01{", ampleLimits, ErrFrames},
	} {
		if _, _, err := collect(strings.NewReader(c.in), c.limits); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	mine := errors.New("mine")
	_, err := ReadFrames(strings.NewReader("i\x00\x00\x00\x01x"+done), ampleLimits, func(Kind, []byte) error { return mine })
	if err != mine {
		t.Errorf("got %v, want the handler's error", err)
	}
}

// FuzzReadFrames: never more than the limits, never a panic.
func FuzzReadFrames(f *testing.F) {
	f.Add([]byte("i\x00\x00\x00\x01xd\x00\x00\x00\x0a{\"exit\":0}"))
	f.Add([]byte("l\x00\x00\x00\x04linet\x00\x00\x00\x00d\x00\x00\x00\x02{}"))
	f.Add([]byte("r\x00\x00\x00\x01xo\x00\x00\x00\x01xe\x00\x00\x00\x01xa\x00\x00\x00\x04xxxx"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		_, err := ReadFrames(bytes.NewReader(b), Limits{Log: 10, Listing: 20, Tar: 30, Shell: 5}, func(_ Kind, p []byte) error {
			n += len(p)
			return nil
		})
		if n > 65 {
			t.Errorf("%d bytes passed", n)
		}
		if err != nil && !errors.Is(err, ErrFrames) && !errors.Is(err, ErrNoOutcome) {
			t.Errorf("got %v", err)
		}
	})
}
