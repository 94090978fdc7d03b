package manifest

import (
	"fmt"
	"slices"
	"strings"
)

// ParseSums reads a list of sums as sha256sum writes it, such as guix.sigs's
// all.SHA256SUMS, as a Result that knows outputs alone: its inputs are empty.
// Lines that begin with # are comments. The error is a *Problems.
func ParseSums(file string, data []byte) (*Result, error) {
	f := newFindings(file, data)
	if len(data) > maxResult {
		f.add(0, "it has %d bytes, more than the %d that are allowed", len(data), maxResult)
		return nil, f.err()
	}
	r := &Result{Out: []FileSum{}, In: Inputs{Files: []FileSum{}, Git: []GitCommit{}}, Base: []BaseManifest{}, CacheCommon: []FileSum{}, CachePackage: []FileSum{}}
	seen := map[string]int{}
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		if line = strings.TrimRight(line, "\r\n"); line == "" || line[0] == '#' {
			continue
		}
		sums, noise := splitSums(line)
		if len(noise) > 0 {
			f.add(n, "%q is no line of sha256sum: want 64 hexadecimal digits, two spaces, a name", shorten(line))
			continue
		}
		if old, ok := seen[sums[0].Path]; ok {
			f.add(n, "%q is listed here and in line %d", shorten(sums[0].Path), old)
			continue
		}
		seen[sums[0].Path] = n
		r.Out = append(r.Out, sums[0])
	}
	if len(r.Out) == 0 && len(f.list) == 0 {
		f.add(0, "it lists nothing")
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	slices.SortFunc(r.Out, func(a, b FileSum) int { return strings.Compare(a.Path, b.Path) })
	return r, nil
}

// FormatSums writes sums as sha256sum does, sorted by path as bytes.
func FormatSums(sums []FileSum) ([]byte, error) {
	if err := checkSums(sums, nil); err != nil {
		return nil, fmt.Errorf("writing sums: %w", err)
	}
	sums = slices.Clone(sums)
	slices.SortFunc(sums, func(a, b FileSum) int { return strings.Compare(a.Path, b.Path) })
	return []byte(sumLines(sums, nil)), nil
}
