//go:build linux

package guest

import "time"

const (
	// spoolDir holds the packages and their contents until they are placed.
	spoolDir = ownPrefix + "-spool"
	// killDelay is how long a killed program's output is waited for.
	killDelay = 2 * time.Second
)
