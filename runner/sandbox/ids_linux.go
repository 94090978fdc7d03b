package sandbox

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"satchel/runner/probe"
)

// lastID is the highest user and group id that a container's files may have:
// Debian's nobody is 65534.
const lastID = 65534

// A span says that count ids from inside on, as the container counts, are
// those from outside on, as the host does.
type span struct{ inside, outside, count int64 }

// ids say who the container's users are on the host, when it is not root that
// starts it: its root is the user who runs satchel, and all others are from
// the subordinate ranges that the machine gives that user.
type ids struct{ users, groups []span }

// findIDs reads the ranges of the user who runs satchel.
func findIDs() (*ids, error) {
	uid := os.Getuid()
	names := []string{strconv.Itoa(uid)}
	if u, err := user.LookupId(names[0]); err == nil {
		names = append(names, u.Username)
	}
	var m ids
	for _, kind := range []struct {
		file string
		own  int
		to   *[]span
	}{{"/etc/subuid", uid, &m.users}, {"/etc/subgid", os.Getgid(), &m.groups}} {
		f, err := os.Open(kind.file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("reading subordinate ids: %w", err)
		}
		var ranges []span
		if err == nil {
			ranges, err = parseSubIDs(f, names)
			f.Close()
			if err != nil {
				return nil, fmt.Errorf("reading subordinate ids: %s: %w", kind.file, err)
			}
		}
		spans, have := fill(kind.own, ranges)
		if have < lastID {
			name := names[len(names)-1]
			return nil, probe.Mend(fmt.Errorf("a system has users and groups up to %d, and %s gives %s %d ids besides the own one",
				lastID, kind.file, name, have), addIDs(name))
		}
		*kind.to = spans
	}
	return &m, nil
}

// addIDs is the command that gives a user ranges that nobody has. One whose
// name is not in /etc/passwd, but in a directory that the network has, is named
// by number, which usermod does not take but the files do.
func addIDs(name string) probe.Remedy {
	from := int64(100000)
	for _, file := range []string{"/etc/subuid", "/etc/subgid"} {
		if f, err := os.Open(file); err == nil {
			from = max(from, firstFree(f))
			f.Close()
		}
	}
	if strings.Trim(name, "0123456789") == "" {
		return probe.Command(fmt.Sprintf("echo %s:%d:%d | tee -a /etc/subuid >>/etc/subgid", name, from, lastID+2))
	}
	r := fmt.Sprintf("%d-%d", from, from+lastID+1)
	return probe.Command("usermod --add-subuids " + r + " --add-subgids " + r + " " + name)
}

// firstFree is the first id after all ranges of a file like subuid(5), whoever
// has them; lines that say nothing are passed over.
func firstFree(r io.Reader) (next int64) {
	for s := bufio.NewScanner(r); s.Scan(); {
		f := strings.Split(strings.TrimSpace(s.Text()), ":")
		if len(f) != 3 {
			continue
		}
		first, err1 := strconv.ParseUint(f[1], 10, 32)
		count, err2 := strconv.ParseUint(f[2], 10, 32)
		if end := first + count; err1 == nil && err2 == nil && end < 1<<32-1<<17 {
			next = max(next, int64(end))
		}
	}
	return next
}

// parseSubIDs returns the ranges of subuid(5) that belong to one of the names.
func parseSubIDs(r io.Reader, names []string) (ranges []span, err error) {
	s := bufio.NewScanner(r)
	for n := 1; s.Scan(); n++ {
		f := strings.Split(strings.TrimSpace(s.Text()), ":")
		mine := false
		for _, name := range names {
			mine = mine || f[0] == name
		}
		if !mine {
			continue
		}
		if len(f) != 3 {
			return nil, fmt.Errorf("line %d: want NAME:FIRST:COUNT", n)
		}
		first, err1 := strconv.ParseUint(f[1], 10, 32)
		count, err2 := strconv.ParseUint(f[2], 10, 32)
		if err1 != nil || err2 != nil || count == 0 || first == 0 || first+count > 1<<32-1 {
			return nil, fmt.Errorf("line %d: %s:%s is no range of ids", n, f[1], f[2])
		}
		ranges = append(ranges, span{outside: int64(first), count: int64(count)})
	}
	return ranges, s.Err()
}

