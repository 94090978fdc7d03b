package enginetest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// User makes an ordinary user of this machine and a folder that belongs to
// it; both are gone when the test ends. With ranges it has subordinate ids.
func User(t *testing.T, ranges bool) (who *syscall.Credential, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("it takes root to make a user: the other tests are without root here")
	}
	for _, tool := range []string{"newuidmap", "useradd"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("SATCHEL_CI") == "1" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	name := fmt.Sprintf("satcheltest%d", os.Getpid())
	do := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	do("useradd", "--system", "--no-create-home", "--shell", "/bin/sh", name)
	t.Cleanup(func() { do("userdel", name) })
	if ranges {
		do("usermod", "--add-subuids", "1000000-1065535", "--add-subgids", "2000000-2065535", name)
	}
	dir, err := os.MkdirTemp("", "satchel-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, dir
}

// Copy copies a program to where User's user can read it, and returns its path.
func Copy(t *testing.T, program, dir string) string {
	t.Helper()
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, filepath.Base(program))
	err = os.WriteFile(path, text, 0o755)
	if err == nil {
		err = os.Chmod(path, 0o755) // whatever the umask
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
