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

// limits are what a run's groups hold it to.
type limits struct {
	memory    int64 // bytes, 0: none
	processes int64
}

// hierarchies are the mounted control group trees that can hold our limits.
type hierarchies struct {
	memory, pids string // mount points of version 1's controllers, "" if none
	unified      string // mount point of version 2
	own          string // this process's group in version 2, "/a/b"
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
			held = g.limit(want, "memory.max", "memory.swap.max", "pids.max")
		}
		return groups, held
	}
	if h.pids != "" {
		g := group(filepath.Join(h.pids, name))
		if note(g) {
			held.processes = g.limit(limits{processes: want.processes}, "", "", "pids.max").processes
		}
	}
	if h.memory != "" && want.memory > 0 {
		g := group(filepath.Join(h.memory, name))
		if note(g) {
			held.memory = g.limit(limits{memory: want.memory}, "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "").memory
		}
	}
	return groups, held
}

// limit writes the limits and returns those that took.
func (g group) limit(want limits, memory, swap, pids string) (held limits) {
	if want.memory > 0 && g.write(memory, want.memory) == nil {
		held.memory = want.memory
		extra := int64(0) // version 2 counts swap alone, version 1 memory and swap
		if strings.HasSuffix(memory, "_in_bytes") {
			extra = want.memory
		}
		g.write(swap, extra) // absent without swap accounting
	}
	if want.processes > 0 && g.write(pids, want.processes) == nil {
		held.processes = want.processes
	}
	return held
}

func (g group) write(name string, value int64) error {
	f, err := os.OpenFile(filepath.Join(string(g), name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.FormatInt(value, 10))
	return errors.Join(err, f.Close())
}

// add moves a process into the group.
func (g group) add(pid int) error { return g.write("cgroup.procs", int64(pid)) }

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
