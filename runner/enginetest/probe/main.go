//go:build linux

// Probe is the init that the conformance tests put into a container in the
// place of satchel: it does what it is told and says what it sees. It takes
// one JSON [Request] a line on standard input and answers each with one JSON
// [Reply] a line on standard output; some requests then use the two streams
// for something else, until the end.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"satchel/runner/enginetest/wire"
	"satchel/runner/guest"
	"satchel/runner/sandbox"
)

func main() {
	if code := sandbox.Main(os.Args); code >= 0 { // as in satchel
		os.Exit(code)
	}
	if len(os.Args) > 2 && os.Args[2] == guestWord {
		os.Exit(guest.Main(nil, os.Stdin, os.Stdout, os.Stderr))
	}
	if len(os.Args) > 2 && os.Args[2] == "exec" { // what the guest starts a command by
		os.Exit(guest.Main(os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
	}
	if len(os.Args) > 2 && os.Args[2] == "child" {
		time.Sleep(time.Hour) // argument 3 is a mark by which a test finds it
		return
	}
	if len(os.Args) > 2 && os.Args[2] == "one" {
		os.Exit(one())
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			os.Exit(0)
		}
		var q wire.Request
		if err := json.Unmarshal(line, &q); err != nil {
			fmt.Fprintln(os.Stderr, "probe: not a request:", err)
			os.Exit(99)
		}
		if stream(q, in) {
			return
		}
		if err := out.Encode(do(q)); err != nil {
			os.Exit(98)
		}
	}
}
