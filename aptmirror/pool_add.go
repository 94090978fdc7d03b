package aptmirror

import (
	"fmt"
	"strings"
)

// add merges one stanza into the pool, as apt's cache generator does.
func (p *Pool) add(pkg *Package, status bool) error {
	arch := p.arch(pkg.Architecture)
	if pkg.Name == "" || pkg.Architecture == "" || arch < 0 || int(arch) >= p.known {
		return fmt.Errorf("package %q has architecture %q, which is not one of %v", pkg.Name, pkg.Architecture, p.arches[:p.known])
	}
	if len(p.slots) > maxPoolSlots {
		return fmt.Errorf("more than %d package names", maxPoolSlots)
	}
	s := p.slot(strings.ToLower(pkg.Name), arch)
	if pkg.Version == "" {
		return p.mark(s, -1, pkg, status)
	}
	multi, err := multiArch(pkg)
	if err != nil {
		return err
	}
	previous, same := p.place(s, pkg, multi, status)
	stanza := int32(len(p.stanzas))
	p.stanzas = append(p.stanzas, pkg)
	archive := int32(pkg.Archive)
	if status {
		archive = -1
	}
	if same >= 0 {
		last := p.versions[same].file
		for p.files[last].next >= 0 {
			last = p.files[last].next
		}
		p.files[last].next = int32(len(p.files))
		p.files = append(p.files, file{archive, stanza, -1})
		return p.mark(s, same, pkg, status)
	}
	v := int32(len(p.versions))
	next := &p.slots[s].versions
	if previous >= 0 {
		next = &p.versions[previous].next
	}
	p.versions = append(p.versions, slotVersion{slot: s, next: *next, stanza: stanza, provides: -1,
		file: int32(len(p.files)), multi: multi, priority: priorityOf(pkg.Priority)})
	if previous >= 0 {
		next = &p.versions[previous].next
	}
	*next = v
	p.files = append(p.files, file{archive, stanza, -1})
	if err := p.mention(v, pkg); err != nil {
		return fmt.Errorf("package %s %s: %w", pkg.Name, pkg.Version, err)
	}
	return p.mark(s, v, pkg, status)
}

// place finds where a version belongs in its slot's list: behind previous (-1:
// at the head), or same is the version that it already is.
func (p *Pool) place(s int32, pkg *Package, multi uint8, status bool) (previous, same int32) {
	previous = -1
	for v := p.slots[s].versions; v >= 0; v = p.versions[v].next {
		other := p.data(v)
		c := 0
		if other.Version != pkg.Version {
			c = CompareVersions(pkg.Version, other.Version)
		}
		if c > 0 {
			break
		}
		if c == 0 && p.versions[v].multi == multi && sameContent(pkg, other) {
			return previous, v
		}
		if c == 0 && !status && p.archiveOf(v) < 0 {
			break
		}
		previous = v
	}
	return previous, -1
}

// archiveOf returns the first archive that has v, -1 if only a status file has.
func (p *Pool) archiveOf(v int32) int32 {
	for f := p.versions[v].file; f >= 0; f = p.files[f].next {
		if p.files[f].archive >= 0 {
			return p.files[f].archive
		}
	}
	return -1
}

// sameContent tells whether two stanzas of one version are one package. dpkg's
// status knows no size and writes relations in its own spacing.
func sameContent(a, b *Package) bool {
	if a.Blob.Size != 0 && b.Blob.Size != 0 && a.Blob.Size != b.Blob.Size {
		return false
	}
	return sameRelation(a.Depends, b.Depends) && sameRelation(a.PreDepends, b.PreDepends) &&
		sameRelation(a.Conflicts, b.Conflicts) && sameRelation(a.Breaks, b.Breaks) &&
		sameRelation(a.Replaces, b.Replaces)
}

// sameRelation compares without spaces, case, "=" and epochs of zero.
func sameRelation(a, b string) bool {
	if a == b {
		return true
	}
	i, j := 0, 0
	for {
		i, j = skipNoise(a, i), skipNoise(b, j)
		if i == len(a) || j == len(b) {
			return i == len(a) && j == len(b)
		}
		if a[i]|0x20 != b[j]|0x20 {
			return false
		}
		i++
		j++
	}
}

func skipNoise(s string, i int) int {
	for i < len(s) {
		switch {
		case isSpaceByte(s[i]) || s[i] == '=':
			i++
		case s[i] == '0' && i+1 < len(s) && s[i+1] == ':':
			i += 2
		default:
			return i
		}
	}
	return i
}

// mark takes over what a stanza says of its slot. v is -1 if it has no version.
func (p *Pool) mark(s, v int32, pkg *Package, status bool) error {
	t := &p.slots[s]
	t.essential = t.essential || pkg.Essential
	t.important = t.important || pkg.Important
	if pkg.Name == "apt" { // apt never removes itself
		t.essential, t.important = true, true
	}
	if !status {
		return nil
	}
	words := strings.Fields(pkg.Status)
	if len(words) != 3 {
		return fmt.Errorf("package %s has status %q, which is not three words", pkg.Name, pkg.Status)
	}
	t.hold = words[0] == "hold"
	switch words[2] {
	case "not-installed", "config-files":
		return nil
	case "installed", "triggers-awaited", "triggers-pending":
		if words[1] == "ok" && v >= 0 {
			t.current = v
			return nil
		}
	}
	return fmt.Errorf("package %s is %q: repair the base system first (dpkg --configure -a)", pkg.Name, pkg.Status)
}

func multiArch(pkg *Package) (uint8, error) {
	var m uint8
	if pkg.Architecture == "all" {
		m = multiAll
	}
	switch pkg.MultiArch {
	case "", "no":
	case "same":
		if m != multiAll { // apt warns, and takes it as no
			m |= multiSame
		}
	case "foreign":
		m |= multiForeign
	case "allowed":
		m |= multiAllowed
	default:
		return 0, fmt.Errorf("package %s has Multi-Arch %q", pkg.Name, pkg.MultiArch)
	}
	return m, nil
}

// priorityOf numbers dpkg's priorities: 1 required, 5 extra, 0 none given.
func priorityOf(s string) uint8 {
	switch strings.ToLower(s) {
	case "":
		return 0
	case "required":
		return 1
	case "important":
		return 2
	case "standard":
		return 3
	case "optional":
		return 4
	}
	return 5
}
