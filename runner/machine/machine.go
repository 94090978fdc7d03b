// Package machine looks at what a machine has besides an engine: memory, disk,
// whether it runs 32-bit programs, what guards it. It asks the kernel, and
// nobody else.
package machine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"satchel/runner/probe"
)

// Wants are what somebody wants of a machine.
type Wants struct {
	Folder string // the cache: environments and builds
	Memory int64  // bytes, for all builds at a time
	I386   bool   // a build is of that architecture
}

// Free is what a file system has left for this user.
type Free struct {
	Kind   string // of the file system, "ext4"; a number where it is an unknown one
	Bytes  int64
	Inodes int64 // -1 where it has no count of them
	Fixed  bool  // it is mounted read-only
}

// Device is the number of the file system that a file or folder is on.
func Device(name string) (uint64, error) {
	var s unix.Stat_t
	if err := unix.Stat(name, &s); err != nil {
		return 0, &os.PathError{Op: "stat", Path: name, Err: err}
	}
	return uint64(s.Dev), nil
}

// Memory is that of the machine, in bytes; zero where it is not known.
type Memory struct{ Total, Available, Swap int64 }

// least is what a cache folder must have for an engine to keep its state, in
// bytes: copies of satchel, and the folders of runs.
const least = 64 << 20

// Probes are the list of a machine. Nothing of it is an engine's.
func (w Wants) Probes() []probe.Probe {
	return []probe.Probe{
		{Name: "memory", Alone: true, Why: "a script gets as much as -m says, and is killed beyond", Try: w.tryMemory},
		{Name: "cache folder", Alone: true, Why: "downloads, environments and what builds write are there", Try: w.tryFolder},
		{Name: "32-bit programs", Alone: true, Advice: !w.I386, Why: "builds for i386 run them", Try: w.try32},
		{Name: "SELinux", Alone: true, Advice: true, Why: "it can forbid what containers are made of", Try: trySELinux},
		{Name: "AppArmor", Alone: true, Advice: true, Why: "it can forbid what containers are made of", Try: tryAppArmor},
		{Name: "/dev/shm", Alone: true, Advice: true, Why: "programs share memory through it", Try: tryShm},
	}
}

func (w Wants) tryMemory(context.Context) (string, error) {
	m, err := ReadMemory()
	if err != nil {
		return "", probe.NotNeeded(err.Error())
	}
	text := fmt.Sprintf("%d MiB, %d of them available; swap %d MiB", m.Total>>20, m.Available>>20, m.Swap>>20)
	less := probe.Advise(fmt.Sprintf("give scripts less with -m, such as -m %d, if they can do with it", max(1, m.Available>>20)))
	switch {
	case m.Total < w.Memory:
		return "", probe.Mend(fmt.Errorf("%s: less than the %d MiB that builds are to have", text, w.Memory>>20), less)
	case m.Available < w.Memory:
		return "", probe.Mend(&scarce{fmt.Sprintf("%s: other programs hold some of the %d MiB that builds are to have", text, w.Memory>>20)},
			probe.Advise("end other programs"), less)
	}
	return text, nil
}

// A scarce error is a warning of a probe that else must hold.
type scarce struct{ text string }

func (s *scarce) Error() string { return s.text }

// Warning tells probe.All so.
func (*scarce) Warning() bool { return true }

func (w Wants) tryFolder(context.Context) (string, error) {
	f, at, err := FreeAt(w.Folder)
	if err != nil {
		return "", fmt.Errorf("looking at %s: %w", w.Folder, err)
	}
	text := fmt.Sprintf("%s: %s, %s free", w.Folder, f.Kind, Bytes(f.Bytes))
	if f.Inodes >= 0 {
		text += fmt.Sprintf(", %d inodes", f.Inodes)
	}
	elsewhere := probe.Advise("name a folder on another disk with --cache")
	switch {
	case f.Fixed:
		return "", probe.Mend(fmt.Errorf("%s, mounted read-only", text), probe.Command("mount -o remount,rw "+quote(at)), elsewhere)
	case f.Bytes < least:
		return "", probe.Mend(fmt.Errorf("%s: less than the %s that satchel itself takes", text, Bytes(least)), clean(), elsewhere)
	case f.Inodes >= 0 && f.Inodes < 1000:
		return "", probe.Mend(errors.New(text+": too few for files"), clean(), elsewhere)
	}
	return text, nil
}

func clean() probe.Remedy {
	return probe.Remedy{Command: "satchel clean", Note: "removes environments that nobody uses"}
}

func (w Wants) try32(context.Context) (string, error) {
	if runtime.GOARCH != "amd64" || runtime.GOOS != "linux" {
		return "", probe.NotNeeded("the containers' machine is another")
	}
	if err := run32(); err != nil {
		return "", probe.Mend(fmt.Errorf("running a 32-bit program: %w", err),
			probe.Advise("start the kernel with ia32_emulation=1; it must have CONFIG_IA32_EMULATION"),
			probe.Advise("run builds for i386 on another machine: some virtual ones never can"))
	}
	return "one was run", nil
}

// Bytes says a size to people.
func Bytes(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	f, u := float64(n), 0
	for f >= 1024 && u < len(units)-1 {
		f, u = f/1024, u+1
	}
	if u == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[u])
}

// quote is for a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// parseMemory reads /proc/meminfo, as proc_meminfo(5) describes it.
func parseMemory(r io.Reader) (m Memory, err error) {
	for s := bufio.NewScanner(r); s.Scan(); {
		var name string
		var n int64
		if _, err := fmt.Sscanf(s.Text(), "%s %d kB", &name, &n); err != nil || n < 0 || n > 1<<50 {
			continue
		}
		switch name {
		case "MemTotal:":
			m.Total = n << 10
		case "MemAvailable:":
			m.Available = n << 10
		case "SwapTotal:":
			m.Swap = n << 10
		}
	}
	if m.Total == 0 || m.Available == 0 {
		return Memory{}, errors.New("the kernel does not tell how much memory there is")
	}
	return m, nil
}
