package main

import (
	"fmt"
	"io"
	"strings"

	"satchel/manifest/compare"
)

// shownPackages is how many packages of a difference a table lists.
const shownPackages = 15

// reportTable prints a comparison: its answer in a line and, with detail, who
// stands where and why.
func reportTable(w io.Writer, r *compare.Report, detail bool) error {
	if _, err := fmt.Fprintf(w, "%s\n", printable(label(r)+": "+r.Text)); err != nil || !detail {
		return err
	}
	t := newTable(w)
	t.row("builder", "camp", "inputs", "packages", "signature", "key")
	for _, b := range r.Builders {
		note := b.Signature.Key
		switch {
		case b.Signature.Note != "" && !b.Signature.Status.Counts():
			note = b.Signature.Note
		case b.Signature.Owner != "" && !strings.EqualFold(b.Signature.Owner, b.Signer):
			note += " of " + b.Signature.Owner
		}
		camp, inputs := b.Camp, fmt.Sprint(b.Inputs)
		if camp == "" {
			camp, inputs = "-", "-"
		}
		t.row(b.Signer, camp, inputs, b.Packages, b.Signature.Status, note)
		if b.Problem != "" {
			t.row("", "", "", "", firstLine(b.Problem))
		}
	}
	for i, in := range r.Inputs {
		if i > 0 && in.Known {
			t.row("")
			t.row(fmt.Sprintf("inputs %d", i+1), strings.Join(in.Signers, ", "))
			inputRows(t, in.Differs)
		}
	}
	for _, k := range r.Camps[min(1, len(r.Camps)):] {
		campRows(t, r, k)
	}
	return t.Flush()
}

func campRows(t table, r *compare.Report, k compare.Camp) {
	t.row("")
	t.row("camp "+k.Letter, strings.Join(k.Signers, ", "))
	t.row("", fmt.Sprintf("%d of %d outputs differ from camp A: %s", len(k.Differs), len(r.Outputs), strings.Join(k.Differs, " ")))
	t.row("", "why: "+k.Why.Text)
	inputRows(t, k.Why.Inputs)
	for _, target := range k.Why.Environments {
		t.row("", "environment "+target)
	}
	if len(k.Why.Packages) > 0 {
		t.Flush() // the columns of what follows are others
		t.row("", "package", "kind", "camp A", "camp "+k.Letter, "target")
	}
	for i, p := range k.Why.Packages {
		if i == shownPackages {
			t.row("", fmt.Sprintf("and %d more (--json or --html lists them)", len(k.Why.Packages)-i))
			break
		}
		t.row("", p.Name, p.Class, versionsText(p.Ours), versionsText(p.Theirs), p.Target)
	}
}

func inputRows(t table, all []compare.InputDifference) {
	for _, d := range all {
		t.row("", d.Kind+" "+d.Name, short(d.Ours)+" → "+short(d.Theirs))
	}
}

func versionsText(all []compare.Version) string {
	var out []string
	for _, v := range all {
		out = append(out, v.Version)
	}
	if len(out) == 0 {
		return "none"
	}
	if len(all) == 2 && all[0].Version == all[1].Version {
		return fmt.Sprintf("%s (%s, %s)", all[0].Version, short(all[0].SHA256), short(all[1].SHA256))
	}
	return strings.Join(out, ", ")
}

// short cuts a hash for people.
func short(hash string) string {
	switch {
	case hash == "":
		return "none"
	case len(hash) > 12:
		return hash[:12]
	}
	return hash
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
