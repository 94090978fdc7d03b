package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"satchel/runner/probe"
)

// Probes are all that the engine takes of a machine, in the order in which one
// needs the other. Check walks the same list.
func (e *Engine) Probes() []probe.Probe {
	return []probe.Probe{
		{Name: "program", Why: "satchel itself is the first program in each container, where there is nothing else yet",
			Try: func(context.Context) (string, error) { return "static", checkStatic(e.init) }},
		{Name: "/proc", Why: "a container is started from there, and what the kernel allows is read there", Try: tryProc},
		{Name: "kernel", Why: "containers are made of namespaces, behind a system call filter", Try: tryKernel},
		{Name: "state folder", Alone: true, Why: "environments and what builds write are kept there",
			Try: func(context.Context) (string, error) { return e.dir, explainFolder(e.folders()) }},
		{Name: "user namespace", Alone: true, Why: "it makes an ordinary user root in a container, and nowhere else", Try: tryUserNamespace},
		{Name: "id ranges", Alone: true, Why: "a system has many users, and each must be somebody on this machine", Try: e.tryIDs},
		{Name: "newuidmap", Alone: true, Why: "only these set-id programs may give a container a user's id ranges", Try: tryMappers},
		{Name: "container", Why: "all of it together: one is made, with its mounts, ids, limits and filter, that starts nothing",
			Try: func(ctx context.Context) (string, error) {
				return "one was made and has ended", explainTrial(e.rehearse(ctx))
			}},
		{Name: "overlay", Advice: true, Why: "a build starts on top of a kept environment; without, on a copy of it, which takes time and disk",
			Try: e.tryOverlay},
		{Name: "limits", Advice: true, Why: "they hold a build to its memory, its processes and its processors", Try: e.tryLimits},
	}
}

func tryProc(context.Context) (string, error) {
	if _, err := os.Readlink("/proc/self/exe"); err != nil {
		return "", probe.Mend(fmt.Errorf("/proc is not mounted: %w", err), probe.Command("mount -t proc proc /proc"))
	}
	return "mounted", nil
}

func tryKernel(context.Context) (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", fmt.Errorf("asking the kernel's name: %w", err)
	}
	return "Linux " + unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:]), mendOther(checkKernel())
}

// mendOther is for what a kernel lacks.
func mendOther(err error) error { return probe.Mend(err, otherEngine()) }

// explainFolder says what mends a state folder.
func explainFolder(err error) error {
	elsewhere := probe.Advise("name a folder on another disk with --cache")
	switch {
	case err == nil, len(probe.Remedies(err)) > 0:
		return err
	case errors.Is(err, unix.EROFS), errors.Is(err, fs.ErrPermission):
		return probe.Mend(err, elsewhere)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return probe.Mend(err, probe.Remedy{Command: "satchel clean", Note: "removes environments that nobody uses"}, elsewhere)
	}
	return err
}

// tryUserNamespace starts this program in one; it does nothing there.
func tryUserNamespace(ctx context.Context) (string, error) {
	if privileged() {
		return "", probe.NotNeeded("root makes containers without one")
	}
	runtime.LockOSThread() // whose death the kernel takes for this program's
	defer runtime.UnlockOSThread()
	c := exec.CommandContext(ctx, "/proc/self/exe", InitWord, errandWord)
	c.Env, c.Dir = []string{}, "/"
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, AmbientCaps: ambient(), Pdeathsig: syscall.SIGKILL}
	err := c.Start()
	if err != nil {
		return "", fmt.Errorf("making a user namespace: %w", explain(err))
	}
	if err := c.Wait(); err != nil && c.ProcessState.ExitCode() != noErrand {
		return "", fmt.Errorf("starting a program in a user namespace: %w", err)
	}
	return "one was made", nil
}

func (e *Engine) tryIDs(context.Context) (string, error) {
	if err := e.knowIDs(); err != nil {
		return "", err
	}
	if e.ids == nil {
		return "all of them are root's", nil
	}
	text := func(spans []span) string {
		var list []string
		for _, s := range spans[1:] {
			list = append(list, fmt.Sprintf("%d-%d", s.outside, s.outside+s.count-1))
		}
		return strings.Join(list, ",")
	}
	return "users " + text(e.ids.users) + ", groups " + text(e.ids.groups), nil
}

