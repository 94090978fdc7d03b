package aptmirror

import (
	"fmt"
	"path"
	"strings"
)

// add merges one stanza into the pool, as apt's cache generator does.
func (b *PoolBuilder) add(pkg *Package, status bool) error {
	arch := b.arch(pkg.Architecture)
	if pkg.Name == "" || pkg.Architecture == "" || arch < 0 || int(arch) >= b.known {
		return fmt.Errorf("package %q has architecture %q, which is not one of %v", pkg.Name, pkg.Architecture, b.arches[:b.known])
	}
	if len(b.slots) > maxPoolSlots {
		return fmt.Errorf("more than %d package names", maxPoolSlots)
	}
	s := b.slot(strings.ToLower(pkg.Name), arch)
	if pkg.Version == "" {
		return b.mark(s, -1, pkg, status)
	}
	multi, err := multiArch(pkg)
	if err != nil {
		return err
	}
	previous, same := b.place(s, pkg, multi, status)
	i := b.stanza(pkg, arch, status)
	if same >= 0 {
		last := b.versions[same].stanza
		b.stanzas[i].from, b.stanzas[i].to = b.stanzas[last].from, b.stanzas[last].to
		for b.stanzas[last].next >= 0 {
			last = b.stanzas[last].next
		}
		b.stanzas[last].next = i
		return b.mark(s, same, pkg, status)
	}
	v := int32(len(b.versions))
	b.versions = append(b.versions, slotVersion{slot: s, stanza: i, provides: -1, multi: multi, priority: priorityOf(pkg.Priority)})
	next := &b.slots[s].versions
	if previous >= 0 {
		next = &b.versions[previous].next
	}
	b.versions[v].next, *next = *next, v
	b.stanzas[i].from = uint32(len(b.members))
	if err := b.mention(v, pkg); err != nil {
		return fmt.Errorf("package %s %s: %w", pkg.Name, pkg.Version, err)
	}
	b.stanzas[i].to = uint32(len(b.members))
	return b.mark(s, v, pkg, status)
}

// stanza appends what a stanza says, but for its relations.
func (b *PoolBuilder) stanza(pkg *Package, arch int16, status bool) int32 {
	dir, base := path.Split(pkg.Filename)
	if isDebName(base, pkg) {
		base = ""
	}
	t := stanza{
		sha256: pkg.Blob.SHA256, size: pkg.Blob.Size,
		name: b.words.intern(pkg.Name), version: b.words.intern(pkg.Version),
		source: b.words.intern(pkg.Source), sourceVersion: b.words.intern(pkg.SourceVersion),
		dir: b.words.intern(dir), base: b.words.intern(base),
		next: -1, archive: int32(pkg.Archive), arch: arch, phased: int8(pkg.Phased), all: pkg.Architecture == "all",
		essential: pkg.Essential, important: pkg.Important,
	}
	if status {
		t.archive = -1
	}
	b.stanzas = append(b.stanzas, t)
	return int32(len(b.stanzas)) - 1
}

// place finds where a version belongs in its slot's list: behind previous (-1:
// at the head), or same is the version that it already is.
func (b *PoolBuilder) place(s int32, pkg *Package, multi uint8, status bool) (previous, same int32) {
	previous = -1
	for v := b.slots[s].versions; v >= 0; v = b.versions[v].next {
		c := 0
		if other := b.text(v); other != pkg.Version {
			c = CompareVersions(pkg.Version, other)
		}
		if c > 0 {
			break
		}
		if c == 0 && b.versions[v].multi == multi && b.sameContent(v, pkg) {
			return previous, v
		}
		if c == 0 && !status && b.archiveOf(v) < 0 {
			break
		}
		previous = v
	}
	return previous, -1
}

// sameContent tells whether a version and a stanza of that version are one
// package. dpkg's status knows no size and writes relations in its own spacing.
func (b *PoolBuilder) sameContent(v int32, pkg *Package) bool {
	if size := b.data(v).size; size != 0 && pkg.Blob.Size != 0 && size != pkg.Blob.Size {
		return false
	}
	for kind, field := range [...]string{linkPreDepends: pkg.PreDepends, linkDepends: pkg.Depends,
		linkConflicts: pkg.Conflicts, linkBreaks: pkg.Breaks, linkReplaces: pkg.Replaces} {
		if k := linkKind(kind); k != linkRecommends && k != linkSuggests && !sameRelation(b.relation(v, k), field) {
			return false
		}
	}
	return true
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
func (b *PoolBuilder) mark(s, v int32, pkg *Package, status bool) error {
	t := &b.slots[s]
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
