package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// An owner is a program on a machine, "place.process.start": place is a hash
// of what tells process tables apart (the boot and the pid namespace), start
// tells two processes with one number apart. Only a program of the same place
// can say that another has gone; where the kernel does not tell, nobody can,
// and containers that were left are removed by `satchel clean`.

// owner names this program; "" where that cannot be done.
func owner() string {
	place := place()
	start := startTime(os.Getpid())
	if place == "" || start == "" {
		return ""
	}
	return fmt.Sprintf("%s.%d.%s", place, os.Getpid(), start)
}

// ownerGone tells whether a named program has certainly ended.
func ownerGone(name string) bool {
	parts := strings.Split(name, ".")
	if len(parts) != 3 || place() == "" || parts[0] != place() {
		return false
	}
	pid, err := strconv.Atoi(parts[1])
	return err == nil && pid > 0 && startTime(pid) != parts[2]
}

// ownerHere tells whether a named program certainly goes on: its container may not run
// yet, or not any more, and still be wanted.
func ownerHere(name string) bool {
	parts := strings.Split(name, ".")
	if len(parts) != 3 || place() == "" || parts[0] != place() {
		return false
	}
	pid, err := strconv.Atoi(parts[1])
	return err == nil && pid > 0 && startTime(pid) == parts[2]
}

// place hashes the boot's id and the pid namespace.
func place() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	ns, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	h := sha256.Sum256(append(boot, ns...))
	return hex.EncodeToString(h[:8])
}

// startTime returns when a process started, in the kernel's ticks since boot,
// "" if there is no such process: field 22 of proc_pid_stat(5).
func startTime(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The second field is the name in parentheses, and may hold anything.
	_, rest, ok := strings.Cut(string(text[max(0, strings.LastIndexByte(string(text), ')')):]), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}
