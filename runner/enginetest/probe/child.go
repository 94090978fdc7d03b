//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"satchel/runner/enginetest/wire"
)

// buildUser is the uid and gid of those who run scripts.
const buildUser = 1000

// child answers a request in a process of the build user.
func child(q wire.Request) (r wire.Reply) {
	program := q.Program
	if program == "" {
		program = "/proc/self/exe"
	}
	q.Child = false
	text, err := json.Marshal(q)
	if err != nil {
		return wire.Reply{Error: err.Error()}
	}
	c := exec.Command(program, "guest", "one")
	c.Stdin, c.Stderr = bytes.NewReader(text), os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: buildUser, Gid: buildUser}}
	out, err := c.Output()
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		return wire.Reply{Error: "the child: " + err.Error()}
	}
	return r
}

// one answers the request of standard input.
func one() int {
	var q wire.Request
	if err := json.NewDecoder(os.Stdin).Decode(&q); err != nil {
		fmt.Fprintln(os.Stderr, "probe: not a request:", err)
		return 99
	}
	if json.NewEncoder(os.Stdout).Encode(do(q)) != nil {
		return 98
	}
	return 0
}

// copyFile copies a program, executable for all.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}
