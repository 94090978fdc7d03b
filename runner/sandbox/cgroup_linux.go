package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// groupPrefix begins the name of every control group that satchel makes.
const groupPrefix = "satchel-"

// A group is one control group folder of a run. With version 1 of control
// groups there is one for each controller, with version 2 one in all.
type group string

// hierarchies are the mounted control group trees that can hold our limits.
type hierarchies struct {
	memory, pids, cpu string // mount points of version 1's controllers, "" if none
	unified           string // mount point of version 2
	own               string // this process's group in version 2, "/a/b"
}

// newGroups makes the groups of run id as far as this user may; held tells
// which limits they enforce, so that the caller can fall back on others.
// Every group made is noted in the run's folder first.
func newGroups(h hierarchies, r *run, want limits) (groups []group, held limits) {
	note := func(g group) bool {
		groups = append(groups, g)
		return writeGroups(filepath.Join(r.dir, groupsName), groups) == nil && os.Mkdir(string(g), 0o755) == nil
	}
	name := groupPrefix + r.id
	if parent := h.delegated(); parent != "" {
		g := group(filepath.Join(parent, name))
		if note(g) {
			held = g.limit(want, 2)
		}
		return groups, held
	}
	for _, one := range []struct {
		at    string
		limit limits
	}{{h.pids, limits{processes: want.processes}}, {h.memory, limits{memory: want.memory}}, {h.cpu, limits{cpus: want.cpus}}} {
		if one.at == "" || one.limit == (limits{}) {
			continue
		}
		g := group(filepath.Join(one.at, name))
		if !note(g) {
			continue
		}
		got := g.limit(one.limit, 1)
		held.processes, held.memory, held.cpus = max(held.processes, got.processes), max(held.memory, got.memory), max(held.cpus, got.cpus)
	}
	return groups, held
}

func (g group) write(name, value string) error {
	f, err := os.OpenFile(filepath.Join(string(g), name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// add moves a process into the group.
func (g group) add(pid int) error { return g.write("cgroup.procs", strconv.Itoa(pid)) }

// remove kills what is left in the group and removes it. A group that is not
// there is removed already; a name that is not ours is never touched.
func (g group) remove() error {
	if !strings.HasPrefix(filepath.Base(string(g)), groupPrefix) || !isRunID(strings.TrimPrefix(filepath.Base(string(g)), groupPrefix)) {
		return fmt.Errorf("removing control group %s: not a name of satchel's", g)
	}
	var err error
	for try := 0; try < 100; try++ {
		err = unix.Rmdir(string(g))
		if err != unix.EBUSY {
			break
		}
		g.kill()
		time.Sleep(time.Duration(min(try+1, 10)) * time.Millisecond)
	}
	if err == nil || err == unix.ENOENT {
		return nil
	}
	return fmt.Errorf("removing control group %s: %w", g, err)
}

// kill sends SIGKILL to every process in the group.
func (g group) kill() {
	f, err := os.Open(filepath.Join(string(g), "cgroup.procs"))
	if err != nil {
		return
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if pid, err := strconv.Atoi(s.Text()); err == nil && pid > 0 {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// delegated is the folder of version 2 in which a group with both limits can
// be made: the nearest group above our own that hands both controllers down.
// (Our own cannot: a group with processes in it hands nothing down.)
func (h hierarchies) delegated() string {
	if h.unified == "" {
		return ""
	}
	for g := filepath.Dir(h.own); ; g = filepath.Dir(g) {
		dir := filepath.Join(h.unified, g)
		text, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
		if err == nil {
			has := strings.Fields(string(text))
			if contains(has, "memory") && contains(has, "pids") && unix.Access(dir, unix.W_OK) == nil {
				return dir
			}
		}
		if g == "/" || g == "." {
			return ""
		}
	}
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// findHierarchies reads /proc/self/mountinfo and /proc/self/cgroup.
func findHierarchies() hierarchies {
	var h hierarchies
	if text, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		for _, line := range strings.Split(string(text), "\n") {
			if own, ok := strings.CutPrefix(line, "0::"); ok {
				h.own = filepath.Clean("/" + own)
			}
		}
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return h
	}
	defer f.Close()
	h.parse(f)
	return h
}

// parse reads mountinfo, as proc_pid_mountinfo(5) describes it.
func (h *hierarchies) parse(mountinfo io.Reader) {
	for s := bufio.NewScanner(mountinfo); s.Scan(); {
		left, right, ok := strings.Cut(s.Text(), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 6 || len(r) < 3 {
			continue
		}
		options := strings.Split(r[2], ",")
		switch {
		case r[0] == "cgroup2":
			h.unified = l[4]
		case r[0] == "cgroup" && contains(options, "memory"):
			h.memory = l[4]
		case r[0] == "cgroup" && contains(options, "pids"):
			h.pids = l[4]
		case r[0] == "cgroup" && contains(options, "cpu"):
			h.cpu = l[4]
		}
	}
}

// writeGroups notes the groups of a run, one path a line.
func writeGroups(path string, groups []group) error {
	var b strings.Builder
	for _, g := range groups {
		b.WriteString(string(g) + "\n")
	}
	return os.WriteFile(path, []byte(b.String()), 0o600)
}

// readGroups reads what writeGroups wrote; nothing if there is none.
func readGroups(path string) (groups []group) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	for _, line := range strings.Split(string(text), "\n") {
		if line != "" {
			groups = append(groups, group(line))
		}
	}
	return groups
}
