package aptmirror

import (
	"strings"

	"satchel/manifest"
)

// membersOf returns the relations of a version: by field as linkKind counts
// them, in the order of the field.
func (p *Pool) membersOf(v int32) []member {
	d := p.data(v)
	return p.members[d.from:d.to]
}

// relation writes a relation field of a version as a control file does.
func (p *Pool) relation(v int32, kind linkKind) string {
	var b strings.Builder
	or := false
	for _, m := range p.membersOf(v) {
		if m.kind() != kind {
			continue
		}
		switch {
		case or:
			b.WriteString(" | ")
		case b.Len() > 0:
			b.WriteString(", ")
		}
		b.WriteString(p.str(p.groups[m.group].name))
		if op := m.op(); op != opNone {
			b.WriteString(" (" + op.String() + " " + p.str(m.version()) + ")")
		}
		or = m.or()
	}
	return b.String()
}

// archiveOf returns the first archive that has v, -1 if only a status file has.
func (p *Pool) archiveOf(v int32) int32 {
	for i := p.versions[v].stanza; i >= 0; i = p.stanzas[i].next {
		if p.stanzas[i].archive >= 0 {
			return p.stanzas[i].archive
		}
	}
	return -1
}

// offered returns what the first archive that has a version says of it.
func (p *Pool) offered(v int32) Package {
	first := p.versions[v].stanza
	for i := first; i >= 0; i = p.stanzas[i].next {
		if p.stanzas[i].archive >= 0 {
			return p.unpack(v, i)
		}
	}
	return p.unpack(v, first)
}

// unpack gives a stanza of a version as a Package that shares nothing with the
// pool. It has no Enhances and no Status, which are not kept.
func (p *Pool) unpack(v, i int32) Package {
	t := &p.stanzas[i]
	multi := p.versions[v].multi
	k := Package{
		Name: p.copy(t.name), Version: p.copy(t.version), Architecture: p.arches[t.arch],
		Source: p.copy(t.source), SourceVersion: p.copy(t.sourceVersion),
		Essential: t.essential, Important: t.important, Phased: int(t.phased),
		PreDepends: p.relation(v, linkPreDepends), Depends: p.relation(v, linkDepends),
		Conflicts: p.relation(v, linkConflicts), Breaks: p.relation(v, linkBreaks),
		Replaces: p.relation(v, linkReplaces), Provides: p.relation(v, linkProvides),
		Recommends: p.relation(v, linkRecommends), Suggests: p.relation(v, linkSuggests),
		Filename: p.filename(i), Blob: manifest.Blob{SHA256: t.sha256, Size: t.size},
		Archive: max(int(t.archive), 0),
	}
	if t.all {
		k.Architecture = "all"
	}
	k.Priority = [...]string{"", "required", "important", "standard", "optional", "extra"}[p.versions[v].priority]
	switch {
	case multi&multiSame != 0:
		k.MultiArch = "same"
	case multi&multiForeign != 0:
		k.MultiArch = "foreign"
	case multi&multiAllowed != 0:
		k.MultiArch = "allowed"
	}
	return k
}

// Blob returns the .deb of a package by exact name, version and architecture
// ("all" too): of several, the one that was read last.
func (p *Pool) Blob(name, version, arch string) (manifest.Blob, bool) {
	last := int32(-1)
	s := p.find(strings.ToLower(name), p.arch(arch))
	if s < 0 {
		return manifest.Blob{}, false
	}
	for v := p.slots[s].versions; v >= 0; v = p.versions[v].next {
		for i := p.versions[v].stanza; i >= 0; i = p.stanzas[i].next {
			t := &p.stanzas[i]
			if t.all == (arch == "all") && p.str(t.version) == version && p.str(t.name) == name {
				last = max(last, i)
			}
		}
	}
	if last < 0 {
		return manifest.Blob{}, false
	}
	return manifest.Blob{SHA256: p.stanzas[last].sha256, Size: p.stanzas[last].size}, true
}

// Packages returns all that archives have of a name, of any architecture.
func (p *Pool) Packages(name string) []Package {
	var list []Package
	g, ok := p.group(name)
	if !ok {
		return nil
	}
	for s := p.groups[g].first; s >= 0; s = p.slots[s].next {
		for v := p.slots[s].versions; v >= 0; v = p.versions[v].next {
			for i := p.versions[v].stanza; i >= 0; i = p.stanzas[i].next {
				if p.stanzas[i].archive >= 0 {
					list = append(list, p.unpack(v, i))
				}
			}
		}
	}
	return list
}

func (p *Pool) copy(r ref) string { return strings.Clone(p.str(r)) }

// filename returns the Filename of a stanza, "" if it has none.
func (p *Pool) filename(i int32) string {
	t := &p.stanzas[i]
	if t.dir == 0 && t.base == 0 {
		return ""
	}
	base := p.str(t.base)
	if t.base == 0 {
		arch := p.arches[t.arch]
		if t.all {
			arch = "all"
		}
		base = debName(p.str(t.name), p.str(t.version), arch)
	}
	return p.str(t.dir) + base
}

// debName is how an archive calls a package's file: the epoch is left out.
func debName(name, version, arch string) string {
	return name + "_" + withoutEpoch(version) + "_" + arch + ".deb"
}

// isDebName tells whether a file has the name that debName gives its package.
func isDebName(base string, pkg *Package) bool {
	for _, part := range [...]string{pkg.Name, "_", withoutEpoch(pkg.Version), "_", pkg.Architecture, ".deb"} {
		if !strings.HasPrefix(base, part) {
			return false
		}
		base = base[len(part):]
	}
	return base == ""
}

func withoutEpoch(version string) string {
	if _, rest, ok := strings.Cut(version, ":"); ok {
		return rest
	}
	return version
}