// fill maps 0 to the own id and what follows to the ranges, to the id after
// lastID at the most; have is how many the ranges gave.
func fill(own int, ranges []span) (spans []span, have int64) {
	spans = []span{{0, int64(own), 1}}
	for _, r := range ranges {
		r.inside = 1 + have
		r.count = min(r.count, lastID+1-have)
		if r.count > 0 {
			spans = append(spans, r)
			have += r.count
		}
	}
	return spans, have
}

// String is how two makers of files are told apart; "" for root.
func (m *ids) String() string {
	if m == nil {
		return ""
	}
	return fmt.Sprint(m.users, m.groups)
}

// give maps the ids of the user namespace that process pid has, which the
// machine's set-id programs do after they have looked into the same files.
func (m *ids) give(pid int) error {
	for program, spans := range map[string][]span{"newuidmap": m.users, "newgidmap": m.groups} {
		path, err := mapper(program)
		if err != nil {
			return err
		}
		args := []string{strconv.Itoa(pid)}
		for _, s := range spans {
			args = append(args, strconv.FormatInt(s.inside, 10), strconv.FormatInt(s.outside, 10), strconv.FormatInt(s.count, 10))
		}
		c := exec.Command(path, args...)
		c.Env, c.Dir = []string{}, "/"
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("mapping ids: %s: %w: %s", path, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// mapper finds one of the programs of the package uidmap.
func mapper(program string) (string, error) {
	for _, dir := range []string{"/usr/bin", "/usr/local/bin", "/bin", "/run/wrappers/bin"} {
		if unix.Access(dir+"/"+program, unix.X_OK) == nil {
			return dir + "/" + program, nil
		}
	}
	return "", probe.Mend(fmt.Errorf("%s is not installed", program), probe.Install("uidmap", "shadow-utils")...)
}

// privileged tells whether this process can make namespaces without a user
// namespace of their own.
func privileged() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return os.Geteuid() == 0 && unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

// inUserNamespace tells whether this process's ids are not the machine's own.
func inUserNamespace() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	f := strings.Fields(string(text))
	return err == nil && (len(f) != 3 || f[0] != "0" || f[1] != "0" || f[2] != "4294967295")
}

// enoughIDs is an error if this root is that of a user namespace without all
// the users that a system has.
func enoughIDs() error {
	for _, file := range []string{"/proc/self/uid_map", "/proc/self/gid_map"} {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil // a kernel without user namespaces
		}
		if have := mapped(string(text)); have <= lastID {
			return probe.Mend(fmt.Errorf("a system has users and groups up to %d, and %s gives this root those below %d", lastID, file, have),
				probe.Advise("run satchel outside of this user namespace, as root or as an ordinary user"), otherEngine())
		}
	}
	return nil
}

// mapped reads a map of user_namespaces(7), and returns the first id that it
// leaves out.
func mapped(text string) (next int64) {
	var spans []span
	for line := range strings.Lines(text) {
		var s span
		if _, err := fmt.Sscan(line, &s.inside, &s.outside, &s.count); err == nil {
			spans = append(spans, s)
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.inside, b.inside) })
	for _, s := range spans {
		if s.inside == next {
			next += s.count
		}
	}
	return next
}

// ambient are the rights that a process keeps when it is executed anew in a
// fresh user namespace, before anybody is root there.
func ambient() []uintptr {
	list := []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_DAC_READ_SEARCH}
	for _, c := range capabilities {
		list = append(list, uintptr(c))
	}
	return list
}
