//go:build linux

package guest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// furnished is a tree with every kind of file that an environment may have.
func furnished(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("it takes root to make devices and other people's files")
	}
	root := t.TempDir()
	in := func(name string) string { return filepath.Join(root, name) }
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	long := strings.Repeat("long/", 60)
	check(os.MkdirAll(in(long), 0o755))
	check(os.MkdirAll(in("usr/bin"), 0o755))
	for name, content := range map[string]string{
		"usr/bin/sudo": "#!", "usr/bin/bound": "x", "usr/empty": "", "usr/with\nnewline": "n", "usr/\xff\\odd": "o",
		"usr/big": strings.Repeat("0123456789", 1<<20), long + "file": "deep", "usr/blank name": "b",
	} {
		check(os.WriteFile(in(name), []byte(content), 0o640))
	}
	check(os.Chmod(in("usr/bin/sudo"), 0o4711|os.ModeSetuid))
	check(unix.Setxattr(in("usr/bin/bound"), "security.capability", []byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0))
	check(os.Lchown(in("usr/big"), 65534, 1<<30))
	check(os.Link(in("usr/big"), in("usr/bin/same")))
	check(os.Link(in("usr/big"), in("a-same")))
	check(os.Symlink("../../"+strings.Repeat("x", 200), in("usr/far")))
	check(os.Lchown(in("usr/far"), 7, 8))
	check(unix.Mkfifo(in("usr/fifo"), 0o600))
	check(unix.Mknod(in("usr/null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	check(unix.Mknod(in("usr/disc"), unix.S_IFBLK|0o660, int(unix.Mkdev(259, 70000))))
	check(os.Mkdir(in("tmp"), 0o755))
	check(os.Chmod(in("tmp"), 0o777|os.ModeSticky))
	for i, name := range []string{"usr/fifo", "usr/null", "usr/bin/sudo", "usr/bin", "usr", long, "tmp", "."} {
		check(os.Chtimes(in(name), time.Time{}, time.Unix(int64(1e9+i), 0)))
	}
	check(os.Chtimes(in("usr/empty"), time.Time{}, time.Unix(1, 5)))
	return root
}

// What GNU tar makes of the tar has the listing of the tree it was made from.
func TestSendTree(t *testing.T) {
	root := furnished(t)
	var packed, want, got bytes.Buffer
	if err := sendTree(t.Context(), root, &packed); err != nil {
		t.Fatal(err)
	}
	if _, err := Listing(t.Context(), root, &want); err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	c := exec.Command("tar", "--xattrs", "--xattrs-include=*", "-xpf", "-", "--numeric-owner", "-C", other)
	c.Stdin = bytes.NewReader(packed.Bytes())
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	if _, err := Listing(t.Context(), other, &got); err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want.String())
	}
	var again bytes.Buffer
	if err := sendTree(t.Context(), other, &again); err != nil || !bytes.Equal(again.Bytes(), packed.Bytes()) {
		t.Errorf("the copy's tar is another (%v)", err)
	}
}

// full takes so many bytes and no more.
type full struct{ left int }

var errFull = errors.New("full")

func (f *full) Write(b []byte) (int, error) {
	if len(b) > f.left {
		n := f.left
		f.left = 0
		return n, errFull
	}
	f.left -= len(b)
	return len(b), nil
}

func TestSendTreeFails(t *testing.T) {
	root := furnished(t)
	var packed bytes.Buffer
	if err := sendTree(t.Context(), root, &packed); err != nil {
		t.Fatal(err)
	}
	for k := 0; k < packed.Len(); k += 1 + packed.Len()/97 {
		if err := sendTree(t.Context(), root, &full{left: k}); !errors.Is(err, errFull) {
			t.Fatalf("after %d bytes: %v", k, err)
		}
	}
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(socket)
	if err := unix.Bind(socket, &unix.SockaddrUnix{Name: filepath.Join(root, "s")}); err != nil {
		t.Fatal(err)
	}
	if err := sendTree(t.Context(), root, io.Discard); err == nil || !strings.Contains(err.Error(), "/s: a tar cannot hold a socket") {
		t.Errorf("with a socket: %v", err)
	}
}