func tryMappers(context.Context) (string, error) {
	if privileged() {
		return "", probe.NotNeeded("root gives itself ids")
	}
	var found []string
	for _, program := range []string{"newuidmap", "newgidmap"} {
		path, err := mapper(program)
		if err != nil {
			return "", err
		}
		found = append(found, path)
	}
	return strings.Join(found, " "), nil
}

// explainTrial says what mends a container that could not be made.
func explainTrial(err error) error {
	switch {
	case err == nil, len(probe.Remedies(err)) > 0:
		return err
	case strings.Contains(err.Error(), "noexec"):
		return probe.Mend(err, probe.Advise("name a folder on another file system with --cache"))
	}
	return explainFolder(err)
}

func (e *Engine) tryOverlay(ctx context.Context) (string, error) {
	if err := e.rehearse(ctx); err != nil {
		return "", err
	}
	if !e.trial.overlay {
		return "", probe.Mend(errors.New("the kernel refuses one in the state folder: environments will be copied"),
			probe.Advise("name a folder on ext4, xfs, btrfs or tmpfs with --cache; as an ordinary user it takes Linux 5.11"))
	}
	return "mounted in the state folder", nil
}

func (e *Engine) tryLimits(ctx context.Context) (string, error) {
	if err := e.rehearse(ctx); err != nil {
		return "", err
	}
	held := e.trial.held
	var by, not []string
	for _, l := range []struct {
		name string
		held int64
	}{{"memory", held.memory}, {"processes", held.processes}, {"processors", held.cpus}} {
		if l.held > 0 {
			by = append(by, l.name)
		} else {
			not = append(not, l.name)
		}
	}
	if !e.trial.unheld {
		return fmt.Sprintf("%s, by %s", strings.Join(by, ", "), cgroupVersion(findHierarchies())), nil
	}
	return "", unheld(not)
}

// unheld says why some limits are not control groups', and what mends it.
func unheld(not []string) error {
	h := findHierarchies()
	version := cgroupVersion(h)
	err := fmt.Errorf("%s cannot be written: each process is held by itself, not all together, in %s", version, strings.Join(not, ", "))
	switch {
	case version == noGroups:
		return probe.Mend(fmt.Errorf("%s: each process is held by itself, not all together, in %s", version, strings.Join(not, ", ")),
			probe.Command("mount -t cgroup2 cgroup2 /sys/fs/cgroup"))
	case h.hidden():
		return probe.Mend(fmt.Errorf("%s: something is mounted over them", err), probe.Command("umount "+cgroupTop), asRoot())
	case !privileged() && version == groups2:
		return probe.Mend(err, probe.Remedy{Command: "systemd-run --user --scope satchel run …", Note: "gives the run a group of its own"}, asRoot())
	case !privileged():
		return probe.Mend(err, asRoot())
	case version == groups2:
		return probe.Mend(err, probe.Remedy{Command: "systemd-run --scope -p Delegate=yes satchel run …", Root: true, Note: "gives the run a group of its own"})
	}
	return probe.Mend(err, probe.Advise("start the kernel with cgroup_enable=memory"))
}

// cgroupTop is where all machines have their control groups.
const cgroupTop = "/sys/fs/cgroup"

// What is said of control groups.
const (
	noGroups = "no control groups"
	groups1  = "control groups (version 1)"
	groups2  = "control groups (version 2)"
)

// cgroupVersion says which control groups limits would be of.
func cgroupVersion(h hierarchies) string {
	switch {
	case h.memory != "" || h.pids != "" || h.cpu != "":
		return groups1
	case h.unified != "":
		return groups2
	}
	return noGroups
}

// hidden tells whether one of the trees is mounted, and cannot be seen.
func (h hierarchies) hidden() bool {
	for _, at := range []string{h.memory, h.pids, h.cpu, h.unified} {
		if at != "" && unix.Access(at+"/cgroup.procs", unix.F_OK) != nil {
			return true
		}
	}
	return false
}
