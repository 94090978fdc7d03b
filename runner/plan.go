package runner

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"satchel/manifest"
	"satchel/runner/guest"
)

// Options are what a run may choose; they reach the script as gitian's do.
type Options struct {
	Jobs   int   // -j: MAKEOPTS and NUM_PROCS, and the processors it gets; gitian's default is 2
	Memory int64 // -m: MiB, NUM_MEM, and all the memory it gets; gitian's default is 2000
	// AllowSudo lets scripts of descriptors with sudo become root inside. The
	// engine must allow it, too.
	AllowSudo bool
}

// architecture is what one of gitian's architectures means.
type architecture struct {
	dpkg        string // dpkg's name
	bits        int    // GBUILD_BITS
	personality string // guest.Build's
}

// architectureOf knows the three that gbuild knows.
func architectureOf(name string) (architecture, error) {
	switch name {
	case "amd64", "linux64":
		return architecture{"amd64", 64, ""}, nil
	case "i386":
		return architecture{"i386", 32, "i386"}, nil
	}
	return architecture{}, fmt.Errorf("unknown architecture %q: gitian has amd64, i386 and linux64", name)
}

// PreparePlan says how the environment of a target is made. It depends on the
// lock and the descriptor alone.
func PreparePlan(lock *manifest.Lock, d *manifest.Descriptor, t manifest.Target) (guest.Prepare, error) {
	arch, err := architectureOf(t.Architecture)
	if err != nil {
		return guest.Prepare{}, fmt.Errorf("planning %s: %w", t.Suite, err)
	}
	epoch, err := epochOf(lock, t)
	if err != nil {
		return guest.Prepare{}, err
	}
	p := guest.Prepare{
		Recipe: guest.Recipe, Distro: t.Distro, Suite: t.Suite, Architecture: arch.dpkg, Foreign: foreign(d, arch.dpkg),
		MergedUsr: t.Image.MergedUsr, Epoch: epoch, User: t.Distro, Packages: []guest.Deb{},
	}
	for _, l := range t.Image.Layers {
		p.Layers = append(p.Layers, l.Blob)
	}
	base := t.Base()
	for i, k := range t.Packages {
		p.Packages = append(p.Packages, guest.Deb{
			Name: k.Name, Version: k.Version, Architecture: k.Architecture, Base: base[i], Blob: k.Blob})
	}
	for _, r := range d.Repositories {
		p.Sources = append(p.Sources, r.Source)
	}
	for _, a := range d.Alternatives {
		p.Alternatives = append(p.Alternatives, guest.Alternative{Name: a.Package, Path: a.Path})
	}
	return p, nil
}

// foreign are the architectures that dpkg learns of besides its own; to add its
// own is no error, and does nothing.
func foreign(d *manifest.Descriptor, native string) (list []string) {
	for _, a := range d.Multiarch {
		if a != native && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}

// epochOf is the moment at which the archives of a target were published: no
// file of its environment is newer.
func epochOf(lock *manifest.Lock, t manifest.Target) (int64, error) {
	used := map[string]bool{}
	for _, p := range t.Packages {
		used[p.Archive] = true
	}
	var last int64
	for _, a := range lock.Archives {
		if !used[a.ID()] && len(used) > 0 {
			continue
		}
		at, err := time.Parse(time.RFC3339, a.Date)
		if err != nil {
			return 0, fmt.Errorf("planning %s: date of archive %s: %w", t.Suite, a.ID(), err)
		}
		last = max(last, at.Unix())
	}
	for _, d := range lock.Descriptors { // no archive could be read: asserts vouch for all
		if last == 0 && d.Name == t.Descriptor {
			at, err := time.Parse(manifest.DateForm, d.Reference)
			if err != nil {
				return 0, fmt.Errorf("planning %s: reference time of %s: %w", t.Suite, d.Name, err)
			}
			last = at.Unix()
		}
	}
	return last, nil
}

// Key is the name of the environment that p makes.
func Key(p guest.Prepare) (manifest.Digest, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return manifest.Digest{}, fmt.Errorf("naming the environment: %w", err)
	}
	return manifest.Sum(b), nil
}

