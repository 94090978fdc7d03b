package runner

import (
	"fmt"
	"slices"
	"strconv"

	"satchel/manifest/provenance"
	"satchel/runner/guest"
)

// What a second build has otherwise. The contract (GITIAN.md 1.5, OFFLINE.md 7) fixes the rest.
const (
	secondHost   = "elsewhere-2"
	secondPids   = 3000       // process numbers are above
	secondUptime = 100 * 3600 // seconds that the machine seems older
	moreMemory   = 64         // MiB
	secondUsers  = 1 << 30    // the host's user that is the container's first after root
)

// vary is what the builds of a run have otherwise than ordinary ones; the zero
// value is nothing.
type vary struct {
	guest  guest.Vary
	host   string
	inputs bool // the last comes first
}

func (v vary) plan(b *guest.Build) {
	b.Vary = v.guest
	if v.inputs { // git takes the reverse order as well, for each has a folder of its own
		slices.Reverse(b.Sources)
		slices.Reverse(b.Files)
	}
}

func (v vary) container(c *Container) {
	if v.host != "" {
		c.Hostname = v.host
	}
	c.Uptime, c.Users = v.guest.Uptime, v.guest.Users
}

// Variations are the names that Twice.Same takes, in the order in which they are told of.
func Variations() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// kind is something that may be varied.
type kind struct {
	name, what string
	// set makes the second run so; it answers what both have, "" where that is known only later.
	set func(second *Run) (first, other string)
	key string // of guest's, in Outcome.Unvaried
}

// kinds are all that a run can vary by itself.
func kinds() []kind {
	return []kind{
		{name: "host-name", what: "host name", set: func(r *Run) (string, string) { r.vary.host = secondHost; return hostname, secondHost }},
		{name: "jobs", what: "number of processors, and -j", set: func(r *Run) (string, string) {
			n := r.Options.Jobs
			if r.Options.Jobs = n - 1; n < 2 {
				r.Options.Jobs = n + 1
			}
			return strconv.Itoa(n), strconv.Itoa(r.Options.Jobs)
		}},
		{name: "memory", what: "memory in MiB, and -m", set: func(r *Run) (string, string) {
			r.Options.Memory += moreMemory
			return strconv.FormatInt(r.Options.Memory-moreMemory, 10), strconv.FormatInt(r.Options.Memory, 10)
		}},
		{name: guest.VaryListings, what: "order in which folders list their files", key: guest.VaryListings, set: func(r *Run) (string, string) {
			r.vary.guest.Listings = true
			return "the file system's", "the reverse"
		}},
		{name: "inputs", what: "order in which inputs are placed", set: func(r *Run) (string, string) { r.vary.inputs = true; return "first to last", "last to first" }},
		{name: guest.VaryAddresses, what: "addresses in memory", key: guest.VaryAddresses, set: func(r *Run) (string, string) {
			r.vary.guest.Addresses = true
			return "at random", "fixed"
		}},
		{name: guest.VaryKernel, what: "kernel release", key: guest.VaryKernel, set: func(r *Run) (string, string) { r.vary.guest.Kernel = true; return "", "" }},
		{name: guest.VaryPids, what: "process numbers", key: guest.VaryPids, set: func(r *Run) (string, string) {
			r.vary.guest.Pids = secondPids
			return "from 1", "above " + strconv.Itoa(secondPids)
		}},
		{name: guest.VaryUptime, what: "time since the machine started", key: guest.VaryUptime, set: func(r *Run) (string, string) {
			r.vary.guest.Uptime = secondUptime
			return "as it is", fmt.Sprintf("%d hours longer", secondUptime/3600)
		}},
		{name: guest.VaryUsers, what: "users on the host", key: guest.VaryUsers, set: func(r *Run) (string, string) {
			r.vary.guest.Users = secondUsers
			return "those of the same numbers", "from " + strconv.Itoa(secondUsers) + " on"
		}},
	}
}

// told completes a variation with what the builds have seen.
func (k kind) told(v provenance.Variation, first, second []*build) provenance.Variation {
	for _, b := range second {
		if why := b.unvaried[k.key]; k.key != "" && why != "" {
			return provenance.Variation{Name: v.Name, What: v.What, Why: why}
		}
	}
	if k.name == guest.VaryKernel && len(first) > 0 {
		v.First, v.Second = first[0].seen.Kernel, second[0].seen.Kernel
	}
	if k.name == "jobs" && len(first) > 0 && first[0].seen.CPUs == 1 && second[0].seen.CPUs == 1 {
		v.What = "-j" // there is one processor
	}
	return v
}
