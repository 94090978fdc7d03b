package guest

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestControlsRoundTrip(t *testing.T) {
	var b bytes.Buffer
	c := NewControls(&b)
	for _, err := range []error{
		c.Send(ControlInput, []byte("ls\n")), c.Resize(Size{Rows: 300, Columns: 80}),
		c.Send(ControlSignal, []byte{2}), c.Send(ControlInput, make([]byte, MaxFrame)), c.Send(ControlEnd, []byte{0}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if c.Send(ControlInput, make([]byte, MaxFrame+1)) == nil {
		t.Error("more than a frame holds was sent")
	}
	var kinds string
	total := 0
	err := ReadControls(&b, func(k Control, p []byte) error {
		kinds += string(rune(k))
		total += len(p)
		if k == ControlSize && sizeOf(p) != (Size{Rows: 300, Columns: 80}) {
			t.Errorf("size %v", sizeOf(p))
		}
		return nil
	})
	if err != nil || kinds != "iwkie" || total != 3+4+1+MaxFrame+1 {
		t.Errorf("got %q, %d bytes, %v", kinds, total, err)
	}
}

func TestReadControlsHostile(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     error
	}{
		{"nothing", "", nil},
		{"sound", "i\x00\x00\x00\x01x", nil},
		{"unknown kind", "z\x00\x00\x00\x01x", ErrControl},
		{"too long", "i\x00\x01\x00\x01", ErrControl},
		{"huge", "i\xff\xff\xff\xff", ErrControl},
		{"input of nothing", "i\x00\x00\x00\x00", ErrControl},
		{"a size of three bytes", "w\x00\x00\x00\x03xyz", ErrControl},
		{"a long signal", "k\x00\x00\x00\x02xy", ErrControl},
		{"cut in the head", "i\x00\x00", io.ErrUnexpectedEOF},
		{"cut in the payload", "i\x00\x00\x00\x02x", io.ErrUnexpectedEOF},
	} {
		if err := ReadControls(strings.NewReader(c.in), func(Control, []byte) error { return nil }); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestControlsFailAtEveryByte(t *testing.T) {
	write := func(w io.Writer) error {
		c := NewControls(w)
		c.Send(ControlInput, []byte("some"))
		return c.Send(ControlEnd, []byte{0})
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
}

// FuzzReadControls: what is handed on is what Controls writes.
func FuzzReadControls(f *testing.F) {
	f.Add([]byte("i\x00\x00\x00\x01xw\x00\x00\x00\x04abcdk\x00\x00\x00\x01\x02e\x00\x00\x00\x01\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var again bytes.Buffer
		c := NewControls(&again)
		err := ReadControls(bytes.NewReader(b), c.Send)
		if !bytes.HasPrefix(b, again.Bytes()) || err == nil && again.Len() != len(b) {
			t.Errorf("%q became %q, %v", b, again.Bytes(), err)
		}
	})
}
