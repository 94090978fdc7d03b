//go:build linux

package guest

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// The queue holds a window and no more, and room is made only by what is written.
func TestQueue(t *testing.T) {
	q := &queue{}
	q.more = sync.NewCond(&q.mu)
	for range InputWindow / MaxFrame {
		if err := q.put(make([]byte, MaxFrame)); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.put([]byte("x")); !errors.Is(err, errInput) {
		t.Errorf("beyond the window: %v", err)
	}
	p, ok := q.take()
	if len(p) != MaxFrame || !ok {
		t.Fatalf("took %d bytes, %v", len(p), ok)
	}
	if err := q.put([]byte("x")); !errors.Is(err, errInput) {
		t.Errorf("what was taken is not written yet: %v", err)
	}
	q.written()
	if err := q.put(make([]byte, MaxFrame)); err != nil {
		t.Error(err)
	}
	q.close()
	total := 0
	for {
		p, ok := q.take()
		if !ok {
			break
		}
		total += len(p)
	}
	if total != InputWindow {
		t.Errorf("after the end %d bytes came, want %d", total, InputWindow)
	}
}

func TestKnownTerminal(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"lib/terminfo/x/xterm", "usr/share/terminfo/s/screen.linux", "etc/passwd"} {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]bool{"xterm": true, "screen.linux": true, "xterm-ghostty": false, "": false, "../../etc/passwd": false, ".": false, "..": false, "x/xterm": false, "xterm\n": false} {
		if got := knownTerminal(root, name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}
