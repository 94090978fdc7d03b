package sandbox

import (
	"path/filepath"
	"strconv"

	"satchel/runner"
	"satchel/runner/guest"
)

// limits are what a run's groups hold it to; 0 is none.
type limits struct {
	memory    int64 // bytes
	processes int64
	cpus      int64
}

// A setting is one file of a control group and what to write there.
type setting struct {
	file, value string
	optional    bool // only where the kernel has it
}

// cpuPeriod is the time in which a share of processors is used, in µs.
const cpuPeriod = 100_000

// settings say how a group of that version holds its processes to the limits.
// Each list is one limit: it holds when all of it could be written.
func (want limits) settings(version int) (memory, processes, cpus []setting) {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	if want.memory > 0 && version == 2 { // which counts swap alone
		memory = []setting{{"memory.max", number(want.memory), false}, {"memory.swap.max", "0", true}}
	} else if want.memory > 0 { // memory and swap
		memory = []setting{{"memory.limit_in_bytes", number(want.memory), false}, {"memory.memsw.limit_in_bytes", number(want.memory), true}}
	}
	if want.processes > 0 {
		processes = []setting{{"pids.max", number(want.processes), false}}
	}
	if want.cpus > 0 && version == 2 {
		cpus = []setting{{"cpu.max", number(want.cpus*cpuPeriod) + " " + number(cpuPeriod), false}}
	} else if want.cpus > 0 {
		cpus = []setting{{"cpu.cfs_period_us", number(cpuPeriod), false}, {"cpu.cfs_quota_us", number(want.cpus * cpuPeriod), false}}
	}
	return memory, processes, cpus
}

// limit writes the limits and returns those that hold.
func (g group) limit(want limits, version int) (held limits) {
	memory, processes, cpus := want.settings(version)
	if g.set(memory) {
		held.memory = want.memory
	}
	if g.set(processes) {
		held.processes = want.processes
	}
	if g.set(cpus) {
		held.cpus = want.cpus
	}
	return held
}

func (g group) set(list []setting) bool {
	for _, s := range list {
		if g.write(s.file, s.value) != nil && !s.optional {
			return false
		}
	}
	return len(list) > 0
}

// exhausted reads what the kernel has counted in the groups of a run.
func exhausted(groups []group) (e runner.Exhausted) {
	for _, g := range groups {
		counts := func(file, name string) bool { return guest.Counts(filepath.Join(string(g), file), name) }
		e.Memory = e.Memory || counts("memory.events", "oom_kill") || counts("memory.oom_control", "oom_kill")
		e.Processes = e.Processes || counts("pids.events", "max")
	}
	return e
}
