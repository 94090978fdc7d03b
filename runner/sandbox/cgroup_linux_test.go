package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHierarchies(t *testing.T) {
	const mountinfo = `22 27 0:21 / /proc rw,relatime - proc proc rw
30 29 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
31 29 0:30 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
32 29 0:31 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
33 29 0:32 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
broken
34 29 - cgroup
`
	var got hierarchies
	got.parse(strings.NewReader(mountinfo))
	want := hierarchies{cpu: "/sys/fs/cgroup/cpu", memory: "/sys/fs/cgroup/memory", pids: "/sys/fs/cgroup/pids", unified: "/sys/fs/cgroup/unified"}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// With version 2, a group is made beside the own one or higher, in the first
// that hands both controllers down.
func TestDelegated(t *testing.T) {
	root := t.TempDir()
	for dir, controllers := range map[string]string{
		"": "cpu memory pids", "user.slice": "memory pids", "user.slice/user-0.slice": "pids", "user.slice/user-0.slice/session": "",
	} {
		mkdir(t, filepath.Join(root, dir))
		if err := os.WriteFile(filepath.Join(root, dir, "cgroup.subtree_control"), []byte(controllers+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h := hierarchies{unified: root, own: "/user.slice/user-0.slice/session"}
	if got, want := h.delegated(), filepath.Join(root, "user.slice"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := (hierarchies{unified: t.TempDir(), own: "/"}).delegated(); got != "" {
		t.Errorf("got %s where nothing is handed down", got)
	}
}

// A note of control groups that somebody has changed removes nothing of others.
func TestForeignGroup(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "precious")
	mkdir(t, dir)
	for _, name := range []string{dir, filepath.Dir(dir) + "/satchel-", filepath.Dir(dir) + "/satchel-0011/../precious"} {
		if err := group(name).remove(); err == nil {
			t.Errorf("%s was removed", name)
		}
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}
