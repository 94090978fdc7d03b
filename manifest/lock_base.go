package manifest

import "strings"

// Base tells of each of the target's packages whether it belongs to the base
// system, which gitian has before it installs anything: what is essential, of the
// base or newer than in the image, and what was chosen because these depend on it.
// "dependency of NAME" means a package of the target's own architecture.
func (t Target) Base() []bool {
	native := t.DpkgArchitecture()
	label := func(k PackagePin) string {
		if k.Architecture == native || k.Architecture == "all" {
			return k.Name
		}
		return k.Name + ":" + k.Architecture
	}
	needs := make(map[string][]int) // label → packages that are there because of it
	var todo []int
	for i, k := range t.Packages {
		if of, ok := strings.CutPrefix(k.Why, "dependency of "); ok {
			needs[of] = append(needs[of], i)
		} else if k.Why == "essential" || k.Why == "base" || k.Why == "upgrade" {
			todo = append(todo, i)
		}
	}
	base := make([]bool, len(t.Packages))
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !base[i] {
			base[i] = true
			todo = append(todo, needs[label(t.Packages[i])]...)
		}
	}
	return base
}
