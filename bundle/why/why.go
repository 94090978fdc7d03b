// Package why explains why a package is in a lock, from the lock and the
// archives' own indexes alone: nothing is asked of anybody, and nothing is
// resolved again.
package why

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"satchel/aptmirror"
	"satchel/manifest"
)

// An Answer is why a package is in one target.
type Answer struct {
	Descriptor   string `json:"descriptor"`
	Suite        string `json:"suite"`
	Architecture string `json:"architecture"` // the target's, as the descriptor says it
	Package      string `json:"package"`
	Version      string `json:"version"`
	Of           string `json:"of"` // the package's own architecture
	// Chain is the shortest way from something that was asked for down to the
	// package, a step each: the first names it and says why it is there.
	Chain []string `json:"chain"`
}

// An AbsentError is a package that no target has.
type AbsentError struct {
	Name string
	Near []string // names that may have been meant
}

func (e *AbsentError) Error() string {
	s := fmt.Sprintf("the lock has no package %q", e.Name)
	if len(e.Near) > 0 {
		s += "; near it: " + strings.Join(e.Near, " ")
	}
	return s
}

// Blobs opens a blob that a lock names, and checks it while it is read.
type Blobs func(manifest.Blob) (io.ReadCloser, error)

// Explain answers for every target that has the package, in the lock's order.
// name may carry an architecture ("libc6:i386"); without one every architecture
// of a target is meant, its own first. If no target has it the error is an
// *AbsentError. An index that open does not have gives open's error.
func Explain(ctx context.Context, lock *manifest.Lock, open Blobs, name string) ([]Answer, error) {
	base, arch, _ := strings.Cut(name, ":")
	var all []Answer
	near := map[string]bool{}
	indexes := indexReader{lock: lock, open: open}
	for _, t := range lock.Targets {
		found := matching(t, base, arch)
		all = append(all, installed(t, base, arch)...)
		if len(found) == 0 && len(all) > 0 {
			continue
		}
		sol, err := indexes.solution(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("explaining %s for %s %s: %w", name, t.Suite, t.Architecture, err)
		}
		for _, n := range sol.Near(base) {
			near[n] = true
		}
		for _, p := range found {
			all = append(all, answer(t, p.Name, p.Version, p.Architecture, aptmirror.Why(sol, label(t, p.Name, p.Architecture))))
		}
	}
	if len(all) > 0 {
		return all, nil
	}
	return nil, &AbsentError{Name: name, Near: nearest(near, lock, base)}
}

func answer(t manifest.Target, name, version, arch string, chain []string) Answer {
	return Answer{Descriptor: t.Descriptor, Suite: t.Suite, Architecture: t.Architecture, Package: name, Version: version, Of: arch, Chain: chain}
}

// matching lists the packages of a target that are meant, its own architecture first.
func matching(t manifest.Target, name, arch string) []manifest.PackagePin {
	var found []manifest.PackagePin
	for _, p := range t.Packages {
		if p.Name == name && (arch == "" || arch == p.Architecture || arch == t.DpkgArchitecture() && p.Architecture == "all") {
			found = append(found, p)
		}
	}
	slices.SortStableFunc(found, func(a, b manifest.PackagePin) int {
		return strings.Compare(label(t, a.Name, a.Architecture), label(t, b.Name, b.Architecture))
	})
	return found
}

// installed answers for what the base image held, and keeps.
func installed(t manifest.Target, name, arch string) []Answer {
	var all []Answer
	for _, p := range t.Installed {
		if p.Name == name && (arch == "" || arch == p.Architecture) {
			all = append(all, answer(t, p.Name, p.Version, p.Architecture, []string{label(t, p.Name, p.Architecture) + ": in the base image"}))
		}
	}
	return all
}

// label is how the resolver calls a package.
func label(t manifest.Target, name, arch string) string {
	if arch == "all" || arch == t.DpkgArchitecture() {
		return name
	}
	return name + ":" + arch
}

// nearest sorts what the pools found near, and adds what only images have.
func nearest(near map[string]bool, lock *manifest.Lock, base string) []string {
	for _, t := range lock.Targets {
		for _, p := range t.Installed {
			if base != "" && strings.HasPrefix(p.Name, base) {
				near[p.Name] = true
			}
		}
	}
	var names []string
	for n := range near {
		names = append(names, n)
	}
	slices.Sort(names)
	return names[:min(len(names), 8)]
}
