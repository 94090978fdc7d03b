package aptmirror

import "strings"

// group returns the number of the group of a name.
func (b *PoolBuilder) group(name string) (int32, bool) {
	if r, ok := b.words.find(name); ok && int(r) < len(b.byName) {
		return b.byName[r] - 1, b.byName[r] > 0
	}
	return -1, false
}

// groupFor is group, and makes the group if there is none.
func (b *PoolBuilder) groupFor(name string) int32 {
	r := b.words.intern(name)
	if int(r) < len(b.byName) && b.byName[r] > 0 {
		return b.byName[r] - 1
	}
	g := int32(len(b.groups))
	b.groups = append(b.groups, group{name: r, first: -1, last: -1})
	b.nameGroup(r, g)
	return g
}

// nameGroup notes which group has a name.
func (b *PoolBuilder) nameGroup(r ref, g int32) {
	for int(r) >= len(b.byName) {
		b.byName = append(b.byName, 0)
	}
	b.byName[r] = g + 1
}

// find returns the slot of a name and architecture, -1 if there is none.
func (b *PoolBuilder) find(name string, arch int16) int32 {
	if g, ok := b.group(name); ok {
		return b.findIn(g, arch)
	}
	return -1
}

// arch returns the number of an architecture; unknown ones get a new number.
func (b *PoolBuilder) arch(name string) int16 {
	a := b.Pool.arch(name)
	if a != archOther {
		return a
	}
	if len(b.arches) < 1<<12 {
		b.arches = append(b.arches, strings.Clone(name))
	}
	return int16(len(b.arches) - 1)
}

// slot returns the slot of a name and architecture, and makes it if it is new.
// A new sibling of a group takes part in what the others provide.
func (b *PoolBuilder) slot(name string, arch int16) int32 {
	return b.slotIn(b.groupFor(name), name, arch)
}

func (b *PoolBuilder) slotIn(g int32, name string, arch int16) int32 {
	if s := b.findIn(g, arch); s >= 0 {
		return s
	}
	s := int32(len(b.slots))
	b.slots = append(b.slots, slot{group: g, next: -1, arch: arch, versions: -1, provides: -1, current: -1})
	if b.groups[g].first < 0 {
		b.groups[g].first = s
	} else {
		b.shareProviders(g, s)
		b.slots[b.groups[g].last].next = s
	}
	b.groups[g].last = s
	if arch == archAny {
		b.provideQualified(name, s)
	}
	return s
}

// shareProviders gives a new sibling the providers that serve all architectures.
func (b *PoolBuilder) shareProviders(g, s int32) {
	if m := b.preferred(g, false); m >= 0 {
		for i := b.slots[m].provides; i >= 0; i = b.provides[i].next {
			r := b.provides[i]
			if r.flags&(provideArch|provideImplicit) == 0 && b.versions[r.owner].multi&multiForeign != 0 {
				b.link(r.owner, s, r.version, r.flags)
			}
		}
	}
	for t := b.groups[g].first; t >= 0; t = b.slots[t].next {
		if int(b.slots[t].arch) >= b.known || b.slots[t].arch < 0 {
			continue
		}
		for v := b.slots[t].versions; v >= 0; v = b.versions[v].next {
			if b.versions[v].multi&multiForeign != 0 {
				b.link(v, s, b.data(v).version, provideImplicit)
			}
		}
	}
}

