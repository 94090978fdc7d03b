package compare

import (
	"slices"
	"strings"

	"satchel/manifest"
)

// inputKey is equal for equal inputs, in whatever order they are listed.
func inputKey(in manifest.Inputs) string {
	lines := []string{"descriptor " + in.Descriptor.SHA256.Hex()}
	for _, f := range in.Files {
		lines = append(lines, "file "+f.Path+" "+f.SHA256.Hex())
	}
	for _, g := range in.Git {
		lines = append(lines, "source "+g.Dir+" "+g.Commit)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// inputDifferences lists what two builders took differently: the descriptor,
// sources, files, each by name.
func inputDifferences(ours, theirs manifest.Inputs) []InputDifference {
	all := []InputDifference{}
	if ours.Descriptor.SHA256 != theirs.Descriptor.SHA256 {
		all = append(all, InputDifference{"descriptor", theirs.Descriptor.Path, ours.Descriptor.SHA256.Hex(), theirs.Descriptor.SHA256.Hex()})
	}
	commits := func(in manifest.Inputs) map[string]string {
		m := map[string]string{}
		for _, g := range in.Git {
			m[g.Dir] = g.Commit
		}
		return m
	}
	files := func(in manifest.Inputs) map[string]string {
		m := map[string]string{}
		for _, f := range in.Files {
			m[f.Path] = f.SHA256.Hex()
		}
		return m
	}
	all = append(all, mapDifferences("source", commits(ours), commits(theirs))...)
	return append(all, mapDifferences("file", files(ours), files(theirs))...)
}

// mapDifferences lists the names whose values differ, sorted by name.
func mapDifferences(kind string, ours, theirs map[string]string) []InputDifference {
	var all []InputDifference
	for name, v := range ours {
		if theirs[name] != v {
			all = append(all, InputDifference{kind, name, v, theirs[name]})
		}
	}
	for name, v := range theirs {
		if _, ok := ours[name]; !ok {
			all = append(all, InputDifference{kind, name, "", v})
		}
	}
	slices.SortFunc(all, func(a, b InputDifference) int { return strings.Compare(a.Name, b.Name) })
	return all
}
