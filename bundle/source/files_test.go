package source

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"satchel/manifest"
)

func TestLocate(t *testing.T) {
	top := t.TempDir()
	inputs := filepath.Join(top, "inputs")
	if err := os.MkdirAll(filepath.Join(inputs, "sub", "MacOSX10.11.sdk"), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(inputs, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("hello_2.10.orig.tar.gz", "hello")
	write("sub/real", "real")
	write("empty", "")
	write("../outside", "secret")
	for link, to := range map[string]string{"within": "sub/real", "out": "../outside", "abs": "/etc/passwd", "loop": "loop", "dir": "sub"} {
		if err := os.Symlink(to, filepath.Join(inputs, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(inputs, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"hello_2.10.orig.tar.gz": "hello", "within": "real", "empty": ""} {
		store := newStore()
		pin, err := Locate(t.Context(), name, inputs, store)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if want := manifest.Sum([]byte(text)); pin.Name != name || pin.SHA256 != want || pin.Size != int64(len(text)) || string(store.blobs[want]) != text {
			t.Errorf("%s: %+v", name, pin)
		}
	}
	for name, want := range map[string]error{"missing": ErrNoFile, "hello_2.11.orig.tar.gz": ErrNoFile, "out": nil, "abs": nil, "loop": nil,
		"dir": ErrRefused, "sub": ErrRefused, "fifo": ErrRefused, "../outside": ErrRefused, "sub/real": ErrRefused, "": ErrRefused, "..": ErrRefused, "a b": ErrRefused} {
		store := newStore()
		_, err := Locate(t.Context(), name, inputs, store)
		if err == nil || want != nil && !errors.Is(err, want) || len(store.blobs) > 0 {
			t.Errorf("%q: got %v, want %v", name, err, want)
		}
		if name == "hello_2.11.orig.tar.gz" && !strings.Contains(err.Error(), "hello_2.10.orig.tar.gz") {
			t.Errorf("%v does not name what is near", err)
		}
	}
	store := newStore()
	store.full = 2
	if _, err := Locate(t.Context(), "within", inputs, store); err == nil || len(store.blobs) > 0 {
		t.Errorf("a full store: got %v", err)
	}
}
