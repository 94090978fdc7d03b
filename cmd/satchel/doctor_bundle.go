package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"satchel/aptmirror"
	"satchel/bundle"
	"satchel/manifest"
	"satchel/runner"
	"satchel/runner/machine"
	"satchel/runner/probe"
)

// maxIndexFile bounds an index in a bundle, in bytes, and maxIndexText what a
// decoder gives; all of Debian's main has 9 and 50 MB.
const (
	maxIndexFile = 256 << 20
	maxIndexText = 2 << 30
)

// bundleDemand is what a bundle takes of the machine.
type bundleDemand struct {
	Identity   string        `json:"identity"`
	Size       int64         `json:"size"`
	Verified   []string      `json:"verified"`   // what was checked
	Unverified []string      `json:"unverified"` // what was not
	Targets    []string      `json:"targets"`    // descriptor/suite-architecture
	Demand     runner.Demand `json:"demand"`
}

// front is what the front of a bundle says; the zero value of none.
type front struct {
	demand *bundleDemand
	i386   bool
}

// front reads the bundle's front, and no more unless those who must have signed
// it have: then the sizes of packages are read from the archives' indexes, each
// checked against its hash. Trust that is missing is a finding, not an error.
func (c *doctorCmd) front() (front, []probe.Probe, error) {
	if c.Bundle == "" {
		return front{}, nil, nil
	}
	trust := trustFlags{Keyring: c.Keyring, Threshold: c.Threshold, Unsigned: c.Unsigned}
	policy, err := trust.policy()
	if err != nil {
		return front{}, nil, err
	}
	f, err := bundle.Open(c.Bundle)
	if err != nil {
		return front{}, nil, err
	}
	defer f.Close()
	lock, err := f.Lock()
	if err != nil {
		return front{}, nil, fmt.Errorf("reading bundle %s: %w", c.Bundle, err)
	}
	if err := knownNames(lock, c.Only); err != nil {
		return front{}, nil, err
	}
	d := &bundleDemand{Identity: f.Identity().String(), Targets: []string{}}
	if d.Size, err = f.Size(); err != nil {
		return front{}, nil, err
	}
	d.Verified = []string{"the front is well formed: lock, names and lengths fit each other"}
	d.Unverified = []string{"the content of packages and sources: satchel verify reads it all"}
	var installed map[manifest.Digest]int64
	vouched, report, verr := f.Vouch(policy)
	switch {
	case verr == nil && !c.Unsigned:
		d.Verified = append(d.Verified, fmt.Sprintf("signed by %d of those who may", report.Trusted))
	default:
		d.Unverified = append(d.Unverified, "who signed it")
	}
	if verr == nil {
		if installed, err = installedSizes(vouched); err != nil {
			verr = err
		}
	}
	d.Demand = runner.Reckon(lock, c.Only, installed)
	out := front{demand: d}
	for _, t := range lock.Targets {
		if len(c.Only) == 0 || slices.Contains(c.Only, t.Descriptor) {
			d.Targets = append(d.Targets, t.Descriptor+"/"+t.Suite+"-"+t.Architecture)
			out.i386 = out.i386 || t.Architecture == "i386"
		}
	}
	return out, []probe.Probe{c.trustProbe(report, verr)}, nil
}

// knownNames refuses names of descriptors that the lock does not have.
func knownNames(lock *manifest.Lock, only []string) error {
	for _, name := range only {
		if !slices.ContainsFunc(lock.Descriptors, func(d manifest.DescriptorPin) bool { return d.Name == name }) {
			return fmt.Errorf("%w: --only %s: the bundle has no such descriptor", errUsage, name)
		}
	}
	return nil
}

// trustProbe tells what became of the signatures.
func (c *doctorCmd) trustProbe(report *bundle.Report, err error) probe.Probe {
	return probe.Probe{Name: "signatures", Alone: true, Why: "run takes a bundle only from those whom you trust", Try: func(context.Context) (string, error) {
		switch {
		case errors.Is(err, bundle.ErrUntrusted) && len(c.Keyring) == 0:
			return "", probe.Mend(unasked{count(len(report.Signatures), "signature") + ": nobody was asked for with --keyring, so only lengths were read"},
				probe.Advise("name those who must have signed it with --keyring FILE"))
		case errors.Is(err, bundle.ErrUntrusted):
			return "", probe.Mend(err, probe.Advise("if you trust whoever signed, add their key to the keyring"))
		case err != nil:
			return "", probe.Mend(err, probe.Remedy{Command: "satchel verify " + c.Bundle, Note: "says all that is wrong; then carry it across again"})
		case c.Unsigned:
			return "", probe.Mend(unasked{"not asked for (--unsigned)"}, probe.Advise("name those who must have signed it with --keyring FILE"))
		}
		var names []string
		for _, s := range report.Signatures {
			if s.Trusted {
				names = append(names, s.String())
			}
		}
		return strings.Join(names, ", "), nil
	}}
}

