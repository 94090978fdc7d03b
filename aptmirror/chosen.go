package aptmirror

import (
	"fmt"
	"slices"
)

// Chosen makes a solution of packages that were chosen before, such as those of
// a lock, so that Why can explain them. Nothing is decided, and nothing checked.
// why has, for each package, the reason of one that somebody asked for, and ""
// for one that came as a dependency. native is the architecture that "all"
// counts as.
func Chosen(native string, packages []Package, why []string) (*Solution, error) {
	packages = slices.Clone(packages)
	var foreign []string
	for i := range packages {
		packages[i].Archive = 0
		if a := packages[i].Architecture; a != "all" && a != native && !slices.Contains(foreign, a) {
			foreign = append(foreign, a)
		}
	}
	p, err := NewPool(native, foreign, make([]ArchiveInfo, 1), packages)
	if err != nil {
		return nil, err
	}
	y, _ := newPolicy(p, "")
	sol := &Solution{pool: p, final: map[int32]int32{}, links: newSolver(p, y, nil, nil, nil)}
	var roots []root
	for i := range packages {
		k := &packages[i]
		t := p.find(k.Name, p.arch(k.Architecture))
		v := int32(-1)
		if t >= 0 {
			v = p.slots[t].versions
		}
		if v < 0 {
			return nil, fmt.Errorf("explaining %s %s: the pool has lost it", k.Name, k.Architecture)
		}
		sol.final[t] = v
		if why[i] != "" {
			roots = append(roots, root{slot: t, why: why[i]})
		}
	}
	sol.findReasons(roots, nil)
	return sol, nil
}

// Near returns up to five package names of the solution's pool that a misspelt
// one may have meant, nearest first.
func (sol *Solution) Near(name string) []string { return sol.pool.near(name) }
