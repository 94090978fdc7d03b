//go:build !linux

package guest

import (
	"fmt"
	"io"
)

// Main says that only Linux has containers; the host's half of this package is
// on every system, for a daemon elsewhere.
func Main(_ []string, _ io.Reader, _, stderr io.Writer) int {
	fmt.Fprintln(stderr, "satchel guest: only Linux has containers")
	return 2
}