// unasked is a warning: trust was not asked for.
type unasked struct{ text string }

func (u unasked) Error() string { return u.text }

// Warning tells probe.All so.
func (unasked) Warning() bool { return true }

// fits compares what the bundle takes with what each of disks, folders, has left;
// there is none if they are another machine's.
func (f front) fits(disks []string) probe.Probe {
	return probe.Probe{Name: "disk", Alone: true, Why: "environments are unpacked and kept; what scripts write comes on top, and nobody knows how much",
		Try: func(context.Context) (string, error) {
			need := f.demand.Demand
			text := fmt.Sprintf("at least %s and %d inodes wanted", machine.Bytes(need.Bytes()), need.Inodes)
			if len(disks) == 0 {
				return "", probe.Mend(unasked{text + ", on a disk that cannot be seen from here"}, probe.Advise("look at the disk of the daemon's machine"))
			}
			if len(disks) > 1 {
				text += ", for each of two copies" // the engine's, and that of the one that prepares for it
			}
			short := false
			copies := map[uint64]int64{} // by file system
			for _, disk := range disks {
				free, at, err := machine.FreeAt(disk)
				if err != nil {
					return "", fmt.Errorf("looking at %s: %w", disk, err)
				}
				on, err := machine.Device(at)
				if err != nil {
					return "", err
				}
				text += fmt.Sprintf(", %s has %s", disk, machine.Bytes(free.Bytes))
				copies[on]++
				short = short || free.Bytes/copies[on] < need.Bytes() || free.Inodes >= 0 && free.Inodes/copies[on] < need.Inodes
			}
			if short {
				return "", probe.Mend(errors.New(text), probe.Remedy{Command: "satchel clean", Note: "removes environments that nobody uses"},
					probe.Advise("name a folder on another disk with --cache"))
			}
			return text, nil
		}}
}

// installedSizes reads what the archives say of the lock's packages, in bytes.
func installedSizes(v *bundle.Vouched) (map[manifest.Digest]int64, error) {
	want, sizes := map[string]manifest.Digest{}, map[manifest.Digest]int64{}
	for _, t := range v.Lock().Targets {
		for _, p := range t.Packages {
			want[p.SHA256.Hex()] = p.SHA256
		}
	}
	for _, a := range v.Lock().Archives {
		for _, f := range a.Indexes {
			if !strings.HasPrefix(path.Base(f.Path), "Packages") {
				continue
			}
			raw, err := v.Read(f.Blob, maxIndexFile)
			if err == nil {
				err = readSizes(f.Path, raw, want, sizes)
			}
			if err != nil {
				return nil, fmt.Errorf("reading %s %s: %w", a.ID(), f.Path, err)
			}
		}
	}
	return sizes, nil
}

// readSizes reads one index.
func readSizes(name string, raw []byte, want map[string]manifest.Digest, sizes map[manifest.Digest]int64) error {
	text, err := aptmirror.Decompress(name, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	defer text.Close()
	for s := aptmirror.NewStanzas(name, io.LimitReader(text, maxIndexText)); ; {
		one, err := s.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		sum, _ := one.Get("SHA256")
		size, _ := one.Get("Installed-Size")
		kib, err := strconv.ParseInt(size, 10, 40)
		if d, ok := want[sum]; ok && err == nil && kib > 0 {
			sizes[d] = kib << 10
		}
	}
}

// table says what the bundle takes, and how that is known.
func (d *bundleDemand) table(w io.Writer) {
	n := d.Demand
	fmt.Fprintf(w, "takes at least  %s: environments %s, while they are prepared %s, sources and files %s\n",
		machine.Bytes(n.Bytes()), machine.Bytes(n.Environments), machine.Bytes(n.Preparing), machine.Bytes(n.Inputs))
	if n.Estimated > 0 {
		fmt.Fprintf(w, "estimated       %s unpacked as %d times the .deb: indexes are read when --keyring trusts who signed\n", count(n.Estimated, "package"), runner.UnpacksTo)
	}
	for _, s := range d.Verified {
		fmt.Fprintf(w, "verified        %s\n", s)
	}
	for _, s := range d.Unverified {
		fmt.Fprintf(w, "not verified    %s\n", s)
	}
}