// BuildPlan says how the script of d runs in the environment of t.
func BuildPlan(pin manifest.DescriptorPin, d *manifest.Descriptor, t manifest.Target, o Options) (guest.Build, error) {
	at, err := time.Parse(time.DateTime, pin.Reference)
	if err != nil {
		return guest.Build{}, fmt.Errorf("planning %s: reference time %q: %w", d.Name, pin.Reference, err)
	}
	arch, err := architectureOf(t.Architecture)
	if err != nil {
		return guest.Build{}, fmt.Errorf("planning %s: %w", t.Suite, err)
	}
	home := "/home/" + t.Distro
	b := guest.Build{
		User: t.Distro, Home: home, Personality: arch.personality, Umask: 0o022,
		Script: buildScript(pin, d, arch.bits, o), Cache: d.EnableCache, CPUs: o.Jobs, Sudo: d.Sudo && o.AllowSudo,
		Log: t.Suite + "-" + t.Architecture + "-build.log",
		Env: []string{
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"HOME=" + home, "USER=" + t.Distro, "LOGNAME=" + t.Distro, "SHELL=/bin/bash",
			fmt.Sprintf("SOURCE_DATE_EPOCH=%d", at.Unix()),
		},
	}
	for _, s := range pin.Sources {
		b.Sources = append(b.Sources, guest.Source{Dir: s.Dir, URL: s.URL, Ref: s.Ref, Commit: s.Commit, Tag: s.Tag, Pack: s.Pack, Submodules: s.Submodules})
	}
	for _, f := range pin.Files {
		b.Files = append(b.Files, guest.File{Name: f.Name, Blob: f.Blob})
	}
	return b, nil
}

// buildScript is what bash reads: gitian's prelude, line by line, and the
// descriptor's script (devrandom/gitian-builder, bin/gbuild).
func buildScript(pin manifest.DescriptorPin, d *manifest.Descriptor, bits int, o Options) string {
	s := "#!/bin/bash\nset -e\n" + settings(d, bits, o) + "\n" + resets(pin) + "\n" + reference(pin) + "\ncd build\n" + d.Script
	if !strings.HasSuffix(d.Script, "\n") {
		s += "\n"
	}
	return s
}

// settings are the lines of the prelude that tell a script where and how it runs.
func settings(d *manifest.Descriptor, bits int, o Options) string {
	var s strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&s, format+"\n", args...) }
	line("export LANG='en_US.UTF-8'")
	line("export LC_ALL='en_US.UTF-8'")
	line("umask 002")
	line("export OUTDIR=$HOME/out")
	line("GBUILD_BITS=%d", bits)
	if d.EnableCache {
		line("GBUILD_CACHE_ENABLED=1")
		line("GBUILD_PACKAGE_CACHE=$HOME/cache/%s", d.Name)
		line("GBUILD_COMMON_CACHE=$HOME/cache/common")
	}
	line("MAKEOPTS=(-j%d)", o.Jobs)
	line("NUM_PROCS=%d", o.Jobs)
	line("NUM_MEM=%d", o.Memory)
	return s.String()
}

// resets are those that make every checkout what its commit says.
func resets(pin manifest.DescriptorPin) string {
	var s strings.Builder
	for _, r := range pin.Sources {
		fmt.Fprintf(&s, "(cd build/%s && git reset -q --hard && git clean -q -f -d)\n", r.Dir)
	}
	return s.String()
}

// reference are the lines of the prelude that tell the time.
func reference(pin manifest.DescriptorPin) string {
	date, clock, _ := strings.Cut(pin.Reference, " ")
	return fmt.Sprintf("REFERENCE_DATETIME='%s'\nREFERENCE_DATE='%s'\nREFERENCE_TIME='%s'\n", pin.Reference, date, clock)
}
