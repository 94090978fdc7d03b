package aptmirror

import "strings"

// slot returns the slot of a name and architecture, and makes it if it is new.
// A new sibling of a group takes part in what the others provide.
func (p *Pool) slot(name string, arch int16) int32 {
	return p.slotIn(p.groupFor(name), name, arch)
}

func (p *Pool) slotIn(g int32, name string, arch int16) int32 {
	if s := p.findIn(g, arch); s >= 0 {
		return s
	}
	s := int32(len(p.slots))
	p.slots = append(p.slots, slot{group: g, next: -1, arch: arch, versions: -1, provides: -1, current: -1})
	if p.groups[g].first < 0 {
		p.groups[g].first = s
	} else {
		p.shareProviders(g, s)
		p.slots[p.groups[g].last].next = s
	}
	p.groups[g].last = s
	if arch == archAny {
		p.provideQualified(name, s)
	}
	return s
}

// shareProviders gives a new sibling the providers that serve all architectures.
func (p *Pool) shareProviders(g, s int32) {
	if m := p.preferred(g, false); m >= 0 {
		for i := p.slots[m].provides; i >= 0; i = p.provides[i].next {
			r := p.provides[i]
			if r.flags&(provideArch|provideImplicit) == 0 && p.versions[r.owner].multi&multiForeign != 0 {
				p.link(r.owner, s, r.version, r.flags)
			}
		}
	}
	for t := p.groups[g].first; t >= 0; t = p.slots[t].next {
		if int(p.slots[t].arch) >= p.known || p.slots[t].arch < 0 {
			continue
		}
		for v := p.slots[t].versions; v >= 0; v = p.versions[v].next {
			if p.versions[v].multi&multiForeign != 0 {
				p.link(v, s, p.text(v), provideImplicit)
			}
		}
	}
}

// provideQualified fills the slot that a dependency on "foo:i386" points to with
// the versions of foo of that architecture and what provides them.
func (p *Pool) provideQualified(name string, s int32) {
	base, qualifier, ok := cutLast(name)
	if qualifier == "any" {
		return
	}
	if ok {
		p.pinned++
	} else {
		qualifier = name // "$kernel": apt makes a sibling of that architecture
	}
	arch := p.arch(qualifier)
	t := p.slot(base, arch)
	for i := p.slots[t].provides; i >= 0; i = p.provides[i].next {
		owner := p.provides[i].owner
		if p.provides[i].flags&provideImplicit == 0 && p.slots[p.versions[owner].slot].arch == arch {
			p.link(owner, s, p.text(owner), provideImplicit|provideArch)
		}
	}
	for v := p.slots[t].versions; v >= 0; v = p.versions[v].next {
		p.link(v, s, p.text(v), provideImplicit|provideArch)
	}
}

func cutLast(name string) (base, qualifier string, ok bool) {
	i := strings.LastIndexByte(name, ':')
	if i < 0 {
		return name, "", false
	}
	return name[:i], name[i+1:], true
}

// link notes that version v provides slot s.
func (p *Pool) link(v, s int32, as string, flags uint8) {
	i := int32(len(p.provides))
	p.provides = append(p.provides, provide{owner: v, slot: s, next: p.slots[s].provides,
		after: p.versions[v].provides, version: as, flags: flags})
	p.slots[s].provides = i
	p.versions[v].provides = i
}

// mention makes the slots that the relations of a new version name, in apt's
// order of fields, and links what it provides.
func (p *Pool) mention(v int32, pkg *Package) error {
	arch := p.slots[p.versions[v].slot].arch
	for i, field := range [...]string{pkg.PreDepends, pkg.Depends, pkg.Conflicts, pkg.Breaks,
		pkg.Recommends, pkg.Suggests, pkg.Replaces, pkg.Enhances} {
		negative := i == 2 || i == 3 || i == 6
		if i == 2 {
			p.versions[v].born = int32(len(p.slots))
		}
		if err := p.mentionAll(field, arch, negative); err != nil {
			return err
		}
	}
	if err := p.mentionProvides(v, pkg.Provides); err != nil {
		return err
	}
	if isKernel(pkg.Name) {
		p.link(v, p.slot("$kernel", archAny), pkg.Version, provideImplicit)
	}
	return nil
}

