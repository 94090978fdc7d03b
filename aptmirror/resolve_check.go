package aptmirror

import (
	"fmt"
	"slices"
	"strings"
)

// Check proves a solution by itself, without the resolver's tables: with
// everything that is installed at the end, every Depends and Pre-Depends is
// fulfilled, no Conflicts or Breaks is violated, and the architectures of a
// package agree. The error names up to ten violations.
func Check(sol *Solution) error {
	var all []*Package
	for _, v := range sol.final {
		k := sol.pool.unpack(v, sol.pool.versions[v].stanza)
		all = append(all, &k)
	}
	slices.SortFunc(all, byNameArch)
	return checkSet(sol.pool.arches[0], all)
}

// checkSet is Check for a set of packages by name and architecture.
func checkSet(native string, all []*Package) error {
	c := fitCheck{native: native, by: make(map[string][]offer)}
	for _, p := range all {
		name := strings.ToLower(p.Name)
		c.by[name] = append(c.by[name], offer{pkg: p, version: p.Version, real: true})
		provided, err := ParseDepends(p.Provides)
		if err != nil {
			return fmt.Errorf("checking %s: %w", p.Name, err)
		}
		for _, group := range provided {
			for _, d := range group {
				c.by[d.Name] = append(c.by[d.Name], offer{pkg: p, version: d.Version, arch: d.Arch})
			}
		}
	}
	for i, p := range all {
		c.relations(p)
		if i > 0 && all[i-1].Name == p.Name {
			c.siblings(all[i-1], p)
		}
	}
	if len(c.errors) == 0 {
		return nil
	}
	return fmt.Errorf("packages do not fit together: %s", strings.Join(c.errors[:min(len(c.errors), 10)], "; "))
}

type fitCheck struct {
	native string
	by     map[string][]offer
	errors []string
}

// offer is a package under its own or a provided name.
type offer struct {
	pkg     *Package
	version string
	arch    string // Provides: name:arch
	real    bool
}

func (c *fitCheck) fail(format string, args ...any) {
	c.errors = append(c.errors, fmt.Sprintf(format, args...))
}

func (c *fitCheck) arch(p *Package) string {
	if p.Architecture == "all" {
		return c.native
	}
	return p.Architecture
}

func (c *fitCheck) relations(p *Package) {
	for i, field := range [...]string{p.PreDepends, p.Depends, p.Conflicts, p.Breaks} {
		parsed, err := ParseDepends(field)
		if err != nil {
			c.fail("%s: %v", p.Name, err)
			continue
		}
		for _, group := range parsed {
			switch {
			case i < 2 && !slices.ContainsFunc(group, func(d Dependency) bool { return c.fulfilled(p, d) }):
				c.fail("%s %s lacks %s", p.Name, p.Version, group)
			case i >= 2:
				for _, d := range group {
					if other := c.violated(p, d); other != nil {
						c.fail("%s %s excludes %s %s", p.Name, p.Version, other.Name, other.Version)
					}
				}
			}
		}
	}
}

// fulfilled looks for somebody who fulfils a dependency of p.
func (c *fitCheck) fulfilled(p *Package, d Dependency) bool {
	for _, o := range c.by[d.Name] {
		if !operatorOf(d.Op).accepts(o.version, d.Version) || d.Op != "" && o.version == "" {
			continue
		}
		foreign := o.pkg.MultiArch == "foreign"
		switch d.Arch {
		case "":
			if o.arch == "" && (foreign || c.arch(o.pkg) == c.arch(p)) || o.arch != "" && o.arch == c.arch(p) {
				return true
			}
		case "any":
			if o.arch == "any" || o.arch == "" && o.pkg.MultiArch == "allowed" {
				return true
			}
		default:
			want := d.Arch
			if want == "native" {
				want = c.native
			}
			if o.arch == want || o.arch == "" && c.arch(o.pkg) == want {
				return true
			}
		}
	}
	return false
}

// violated returns a package that a Conflicts or Breaks of p forbids.
func (c *fitCheck) violated(p *Package, d Dependency) *Package {
	for _, o := range c.by[d.Name] {
		if o.pkg.Name == p.Name || d.Op != "" && o.version == "" || !operatorOf(d.Op).accepts(o.version, d.Version) {
			continue
		}
		want := d.Arch
		if want == "native" {
			want = c.native
		}
		switch {
		case want == "any" && o.arch != "any" && o.pkg.MultiArch != "allowed":
		case want == "" && o.arch == "any":
		case want != "" && want != "any" && c.arch(o.pkg) != want:
		default:
			return o.pkg
		}
	}
	return nil
}

// siblings checks two architectures of one package.
func (c *fitCheck) siblings(a, b *Package) {
	if a.MultiArch != "same" || b.MultiArch != "same" {
		c.fail("%s cannot be there for %s and %s at a time", a.Name, a.Architecture, b.Architecture)
	} else if CompareVersions(a.Version, b.Version) != 0 {
		c.fail("%s differs: %s for %s, %s for %s", a.Name, a.Version, a.Architecture, b.Version, b.Architecture)
	}
}
