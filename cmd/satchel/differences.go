package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"satchel/bundle/sigs"
	"satchel/manifest/compare"
	"satchel/runner"
	"satchel/runner/differ"
)

// inside looks into the outputs of two results that differ, where they lie beside them.
func inside(ctx context.Context, sets []sigs.Set, reports []*compare.Report) ([]runner.Inside, error) {
	var all []runner.Inside
	for _, set := range sets {
		i := slices.IndexFunc(reports, func(r *compare.Report) bool { return r.Name == set.Name })
		if len(set.More) != 2 || len(set.Entries) > 0 || i < 0 && len(reports) != 1 || reports[max(0, i)].Answer != compare.Differ {
			continue
		}
		in := runner.Inside{Descriptor: label(reports[max(0, i)])}
		in.First, in.Second = outOf(set.More[0]), outOf(set.More[1])
		if in.First == "" || in.Second == "" {
			continue
		}
		var err error
		if in.Differences, err = new(differ.Explainer).Trees(ctx, in.First, in.Second); err != nil {
			return nil, err
		}
		if len(in.Differences) > 0 { // what lies there may not be what was built
			all = append(all, in)
		}
	}
	return all, nil
}

// outOf is the folder of outputs beside a result; "" if there is none.
func outOf(s compare.Statement) string {
	dir := filepath.Join(filepath.Dir(s.File), "out")
	if fi, err := os.Stat(dir); err != nil || !fi.IsDir() || !strings.HasSuffix(s.File, "-res.yml") {
		return ""
	}
	return dir
}

// printInside prints what differs inside of outputs.
func printInside(ui *ui, all []runner.Inside) error {
	for _, in := range all {
		if err := ui.answer("\n%s", differencesText(in.Descriptor, in.Differences)); err != nil {
			return err
		}
	}
	return nil
}

// differencesText is a tree of what differs: what, in how many ways, and both sides.
func differencesText(name string, all []differ.Difference) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: what differs\n", printable(name))
	writeDifferences(&b, all, "  ")
	return b.String()
}

func writeDifferences(b *strings.Builder, all []differ.Difference, indent string) {
	for _, d := range all {
		fmt.Fprintf(b, "%s%s: %s", indent, oneLine(d.Where), oneLine(d.Text))
		if d.Hint != "" {
			fmt.Fprintf(b, "; %s", oneLine(d.Hint))
		}
		if d.More > 0 {
			fmt.Fprintf(b, " (and %d more)", d.More)
		}
		b.WriteByte('\n')
		if d.First != "" || d.Second != "" {
			fmt.Fprintf(b, "%s  first   %s\n%s  second  %s\n", indent, valueText(d.First), indent, valueText(d.Second))
		}
		writeDifferences(b, d.Inside, indent+"  ")
	}
}

// valueText is a value on one line; blanks count.
func valueText(s string) string {
	if s == "" {
		return "-"
	}
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(printable(s))
}