func (p *Pool) mentionAll(field string, arch int16, negative bool) error {
	if len(field) > maxRelationBytes {
		return relationError("too long:", field)
	}
	for rest := skipSpace(field); rest != ""; rest = skipSpace(rest) {
		d, _, left, err := nextDependency(rest)
		if err != nil {
			return err
		}
		if d.Arch == "" {
			if g := p.groupFor(d.Name); !negative || p.groups[g].first < 0 {
				p.slotIn(g, d.Name, arch)
			}
		} else {
			p.slot(p.qualified(rest, d), archAny)
		}
		rest = left
	}
	return nil
}

// qualified returns the name that apt files a qualified member under.
func (p *Pool) qualified(at string, d Dependency) string {
	if d.Arch == "native" {
		return d.Name + ":" + p.arches[0]
	}
	return at[:len(d.Name)+1+len(d.Arch)]
}

// mentionProvides links a version to what it provides, by its Provides field
// and, for Multi-Arch, by its own name.
func (p *Pool) mentionProvides(v int32, field string) error {
	own := p.versions[v].slot
	arch, multi := p.slots[own].arch, p.versions[v].multi
	already := false
	for i := p.versions[v].provides; i >= 0; i = p.provides[i].after {
		already = already || p.provides[i].flags == provideImplicit|provideArch
	}
	if len(field) > maxRelationBytes {
		return relationError("too long:", field)
	}
	for rest := skipSpace(field); rest != ""; rest = skipSpace(rest) {
		d, _, left, err := nextDependency(rest)
		if err != nil {
			return err
		}
		if d.Op == "" || d.Op == "=" { // apt ignores the others, with a warning
			p.provideOne(v, arch, multi, d, rest)
		}
		rest = left
	}
	name := p.name(own)
	switch {
	case multi&multiAllowed != 0:
		p.provide(v, name+":any", archAny, p.text(v), provideImplicit)
	case multi&multiForeign != 0:
		p.provideAll(v, name, p.text(v), provideImplicit)
	}
	if !already && p.pinned > 0 {
		if s := p.find(name+":"+p.arches[arch], archAny); s >= 0 {
			p.provide(v, name+":"+p.arches[arch], archAny, p.text(v), provideImplicit|provideArch)
		}
	}
	return nil
}

func (p *Pool) provideOne(v int32, arch int16, multi uint8, d Dependency, at string) {
	if d.Arch != "" {
		if d.Arch != "any" {
			p.provide(v, d.Name, p.arch(d.Arch), d.Version, provideImplicit|provideArch)
		}
		p.provide(v, at[:len(d.Name)+1+len(d.Arch)], archAny, d.Version, provideArch)
		return
	}
	if multi&multiForeign != 0 {
		p.provideAll(v, d.Name, d.Version, 0)
	} else {
		if multi&multiAllowed != 0 {
			p.provide(v, d.Name+":any", archAny, d.Version, provideImplicit)
		}
		if multi&multiAll != 0 {
			arch = 0
		}
		p.provide(v, d.Name, arch, d.Version, 0)
	}
	if p.pinned > 0 {
		if s := p.find(d.Name+":"+p.arches[arch], archAny); s >= 0 {
			p.provide(v, d.Name+":"+p.arches[arch], archAny, d.Version, provideImplicit|provideArch)
		}
	}
}

// provide links v to a name, unless that says no more than its own name does.
func (p *Pool) provide(v int32, name string, arch int16, as string, flags uint8) {
	own := p.versions[v].slot
	if arch == p.slots[own].arch && p.name(own) == name && (as == "" || as == p.text(v)) {
		return
	}
	p.link(v, p.slot(name, arch), as, flags)
}

// provideAll links v to a name in every architecture that there is.
func (p *Pool) provideAll(v int32, name string, as string, flags uint8) {
	g, ok := p.group(name)
	if !ok || p.groups[g].first < 0 {
		p.provide(v, name, 0, as, flags)
		return
	}
	for s := p.groups[g].first; s >= 0; s = p.slots[s].next {
		if flags&provideImplicit == 0 || s != p.versions[v].slot {
			p.link(v, s, as, flags)
		}
	}
}

// isKernel tells whether apt counts a package among the kernels.
func isKernel(name string) bool {
	for _, prefix := range [...]string{"linux-image-", "kfreebsd-image-", "gnumach-image-"} {
		uname, ok := strings.CutPrefix(name, prefix)
		if !ok || strings.HasSuffix(name, "-dbgsym") || strings.HasSuffix(name, "-dbg") {
			continue
		}
		n := 0
		for n < len(uname) && uname[n] >= '0' && uname[n] <= '9' {
			n++
		}
		if n > 0 && n < len(uname) && uname[n] == '.' {
			return true
		}
	}
	return false
}
