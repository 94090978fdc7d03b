package archivetest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"satchel/aptmirror/deb"
	"satchel/aptmirror/deb/debtest"
)

// Package is a binary package of a suite.
type Package struct {
	debtest.Package        // made here; or
	File            string // a .deb that is there already
	Component       string // "main" if empty
	Path            string // in the archive; the usual one if empty
	Index           string // more lines of its stanza in the index, each with its end
}

// Deb is a package for amd64 with one small file. fields are more lines of its
// control stanza, each with its end.
func Deb(name, version, fields string) Package {
	readme := "./usr/share/doc/" + name + "/readme"
	p := debtest.Package{Name: name, Version: version, Arch: "amd64", Fields: fields, Compression: ".gz", Contents: map[string]string{readme: name + "\n"}}
	for _, d := range []string{".", "./usr", "./usr/share", "./usr/share/doc", "./usr/share/doc/" + name} {
		p.Data = append(p.Data, debtest.Dir(d))
	}
	p.Data = append(p.Data, debtest.File(readme))
	return Package{Package: p}
}

// Source is a source package.
type Source struct {
	Name, Version string
	Component     string            // "main" if empty
	Files         map[string][]byte // by name
}

// limits bound the .debs that tests publish.
var limits = deb.Limits{Control: 64 << 20, Data: 8 << 30, Entries: 1 << 20}

// indexes writes the pool and returns the text of each index, by the path of
// its plain form from dists/NAME/. Each index is there, if only empty.
func (s *Suite) indexes(t testing.TB, a *Archive) map[string]string {
	t.Helper()
	arches := or(s.Architectures, "amd64")
	texts := map[string]*strings.Builder{}
	index := func(component, kind string) *strings.Builder {
		p := component + "/" + kind
		if texts[p] == nil {
			texts[p] = &strings.Builder{}
		}
		return texts[p]
	}
	for _, c := range or(s.Components, "main") {
		for _, arch := range arches {
			index(c, "binary-"+arch+"/Packages")
		}
		if s.Sources != nil {
			index(c, "source/Sources")
		}
	}
	for _, p := range s.Packages {
		stanza, arch, component := s.deb(t, a, p)
		for _, one := range arches {
			if one == arch || arch == "all" && (s.NoSupportForAll || !slices.Contains(arches, "all")) {
				index(component, "binary-"+one+"/Packages").WriteString(stanza)
			}
		}
	}
	for _, src := range s.Sources {
		stanza, component := s.source(t, a, src)
		index(component, "source/Sources").WriteString(stanza)
	}
	out := map[string]string{}
	for p, b := range texts {
		out[p] = b.String()
	}
	return out
}

// deb puts a package into the pool and returns its stanza.
func (s *Suite) deb(t testing.TB, a *Archive, p Package) (stanza, arch, component string) {
	t.Helper()
	data := []byte(nil)
	if p.File == "" {
		data = p.Bytes()
	} else {
		var err error
		if data, err = os.ReadFile(p.File); err != nil {
			t.Fatal(err)
		}
	}
	control := p.Stanza()
	if p.File != "" || p.Parts != nil {
		read, err := deb.Open(bytes.NewReader(data), limits)
		if err != nil {
			t.Fatalf("publishing %s: %v", p.File, err)
		}
		read.Close()
		control = string(read.Control.Text)
	}
	get := func(name string) string {
		c, err := deb.ParseControl([]byte(control))
		if err != nil {
			t.Fatalf("publishing %s%s: %v", p.Name, p.File, err)
		}
		return c.Get(name)
	}
	name, version, arch := get("Package"), get("Version"), get("Architecture")
	if component = p.Component; component == "" {
		component = "main"
	}
	where := p.Path
	if where == "" {
		_, bare, epoch := strings.Cut(version, ":")
		if !epoch {
			bare = version
		}
		where = fmt.Sprintf("pool/%s/%s/%s/%s_%s_%s.deb", component, initial(name), name, name, bare, arch)
	}
	if p.File == "" {
		a.Write(t, s.Archive+"/"+where, data)
	} else {
		a.link(t, s.Archive+"/"+where, p.File)
	}
	return fmt.Sprintf("%s\n%sFilename: %s\nSize: %d\nSHA256: %x\n\n", strings.TrimSpace(control), p.Index, where, len(data), sha256.Sum256(data)), arch, component
}

// source puts the files of a source package into the pool.
func (s *Suite) source(t testing.TB, a *Archive, src Source) (stanza, component string) {
	t.Helper()
	if component = src.Component; component == "" {
		component = "main"
	}
	dir := fmt.Sprintf("pool/%s/%s/%s", component, initial(src.Name), src.Name)
	var files strings.Builder
	for name, data := range src.Files {
		a.Write(t, s.Archive+"/"+dir+"/"+name, data)
		fmt.Fprintf(&files, "\n %x %d %s", sha256.Sum256(data), len(data), name)
	}
	return fmt.Sprintf("Package: %s\nVersion: %s\nDirectory: %s\nChecksums-Sha256:%s\n\n", src.Name, src.Version, dir, files.String()), component
}

// initial is a pool's first folder: a letter, or lib and one.
func initial(name string) string {
	if strings.HasPrefix(name, "lib") && len(name) > 3 {
		return name[:4]
	}
	return name[:1]
}
