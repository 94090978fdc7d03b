package runner

import (
	"fmt"
	"strings"
)

// shortWords are what programs print when memory or processes are refused to
// them. Where a limit is the kernel's for each process (without control
// groups), nothing else tells.
var shortWords = [...]struct {
	words  string
	memory bool
}{
	{"cannot allocate memory", true}, {"virtual memory exhausted", true}, {"out of memory", true}, {"bad_alloc", true},
	{"memoryerror", true}, {"memory exhausted", true}, {"resource temporarily unavailable", false},
}

// shortage says what a build ran out of and the way out, each on a line of its
// own, beginning with a line feed; "" if it did not, as far as is known. tail is
// the last that a failed script printed.
func (e Exhausted) shortage(o Options, tail string) (s string) {
	said := Exhausted{}
	tail = strings.ToLower(tail)
	for _, w := range shortWords {
		if strings.Contains(tail, w.words) {
			said.Memory, said.Processes = said.Memory || w.memory, said.Processes || !w.memory
		}
	}
	switch {
	case e.Memory:
		s += fmt.Sprintf("\nmemory ran out, and the kernel killed what took most: the limit is %d MiB, give more with -m, or fewer processes with -j", o.Memory)
	case said.Memory:
		s += fmt.Sprintf("\nit speaks of memory: the limit is %d MiB, give more with -m, or fewer processes with -j", o.Memory)
	}
	switch {
	case e.Processes:
		s += fmt.Sprintf("\na new process was refused: the limit is %d at a time", DefaultProcesses(o.Jobs))
	case said.Processes:
		s += fmt.Sprintf("\nit speaks of a resource that was refused: the limit is %d processes at a time", DefaultProcesses(o.Jobs))
	}
	return s
}
