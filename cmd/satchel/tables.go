package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"satchel/manifest"
)

// table aligns columns and keeps what documents say from driving the terminal.
type table struct{ *tabwriter.Writer }

func newTable(w io.Writer) table { return table{tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)} }

func (t table) row(cells ...any) {
	text := make([]string, len(cells))
	for i, c := range cells {
		text[i] = strings.ReplaceAll(printable(fmt.Sprint(c)), "\n", " ")
	}
	fmt.Fprintln(t, strings.Join(text, "\t"))
}

func bundleTable(w io.Writer, b manifest.BundleView) error {
	fmt.Fprintf(w, "bundle      %s\nsize        %s\n", b.Identity, bytesText(b.Size))
	for _, s := range b.Signatures {
		fmt.Fprintf(w, "signed by   %s %s\n", s.Kind, s.KeyFingerprint)
	}
	fmt.Fprintln(w)
	return lockTable(w, b.Lock)
}

func lockTable(w io.Writer, l *manifest.Lock) error {
	t := newTable(w)
	for _, d := range l.Descriptors {
		t.row("descriptor", d.Name, d.File, d.SHA256.Hex())
		t.row("reference", d.Reference)
		for _, s := range d.Sources {
			t.row("source", s.Dir, s.Ref, s.Commit, bytesText(s.Pack.Size), s.URL)
			for _, m := range s.Submodules {
				t.row("submodule", s.Dir+"/"+m.Path, "", m.Commit, bytesText(m.Pack.Size), m.URL)
			}
		}
		for _, f := range d.Files {
			t.row("file", f.Name, "", f.SHA256.Hex(), bytesText(f.Size), f.URL+f.Path)
		}
	}
	for _, a := range l.Archives {
		t.row("archive", a.ID(), a.Date, strings.Join(a.Components, " "), "signed by", strings.Join(a.SignedBy, " "))
		if a.Snapshot != "" {
			t.row("", "snapshot of", a.Snapshot)
		}
		for _, w := range a.Waived {
			t.row("", "waived", w, w.Meaning())
		}
	}
	for _, a := range l.Asserts {
		t.row("assert", a.Descriptor, a.Release, a.SHA256.Hex(), "signed by", cmp.Or(a.SignedBy, "nobody asked"), a.Signed)
	}
	for _, g := range l.Targets {
		t.row("")
		size := int64(0)
		for _, p := range g.Packages {
			size += p.Size
		}
		t.row("target", g.Descriptor, g.Distro+" "+g.Suite+" "+g.Architecture, imageText(g.Image), count(len(g.Packages), "package"), bytesText(size))
		for _, p := range g.Packages {
			t.row("", p.Name, p.Version, p.Architecture, p.SHA256.Hex(), bytesText(p.Size), p.Why, voucher(p))
		}
		for _, p := range g.Installed {
			sum := "not in the archive"
			if p.SHA256 != nil {
				sum = p.SHA256.Hex()
			}
			t.row("", p.Name, p.Version, p.Architecture, sum, "", "in the image")
		}
	}
	return t.Flush()
}

// voucher says who vouches for a package, if no archive does.
func voucher(p manifest.PackagePin) string {
	if p.Vouched == "" {
		return ""
	}
	return "in no index: the " + string(p.Vouched) + " vouches for it"
}

func needsTable(w io.Writer, n *manifest.Needs) error {
	t := newTable(w)
	if n.Lock != nil {
		t.row("needs of lock", n.Lock.Hex())
	}
	for _, b := range n.Blobs {
		t.row("blob", b.Name, b.SHA256.Hex(), bytesText(b.Size), b.URL+b.Archive)
		for _, a := range b.Tried {
			t.row("", a.URL, a.Answer)
		}
	}
	for _, h := range n.Hosts {
		t.row("host", h.Name, h.Descriptor, h.Target)
	}
	return t.Flush()
}

func imageText(m manifest.Image) string {
	if m.Manifest == nil {
		return string(m.Kind)
	}
	return m.From + " " + m.Manifest.SHA256.String()
}

func resultTable(w io.Writer, r *manifest.Result) error {
	t := newTable(w)
	if r.Release != "" {
		t.row("assert", r.Name, r.Release)
	} else {
		t.row("result")
	}
	for _, s := range r.Out {
		t.row("out", s.SHA256.Hex(), s.Path)
	}
	t.row("in", r.In.Descriptor.SHA256.Hex(), r.In.Descriptor.Path)
	for _, s := range r.In.Files {
		t.row("in", s.SHA256.Hex(), s.Path)
	}
	for _, g := range r.In.Git {
		t.row("in", "git:"+g.Commit, g.Dir)
	}
	for _, b := range r.Base {
		t.row("base", b.Target, count(len(b.Sums), "package"))
		for _, s := range b.Sums {
			t.row("", s.SHA256.Hex(), s.Path)
		}
	}
	return t.Flush()
}

func descriptorTable(w io.Writer, d *manifest.Descriptor) error {
	t := newTable(w)
	t.row("descriptor", d.Name)
	t.row("distro", d.Distro)
	for _, g := range d.Targets() {
		t.row("target", g.Suite, g.Architecture)
	}
	t.row("packages", len(d.Packages), strings.Join(d.Packages, " "))
	if d.Reference != "" {
		t.row("reference", d.Reference)
	}
	for _, r := range d.Remotes {
		t.row("remote", r.Dir, r.URL, r.Commit)
	}
	for _, f := range d.Files {
		t.row("file", f)
	}
	for _, k := range d.Unknown {
		t.row("unknown key", k)
	}
	return t.Flush()
}
