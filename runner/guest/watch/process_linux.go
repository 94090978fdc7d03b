package watch

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Bounds of what is looked at and remembered.
const (
	maxDepth   = 128 // of processes, from one that asks to the shell
	maxCommand = 200 // bytes of a command line
)

// Process is a shell that is fed a script; without a Feed, one that people use.
type Process struct {
	Pid  int
	Feed *Feed
}

// Asker tells who the process (or thread) pid is to the script.
func (p Process) Asker(pid int) Asker {
	var commands []string
	own := command(p.Pid)
	for range maxDepth {
		if pid <= 1 || pid == p.Pid {
			break
		}
		// A subshell is the shell once more, without a command line of its own.
		if c := command(pid); c != "" && c != own && (len(commands) == 0 || commands[0] != c) {
			commands = append([]string{c}, commands...)
		}
		pid = parent(pid)
	}
	return Asker{Line: p.Feed.Line(), Commands: commands}
}

// command is a process's command line, as one would type it; "" if it is gone.
func command(pid int) string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, 4*maxCommand)
	n, _ := f.Read(b)
	words := strings.ReplaceAll(strings.TrimRight(string(b[:n]), "\x00"), "\x00", " ")
	if len(words) > maxCommand {
		words = words[:maxCommand] + "…"
	}
	return strings.ToValidUTF8(words, "\uFFFD")
}

// parent is the process that started the one that pid is a thread of; 0 if it is gone.
func parent(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte("PPid:")); ok {
			n, _ := strconv.Atoi(string(bytes.TrimSpace(rest)))
			return n
		}
	}
	return 0
}

// Owner finds the process of a user that has a socket of the given kind ("udp",
// "tcp") bound to a local port; 0 if there is none.
func Owner(kind string, port uint16, uid, gid int) int {
	as := actAs(uid, gid)
	defer as.back()
	for _, table := range []string{kind, kind + "6"} {
		if inode := socketAt("/proc/net/"+table, port); inode != "" {
			return holder("socket:[" + inode + "]")
		}
	}
	return 0
}

// socketAt reads a table of sockets (proc(5), /proc/net/udp).
func socketAt(table string, port uint16) (inode string) {
	b, err := os.ReadFile(table)
	if err != nil {
		return ""
	}
	want := fmt.Sprintf(":%04X", port)
	for line := range bytes.Lines(b) {
		f := strings.Fields(string(line))
		if len(f) > 9 && strings.HasSuffix(f[1], want) && f[9] != "0" {
			return f[9]
		}
	}
	return ""
}

// holder is the process that has a file open to which the link points.
func holder(link string) int {
	all, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, p := range all {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		dir := "/proc/" + p.Name() + "/fd/"
		files, err := os.ReadDir(dir)
		if err != nil {
			continue // not the user's
		}
		for _, f := range files {
			if to, err := os.Readlink(dir + f.Name()); err == nil && to == link {
				return pid
			}
		}
	}
	return 0
}
