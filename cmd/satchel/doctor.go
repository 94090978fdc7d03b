package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"satchel/runner/machine"
	"satchel/runner/probe"
)

type doctorCmd struct {
	Bundle    string   `arg:"" optional:"" type:"existingfile" help:"A bundle that is to be run here. Only its front is read."`
	Only      []string `help:"Of the bundle, only these descriptors." placeholder:"NAME"`
	Engine    string   `help:"What shall run the containers: ${enum}." enum:"auto,sandbox,docker" default:"auto"`
	Memory    int64    `short:"m" default:"2000" help:"Memory for a script, in MiB." placeholder:"MiB"`
	Parallel  int      `default:"1" help:"Targets that are to be built side by side." placeholder:"N"`
	Keyring   []string `help:"Who may have signed the bundle, as verify takes it." type:"existingfile" placeholder:"FILE" sep:"none"`
	Threshold int      `help:"How many of them must have signed." default:"1" placeholder:"N"`
	Unsigned  bool     `help:"Take the bundle's front as it is, whoever signed it."`
	JSON      bool     `name:"json" help:"Print JSON, as docs/doctor.schema.json describes it."`
}

// A checkup is what doctor has found.
type checkup struct {
	Engine string        `json:"engine,omitempty"` // that run would take; none, if there is none
	Works  bool          `json:"works"`            // a run would start, and the bundle would fit
	System string        `json:"system"`           // what os-release(5) calls it
	Areas  []area        `json:"areas"`
	Bundle *bundleDemand `json:"bundle,omitempty"`

	ids []string // of the system, for remedies
}

// An area is one part of the picture.
type area struct {
	Name     string          `json:"name"`
	Works    bool            `json:"works"` // nothing in it fails
	Findings []probe.Finding `json:"findings"`
}

// errUnfit is the end of a checkup that is not good.
var errUnfit = errors.New("a run does not work here")

// Run tries everything and says what mends what does not work. It asks nobody
// but this machine, and the daemon that DOCKER_HOST names.
func (c *doctorCmd) Run(ctx context.Context, g *globals, ui *ui) error {
	if c.Memory < 1 || c.Parallel < 1 {
		return fmt.Errorf("%w: -m and --parallel want a positive number", errUsage)
	}
	if c.Bundle == "" && (len(c.Keyring) > 0 || len(c.Only) > 0 || c.Unsigned) {
		return fmt.Errorf("%w: --keyring, --unsigned and --only are said of a bundle, and there is none", errUsage)
	}
	dir, err := g.cachePath()
	if err != nil {
		return err
	}
	found := checkup{Areas: []area{}}
	found.System, found.ids = system()
	if err := c.look(ctx, dir, &found); err != nil {
		return err
	}
	if c.JSON {
		err = ui.json(found)
	} else {
		err = found.table(ui.out)
	}
	if err == nil && !found.Works {
		err = errUnfit
	}
	return err
}

// look fills all areas in.
func (c *doctorCmd) look(ctx context.Context, dir string, found *checkup) error {
	front, bundleProbes, err := c.front()
	if err != nil {
		return err
	}
	wants := machine.Wants{Folder: dir, Memory: c.Memory * int64(c.Parallel) << 20, I386: front.i386}
	if err := found.add(ctx, "machine", wants.Probes()); err != nil {
		return err
	}
	if err := found.add(ctx, "gather", gatherProbes()); err != nil {
		return err
	}
	disks, err := c.engines(ctx, dir, found)
	if err != nil {
		return err
	}
	found.Works = found.works("machine") && found.Engine != ""
	if c.Bundle == "" {
		return nil
	}
	found.Bundle = front.demand
	bundleProbes = append(bundleProbes, front.fits(disks[found.Engine]))
	if err := found.add(ctx, "bundle", bundleProbes); err != nil {
		return err
	}
	found.Works = found.Works && found.works("bundle")
	return nil
}

// engines tries them all, and chooses the one that run would take. disks are
// where they keep things; none if that is on another machine.
func (c *doctorCmd) engines(ctx context.Context, dir string, found *checkup) (disks map[string][]string, err error) {
	disks = map[string][]string{"": {dir}, "sandbox": {dir}}
	sandbox, err := openSandbox(dir, false)
	list := broken(err)
	if err == nil {
		list = sandbox.Probes()
	}
	if err := found.add(ctx, "sandbox", list); err != nil {
		return nil, err
	}
	docker, err := openDocker(dir, false)
	list = broken(err)
	if err == nil {
		list = docker.Probes()
		if root, here := docker.RootDir(ctx); here {
			disks["docker"] = []string{root}
			if found.works("sandbox") { // which prepares for it, and keeps a copy
				disks["docker"] = []string{root, dir}
			}
		}
	}
	if err := found.add(ctx, "docker", list); err != nil {
		return nil, err
	}
	for _, name := range []string{"docker", "sandbox"} {
		if (c.Engine == name || c.Engine == "auto") && found.works(name) {
			found.Engine = name
		}
	}
	return disks, nil
}

// broken is the probe of an engine that cannot even be opened.
func broken(err error) []probe.Probe {
	mend := probe.Remedy{Command: "unset DOCKER_HOST"} // nothing else can be said wrongly
	if _, perr := os.Stat("/proc/self"); perr != nil {
		mend = probe.Command("mount -t proc proc /proc")
	}
	return []probe.Probe{{Name: "program", Why: "satchel itself is the first program in each container", Try: func(context.Context) (string, error) {
		return "", probe.Mend(err, mend)
	}}}
}

// add tries the probes of an area.
func (k *checkup) add(ctx context.Context, name string, list []probe.Probe) error {
	found, err := probe.All(ctx, list)
	k.Areas = append(k.Areas, area{Name: name, Works: probe.Works(found), Findings: found})
	return err
}

// works tells whether nothing of an area fails.
func (k *checkup) works(name string) bool {
	for _, a := range k.Areas {
		if a.Name == name {
			return a.Works
		}
	}
	return false
}
