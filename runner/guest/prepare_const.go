//go:build linux

package guest

import "time"

const (
	// spoolDir holds the packages and their contents until they are placed.
	spoolDir = ownPrefix + "-spool"
	// worthDividing is how many bytes of packages a wave must have besides its light
	// part for their unpacking to take longer than a second run of dpkg.
	worthDividing = 32 << 20
	// killDelay is how long a killed program's output is waited for.
	killDelay = 2 * time.Second
)
