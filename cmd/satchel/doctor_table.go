package main

import (
	"fmt"
	"io"
	"strings"

	"satchel/runner/probe"
)

// table is the checkup for people: a line for each thing, and below what is not
// as it should be why it is wanted and what mends it.
func (k *checkup) table(w io.Writer) error {
	var b strings.Builder
	for _, a := range k.Areas {
		fmt.Fprintf(&b, "%s\n", a.Name)
		for _, f := range a.Findings {
			fmt.Fprintf(&b, "  %-11s %-17s %s\n", f.Verdict, f.Name, flat(f.Found))
			if f.Verdict != probe.Fails && f.Verdict != probe.Warning {
				continue
			}
			if f.Why != "" {
				fmt.Fprintf(&b, "%32s%s\n", "why: ", f.Why)
			}
			for i, r := range probe.For(f.Mend, k.ids...) {
				label := "mend: "
				if i > 0 {
					label = "or: "
				}
				fmt.Fprintf(&b, "%32s%s\n", label, flat(r.String()))
			}
		}
	}
	if k.Bundle != nil {
		k.Bundle.table(&b)
	}
	switch {
	case k.Works && k.Bundle != nil:
		fmt.Fprintf(&b, "the bundle can be run here, by engine %s\n", k.Engine)
	case k.Works:
		fmt.Fprintf(&b, "builds can be run here, by engine %s\n", k.Engine)
	case k.Engine == "":
		b.WriteString("no engine works here\n")
	default:
		fmt.Fprintf(&b, "engine %s works here, but not everything else\n", k.Engine)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// flat keeps what others say from driving the terminal.
func flat(s string) string { return strings.ReplaceAll(printable(s), "\n", " ") }
