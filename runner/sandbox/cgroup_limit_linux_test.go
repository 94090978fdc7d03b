package sandbox

import (
	"reflect"
	"testing"
)

// What is written into which file, in both versions of control groups.
func TestSettings(t *testing.T) {
	all := limits{memory: 300 << 20, processes: 60, cpus: 3}
	for version, want := range map[int][][]setting{
		1: {
			{{"memory.limit_in_bytes", "314572800", false}, {"memory.memsw.limit_in_bytes", "314572800", true}},
			{{"pids.max", "60", false}},
			{{"cpu.cfs_period_us", "100000", false}, {"cpu.cfs_quota_us", "300000", false}},
		},
		2: {
			{{"memory.max", "314572800", false}, {"memory.swap.max", "0", true}},
			{{"pids.max", "60", false}},
			{{"cpu.max", "300000 100000", false}},
		},
	} {
		memory, processes, cpus := all.settings(version)
		if got := [][]setting{memory, processes, cpus}; !reflect.DeepEqual(got, want) {
			t.Errorf("version %d: %v, want %v", version, got, want)
		}
	}
	if m, p, c := (limits{}).settings(2); len(m)+len(p)+len(c) > 0 {
		t.Errorf("no limits: %v %v %v", m, p, c)
	}
}
