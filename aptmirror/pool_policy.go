package aptmirror

import "strings"

// policy is apt's choice of candidates for one run: a priority for each archive.
type policy struct {
	pool     *Pool
	priority []int
}

// newPolicy computes the priorities. release is the -t of the run, "" for none;
// ok is false if no archive is of that release.
func newPolicy(p *Pool, release string) (policy, bool) {
	y := policy{pool: p, priority: make([]int, len(p.archives))}
	found := release == "" || release == "now"
	for i, a := range p.archives {
		switch {
		case a.Pin != 0:
			y.priority[i] = a.Pin
		case a.ButAutomaticUpgrades:
			y.priority[i] = 100
		case a.NotAutomatic:
			y.priority[i] = 1
		default:
			y.priority[i] = 500
		}
		if release != "" && a.is(release) {
			y.priority[i], found = 990, true
		}
	}
	return y, found
}

// is tells whether the archive is of the release that a -t or "pkg/release"
// names: its suite, its codename or, if it begins with a digit, its version.
func (a ArchiveInfo) is(release string) bool {
	if release != "" && release[0] >= '0' && release[0] <= '9' {
		if v, ok := strings.CutSuffix(release, "*"); ok && strings.HasPrefix(strings.ToLower(a.Version), strings.ToLower(v)) {
			return true
		}
		return strings.EqualFold(a.Version, release)
	}
	return matchGlob(release, a.Suite) || matchGlob(release, a.Codename)
}

// of returns the priority of a version, by the best archive that has it.
func (y policy) of(v int32, current int32) int {
	best := -1 << 31
	for i := y.pool.versions[v].stanza; i >= 0; i = y.pool.stanzas[i].next {
		n := -1 // a status file's version that is not installed is never a candidate
		if a := y.pool.stanzas[i].archive; a >= 0 {
			n = y.priority[a]
		} else if v == current {
			n = 100
		}
		best = max(best, n)
	}
	return best
}

// candidate returns the version that apt would install of a slot, -1 if none.
// Below a priority of 1000 nothing is ever downgraded.
func (y policy) candidate(s, current int32) int32 {
	best, top := int32(-1), -1
	for v := y.pool.slots[s].versions; v >= 0; v = y.pool.versions[v].next {
		n := y.of(v, current)
		if n == 0 || n <= top {
			continue
		}
		if current >= 0 && n < 1000 && CompareVersions(y.pool.text(v), y.pool.text(current)) < 0 {
			continue
		}
		best, top = v, n
	}
	return best
}

// downloadable tells whether some archive has v.
func (p *Pool) downloadable(v int32) bool { return p.archiveOf(v) >= 0 }

// inRelease tells whether an archive of the release has v.
func (p *Pool) inRelease(v int32, release string) bool {
	for i := p.versions[v].stanza; i >= 0; i = p.stanzas[i].next {
		if a := p.stanzas[i].archive; a >= 0 && p.archives[a].is(release) {
			return true
		} else if a < 0 && release == "now" {
			return true
		}
	}
	return false
}

// matchGlob matches the shell's * and ? without regard to case. An empty name
// matches nothing.
func matchGlob(pattern, name string) bool {
	if name == "" {
		return false
	}
	pattern, name = strings.ToLower(pattern), strings.ToLower(name)
	p, n, star, mark := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
