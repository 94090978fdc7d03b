package runner

import (
	"fmt"
	"strings"
)

// ScriptError says that a build script failed.
type ScriptError struct {
	Descriptor string
	Target     string   // suite-architecture
	Exit       int      // the script's status
	Wanted     []Wanted // what it asked for from outside: it wanted the network
	Log        string   // file with all that it printed
	Tail       string   // the last of it

	Exhausted         // what it ran out of
	Limits    Options // what it had
}

// Error names the status, the log, and what the script wanted from whence.
func (e *ScriptError) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "the build script for %s ended with status %d; its output is in %s", e.Target, e.Exit, e.Log)
	if len(e.Wanted) > 0 {
		s.WriteString("\nit asked for the network, which there never is in a build:")
	}
	told := map[string]bool{}
	for _, w := range e.Wanted {
		fmt.Fprintf(&s, "\n  %s", w)
		if !told[w.Remedy] {
			fmt.Fprintf(&s, "\n    %s", w.Remedy)
			told[w.Remedy] = true
		}
	}
	return s.String() + e.shortage(e.Limits, e.Tail)
}
