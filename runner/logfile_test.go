package runner

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// TestLogBound: bytes over the bound are counted, not kept, but for the end.
func TestLogBound(t *testing.T) {
	end := strings.Repeat("0123456789abcdef", tailSize/16)
	for after, want := range map[string]string{
		"":                     "firstab",
		"cdefgh":               "firstabcdefgh",
		end:                    "firstab" + end,
		"x" + end:              "firstab\n[satchel: 1 bytes are left out here]\n" + end,
		strings.Repeat(end, 3): fmt.Sprintf("firstab\n[satchel: %d bytes are left out here]\n%s", 2*tailSize, end),
	} {
		name := filepath.Join(t.TempDir(), "log")
		l, err := newLogFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Write([]byte("first")); err != nil {
			t.Fatal(err)
		}
		l.n = maxLogFile - 2 // as if that much had been written
		for _, piece := range []string{"ab" + after[:len(after)/2], after[len(after)/2:]} {
			if _, err := l.Write([]byte(piece)); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%d bytes after the bound: got %d bytes, want %d; %v\n%.100q", len(after), len(got), len(want), err, got)
		}
	}
}
