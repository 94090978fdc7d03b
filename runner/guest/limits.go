//go:build linux

package guest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// narrow keeps this thread and what it starts on n of the processors that it
// has, so that nproc says n, as in a virtual machine with so many. Which ones is
// left to chance: several builds at once should not share them. 0 is all.
func narrow(n int) error {
	var have unix.CPUSet
	if err := unix.SchedGetaffinity(0, &have); err != nil {
		return fmt.Errorf("asking for processors: %w", err)
	}
	if n <= 0 || have.Count() <= n {
		return nil
	}
	var list []int
	for cpu := 0; len(list) < have.Count(); cpu++ {
		if have.IsSet(cpu) {
			list = append(list, cpu)
		}
	}
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	var some unix.CPUSet
	for _, cpu := range list[:n] {
		some.Set(cpu)
	}
	if err := unix.SchedSetaffinity(0, &some); err != nil {
		return fmt.Errorf("keeping to %d processors: %w", n, err)
	}
	return nil
}

// A counter is a line "name N" of a file.
type counter struct{ file, name string }

// Where the kernel counts, of this container, processes killed for want of
// memory and processes refused: version 2 of control groups, then version 1.
// The sandbox shows a container none of this, and reads it from outside.
var (
	oomFiles = [...]counter{
		{"/sys/fs/cgroup/memory.events", "oom_kill"},
		{"/sys/fs/cgroup/memory/memory.oom_control", "oom_kill"},
	}
	refusedFiles = [...]counter{
		{"/sys/fs/cgroup/pids.events", "max"},
		{"/sys/fs/cgroup/pids/pids.events", "max"},
	}
)

// counted tells whether one of the counters is above 0.
func counted(list []counter) bool {
	return slices.ContainsFunc(list, func(c counter) bool { return Counts(c.file, c.name) })
}

// Counts tells whether file has a line "name N" with an N above 0; not, if
// there is no such file.
func Counts(file, name string) bool {
	text, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name && f[1] != "0" {
			return true
		}
	}
	return false
}
