package sandbox

import (
	"errors"
	"fmt"
	"strings"

	"satchel/runner"
)

// DefaultProcesses is how many processes and threads a container may have when
// its Container does not say.
const DefaultProcesses = 16384

// checkContainer refuses what cannot be, and fills defaults in.
func checkContainer(c *runner.Container) error {
	if c.Hostname == "" {
		c.Hostname = "satchel"
	}
	bad := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.')
	}
	if len(c.Hostname) > 64 || strings.ContainsFunc(c.Hostname, bad) {
		return fmt.Errorf("host name %.80q: want at most 64 letters, digits, hyphens and dots", c.Hostname)
	}
	if c.Memory < 0 || c.Processes < 0 {
		return errors.New("a negative limit of memory or processes")
	}
	if c.Processes == 0 {
		c.Processes = DefaultProcesses
	}
	return nil
}

// lay makes the folders that the container's root consists of.
func (e *Engine) lay(r *run, c runner.Container) (*boot, error) {
	b := &boot{Init: e.copied, Hostname: c.Hostname, Sudo: e.sudo}
	if c.Environment.IsZero() {
		var err error
		b.Root, err = r.mkdir(rootName, 0o755)
		return b, err
	}
	var err error
	if r.uses, err = e.hold(c.Environment); err != nil {
		return nil, err
	}
	b.Lower = e.path("environments", c.Environment.Hex(), rootName)
	if b.Root, err = r.mkdir("merged", 0o755); err != nil {
		return nil, err
	}
	if b.Upper, err = r.mkdir("upper", 0o755); err != nil {
		return nil, err
	}
	b.Work, err = r.mkdir("work", 0o700)
	return b, err
}
