package runner

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestLogTail: the tail is the last tailSize bytes, however they arrived.
func TestLogTail(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789abcdef\n"), 2000)
	for _, piece := range []int{1, 7, 4095, 4096, 5000, len(text)} {
		name := filepath.Join(t.TempDir(), "log")
		l, err := newLogFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for rest := text; len(rest) > 0; {
			n := min(piece, len(rest))
			if _, err := l.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if got := l.tail.String(); got != string(text[len(text)-tailSize:]) {
			t.Errorf("pieces of %d: tail is %d bytes, not the last of the text", piece, len(got))
		}
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, text) {
			t.Errorf("pieces of %d: the file has %d bytes, %v", piece, len(got), err)
		}
	}
}

// TestLogBound: bytes over the bound are counted, not kept.
func TestLogBound(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	l, err := newLogFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Write([]byte("first")); err != nil {
		t.Fatal(err)
	}
	l.n = maxLogFile - 2 // as if that much had been written
	if _, err := l.Write([]byte("abcdef")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Write([]byte("gh")); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(name)
	if want := "firstab\n[satchel: 6 bytes more are left out]\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}
