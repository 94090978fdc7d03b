// Package watch tells who, in a container, asks for the network, and from
// which line of a script. A container has none, so whatever is asked for is
// refused by the kernel; this is only about saying what it was.
//
// It leaves no trace that a script could meet: no trap, no preloaded library,
// no variable, no tracer. Three things are looked at from outside:
//
//   - [Filter] makes the kernel report the calls that name an address (connect,
//     sendto, sendmsg, sendmmsg) before it carries them out as ever. This
//     takes Linux 5.5; before that, only names are known.
//   - /proc tells which process asks, and who started it.
//   - [Feed] knows how far the shell has read the script on its standard input. A
//     shell reads a pipe byte by byte and no further than the end of the
//     command that it will run next, for what follows might be that command's input.
//
// When a build is done twice, the second time the same reports serve to list
// folders backwards: a result that depends on their order then shows.
package watch

import "net/netip"

// Asker is a process that asked for something, as it was at that moment.
type Asker struct {
	Line     int      // lines of the script that the shell had read; 0 if the asker is none of the script's
	Commands []string // from what the script started down to the one that asked; may be empty
}

// outside tells whether an address is not on this very machine.
func outside(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsValid() && !a.IsLoopback() && !a.IsUnspecified()
}
