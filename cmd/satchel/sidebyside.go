package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

// sideBySide is how many builds of so many MiB this machine has the memory
// for, at most want and at least one.
func sideBySide(ui *ui, want int, each int64) int {
	if want < 2 {
		return want
	}
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return want // not Linux: the daemon's machine is another
	}
	defer f.Close()
	free, ok := available(f)
	if n := max(1, int(free/each)); ok && n < want {
		ui.Stepf("%d MiB of memory are free, %d for each build: building %d at a time, not %d", free, each, n, want)
		return n
	}
	return want
}

// available reads how many MiB new programs may take (proc(5), /proc/meminfo).
func available(r io.Reader) (mib int64, ok bool) {
	for s := bufio.NewScanner(r); s.Scan(); {
		if n, err := fmt.Sscanf(s.Text(), "MemAvailable: %d kB", &mib); n == 1 && err == nil {
			return mib >> 10, true
		}
	}
	return 0, false
}
