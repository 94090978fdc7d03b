package aptmirror

import (
	"cmp"
	"slices"
)

// near returns up to five package names that a misspelt one may have meant.
func (p *Pool) near(name string) []string {
	type match struct {
		name     string
		distance int
	}
	base, _, _ := cutLast(name)
	if len(base) > 100 {
		return nil
	}
	limit := 1 + min(2, len(base)/4)
	var found []match
	for i := range p.groups {
		g := &p.groups[i]
		if g.first < 0 || p.slots[g.first].versions < 0 {
			continue
		}
		if d := editDistance(base, p.str(g.name), limit); d <= limit {
			found = append(found, match{p.str(g.name), d})
		}
	}
	slices.SortFunc(found, func(a, b match) int {
		if c := cmp.Compare(a.distance, b.distance); c != 0 {
			return c
		}
		return cmp.Compare(a.name, b.name)
	})
	var names []string
	for _, m := range found[:min(len(found), 5)] {
		names = append(names, m.name)
	}
	return names
}

// editDistance counts the letters to change, add, drop or swap with a neighbour
// to get from a to b. It stops counting above limit.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		best := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			best = min(best, row[j])
		}
		if best > limit {
			return limit + 1
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
