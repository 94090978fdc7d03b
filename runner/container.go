package runner

import (
	"errors"
	"fmt"
	"strings"
)

// DefaultProcesses is how many processes and threads a container may have when
// its Container does not say: plenty for a parallel build, and less than brings
// a machine down.
func DefaultProcesses(cpus int) int64 { return max(4096, 128*int64(cpus)) }

// LastWords is how much of an init's standard error engines keep, in bytes.
const LastWords = 64 << 10

// Complete refuses what cannot be, and fills defaults in. Engines call it.
func (c *Container) Complete() error {
	if c.Hostname == "" {
		c.Hostname = hostname
	}
	bad := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.')
	}
	if len(c.Hostname) > 64 || strings.ContainsFunc(c.Hostname, bad) {
		return fmt.Errorf("host name %.80q: want at most 64 letters, digits, hyphens and dots", c.Hostname)
	}
	if c.Remains != "" && (!IsRemainsName(c.Remains) || c.Environment.IsZero()) {
		return fmt.Errorf("starting from %.80q: that is no name of remains, or their environment is not named", c.Remains)
	}
	if c.Memory < 0 || c.Processes < 0 || c.CPUs < 0 {
		return errors.New("a negative limit of memory, processes or processors")
	}
	if c.Processes == 0 {
		c.Processes = DefaultProcesses(c.CPUs)
	}
	return nil
}
