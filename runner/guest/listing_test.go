//go:build linux

package guest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"satchel/manifest"
)

// smallTree makes a tree with one of everything that a user other than root
// can make.
func smallTree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	run := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"dev", "proc/1", "sys", "etc", "usr/bin", ".satchel", "run", "z"} {
		run(os.MkdirAll(filepath.Join(root, d), 0o755))
	}
	for _, f := range []string{".dockerenv", "dev/null", "proc/1/stat", ".satchel/init", ".satchel-spool", "etc/hosts", "etc/hostname", "etc/resolv.conf", "run/.containerenv"} {
		run(os.WriteFile(filepath.Join(root, f), []byte("the engine's"), 0o644))
	}
	run(os.WriteFile(filepath.Join(root, "usr/bin/prog"), []byte("hello\n"), 0o644))
	run(os.Chmod(filepath.Join(root, "usr/bin/prog"), os.ModeSetuid|0o755))
	run(os.Link(filepath.Join(root, "usr/bin/prog"), filepath.Join(root, "usr/bin/again")))
	run(os.Symlink("a target\\x", filepath.Join(root, "usr/link")))
	run(os.WriteFile(filepath.Join(root, "usr/a b\té\n"), nil, 0o600))
	run(unix.Mkfifo(filepath.Join(root, "z/fifo"), 0o600))
	run(filepath.WalkDir(root, func(p string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return setTime(p, 1_600_000_000)
	}))
	run(os.Chmod(root, 0o755))
	return root
}

func TestListing(t *testing.T) {
	root := smallTree(t)
	var b bytes.Buffer
	d, err := Listing(t.Context(), root, &b)
	if err != nil {
		t.Fatal(err)
	}
	id := strings.TrimSpace(execOut(t, "id", "-u")) + " " + strings.TrimSpace(execOut(t, "id", "-g"))
	const sum = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03" // sha256sum of "hello\n"
	const none = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	want := strings.ReplaceAll(`d 0755 ID - 1600000000 /
d 0755 ID - 1600000000 /etc
d 0755 ID - 1600000000 /run
d 0755 ID - 1600000000 /usr
f 0600 ID 0 1600000000 /usr/a\040b\011\303\251\012 `+none+`
d 0755 ID - 1600000000 /usr/bin
f 4755 ID 6 1600000000 /usr/bin/again `+sum+`
f 4755 ID 6 1600000000 /usr/bin/prog =/usr/bin/again
l 0777 ID - 1600000000 /usr/link a\040target\134x
d 0755 ID - 1600000000 /z
p 0600 ID - 1600000000 /z/fifo
`, "ID", id)
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if d != manifest.Sum(b.Bytes()) {
		t.Error("the digest is not the text's")
	}
}

func execOut(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Skipf("needs %s: %v", name, err)
	}
	return string(out)
}

// TestListingSeesEveryChange: whatever is changed in a tree, its digest is
// another; and undone, the same again.
func TestListingSeesEveryChange(t *testing.T) {
	root := smallTree(t)
	at := func(name string) string { return filepath.Join(root, name) }
	list := func() manifest.Digest {
		d, err := Listing(t.Context(), root, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	old := list()
	for _, c := range []struct {
		name   string
		change func() error
		undo   func() error
	}{
		{"mode", func() error { return os.Chmod(at("usr/bin"), 0o700) }, func() error { return os.Chmod(at("usr/bin"), 0o755) }},
		{"time", func() error { return setTime(at("usr/link"), 5) }, func() error { return setTime(at("usr/link"), 1_600_000_000) }},
		{"content", func() error { return os.WriteFile(at("usr/bin/prog"), []byte("hellO\n"), 0) }, func() error { return os.WriteFile(at("usr/bin/prog"), []byte("hello\n"), 0) }},
		{"new file", func() error { return os.WriteFile(at("z/new"), nil, 0o644) }, func() error { return os.Remove(at("z/new")) }},
		{"new name", func() error { return os.Link(at("usr/bin/prog"), at("z/hard")) }, func() error { return os.Remove(at("z/hard")) }},
		{"attribute", func() error { return unix.Setxattr(at("usr/bin/prog"), "user.x", []byte("1"), 0) }, func() error { return unix.Removexattr(at("usr/bin/prog"), "user.x") }},
	} {
		if err := c.change(); err != nil {
			if errors.Is(err, unix.ENOTSUP) {
				continue
			}
			t.Fatal(err)
		}
		if c.name != "time" && c.name != "mode" {
			resetTimes(t, root)
		}
		if list() == old {
			t.Errorf("%s: the digest stayed", c.name)
		}
		if err := c.undo(); err != nil {
			t.Fatal(err)
		}
		os.Chmod(at("usr/bin/prog"), os.ModeSetuid|0o755) // writing takes set-id away
		resetTimes(t, root)
		if list() != old {
			t.Errorf("%s: undone, the digest is another", c.name)
		}
	}
	if err := os.WriteFile(at("etc/hosts"), []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	resetTimes(t, root)
	if list() != old {
		t.Error("an engine's own file counts")
	}
}

func resetTimes(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return setTime(p, 1_600_000_000)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestListingFails(t *testing.T) {
	root := smallTree(t)
	var b bytes.Buffer
	if _, err := Listing(t.Context(), root, &b); err != nil {
		t.Fatal(err)
	}
	for k := range b.Len() {
		if _, err := Listing(t.Context(), root, &failAt{k}); !errors.Is(err, io.ErrShortWrite) {
			t.Fatalf("failing at byte %d: got %v", k, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Listing(ctx, root, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
	if _, err := Listing(t.Context(), filepath.Join(root, "none"), io.Discard); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want not exist", err)
	}
}