// provideQualified fills the slot that a dependency on "foo:i386" points to with
// the versions of foo of that architecture and what provides them.
func (b *PoolBuilder) provideQualified(name string, s int32) {
	base, qualifier, ok := cutLast(name)
	if qualifier == "any" {
		return
	}
	if ok {
		b.pinned++
	} else {
		qualifier = name // "$kernel": apt makes a sibling of that architecture
	}
	arch := b.arch(qualifier)
	t := b.slot(base, arch)
	for i := b.slots[t].provides; i >= 0; i = b.provides[i].next {
		owner := b.provides[i].owner
		if b.provides[i].flags&provideImplicit == 0 && b.slots[b.versions[owner].slot].arch == arch {
			b.link(owner, s, b.data(owner).version, provideImplicit|provideArch)
		}
	}
	for v := b.slots[t].versions; v >= 0; v = b.versions[v].next {
		b.link(v, s, b.data(v).version, provideImplicit|provideArch)
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
func (b *PoolBuilder) link(v, s int32, as ref, flags uint32) {
	i := int32(len(b.provides))
	b.provides = append(b.provides, provide{owner: v, slot: s, next: b.slots[s].provides,
		after: b.versions[v].provides, version: as, flags: flags})
	b.slots[s].provides = i
	b.versions[v].provides = i
}

// mention makes the slots that the relations of a new version name, in apt's
// order of fields, keeps them as members, and links what it provides.
func (b *PoolBuilder) mention(v int32, pkg *Package) error {
	for i, field := range [...]string{pkg.PreDepends, pkg.Depends, pkg.Conflicts, pkg.Breaks,
		pkg.Recommends, pkg.Suggests, pkg.Replaces} {
		if linkKind(i) == linkConflicts {
			b.versions[v].born = int32(len(b.slots))
		}
		if err := b.mentionAll(v, linkKind(i), field); err != nil {
			return err
		}
	}
	end := len(b.members)
	if err := b.mentionAll(v, linkSuggests, pkg.Enhances); err != nil {
		return err
	}
	b.members = b.members[:end] // nobody follows Enhances, but its names come in here
	if err := b.mentionProvides(v, pkg.Provides); err != nil {
		return err
	}
	if isKernel(pkg.Name) {
		b.link(v, b.slot("$kernel", archAny), b.data(v).version, provideImplicit)
	}
	return nil
}

func (b *PoolBuilder) mentionAll(v int32, kind linkKind, field string) error {
	if len(field) > maxRelationBytes {
		return relationError("too long:", field)
	}
	arch := b.slots[b.versions[v].slot].arch
	for rest := skipSpace(field); rest != ""; {
		d, or, left, err := nextDependency(rest)
		if err != nil {
			return err
		}
		var g int32
		if d.Arch == "" {
			if g = b.groupFor(d.Name); !kind.negative() || b.groups[g].first < 0 {
				b.slotIn(g, d.Name, arch)
			}
		} else {
			name := b.qualified(rest, d)
			g = b.groupFor(name)
			b.slotIn(g, name, archAny)
		}
		rest = skipSpace(left)
		b.keep(g, kind, d, or && rest != "")
	}
	return nil
}

// keep appends a member of the version at hand.
func (b *PoolBuilder) keep(g int32, kind linkKind, d Dependency, or bool) {
	m := member{group: g, bits: uint32(operatorOf(d.Op)) | uint32(kind)<<memberKindAt}
	if d.Arch != "" {
		m.bits |= memberQualified
	}
	if or {
		m.bits |= memberOr
	}
	m.bits |= uint32(b.words.intern(d.Version)) << memberVersionAt
	b.members = append(b.members, m)
}

// qualified returns the name that apt files a qualified member under.
func (b *PoolBuilder) qualified(at string, d Dependency) string {
	if d.Arch == "native" {
		return d.Name + ":" + b.arches[0]
	}
	return at[:len(d.Name)+1+len(d.Arch)]
}

// mentionProvides links a version to what it provides, by its Provides field
// and, for Multi-Arch, by its own name.
func (b *PoolBuilder) mentionProvides(v int32, field string) error {
	own := b.versions[v].slot
	arch, multi := b.slots[own].arch, b.versions[v].multi
	already := false
	for i := b.versions[v].provides; i >= 0; i = b.provides[i].after {
		already = already || b.provides[i].flags == provideImplicit|provideArch
	}
	if len(field) > maxRelationBytes {
		return relationError("too long:", field)
	}
	for rest := skipSpace(field); rest != ""; {
		d, _, left, err := nextDependency(rest)
		if err != nil {
			return err
		}
		if d.Op == "" || d.Op == "=" { // apt ignores the others, with a warning
			b.provideOne(v, arch, multi, d, rest)
			name := rest[:len(d.Name)]
			if d.Arch != "" {
				name = rest[:len(d.Name)+1+len(d.Arch)]
			}
			b.keep(b.groupFor(name), linkProvides, d, false)
		}
		rest = skipSpace(left)
	}
	name, version := b.name(own), b.data(v).version
	switch {
	case multi&multiAllowed != 0:
		b.provide(v, name+":any", archAny, version, provideImplicit)
	case multi&multiForeign != 0:
		b.provideAll(v, name, version, provideImplicit)
	}
	if !already {
		b.provideArch(v, name, arch, version)
	}
	return nil
}

func (b *PoolBuilder) provideOne(v int32, arch int16, multi uint8, d Dependency, at string) {
	version := b.words.intern(d.Version)
	if d.Arch != "" {
		if d.Arch != "any" {
			b.provide(v, d.Name, b.arch(d.Arch), version, provideImplicit|provideArch)
		}
		b.provide(v, at[:len(d.Name)+1+len(d.Arch)], archAny, version, provideArch)
		return
	}
	if multi&multiForeign != 0 {
		b.provideAll(v, d.Name, version, 0)
	} else {
		if multi&multiAllowed != 0 {
			b.provide(v, d.Name+":any", archAny, version, provideImplicit)
		}
		if multi&multiAll != 0 {
			arch = 0
		}
		b.provide(v, d.Name, arch, version, 0)
	}
	b.provideArch(v, d.Name, arch, version)
}

// provideArch links v to "name:arch", if anybody has mentioned that.
func (b *PoolBuilder) provideArch(v int32, name string, arch int16, as ref) {
	if b.pinned == 0 {
		return
	}
	qualified := name + ":" + b.arches[arch]
	if s := b.find(qualified, archAny); s >= 0 {
		b.provide(v, qualified, archAny, as, provideImplicit|provideArch)
	}
}

// provide links v to a name, unless that says no more than its own name does.
func (b *PoolBuilder) provide(v int32, name string, arch int16, as ref, flags uint32) {
	own := b.versions[v].slot
	if arch == b.slots[own].arch && b.name(own) == name && (as == 0 || as == b.data(v).version) {
		return
	}
	b.link(v, b.slot(name, arch), as, flags)
}

// provideAll links v to a name in every architecture that there is.
func (b *PoolBuilder) provideAll(v int32, name string, as ref, flags uint32) {
	g, ok := b.group(name)
	if !ok || b.groups[g].first < 0 {
		b.provide(v, name, 0, as, flags)
		return
	}
	for s := b.groups[g].first; s >= 0; s = b.slots[s].next {
		if flags&provideImplicit == 0 || s != b.versions[v].slot {
			b.link(v, s, as, flags)
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
