package manifest

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// TargetName is one build that a descriptor asks for.
type TargetName struct {
	Suite        string `json:"suite"`
	Architecture string `json:"architecture"` // as the descriptor says it
}

// Targets returns the builds that d asks for, in gitian's order: suites
// outside, architectures inside.
func (d *Descriptor) Targets() []TargetName {
	var all []TargetName
	for _, s := range d.Suites {
		for _, a := range d.Architectures {
			all = append(all, TargetName{Suite: s, Architecture: a})
		}
	}
	return all
}

// ParseDescriptor reads a gitian descriptor as gbuild does: YAML 1.1, the first
// document only, unknown keys kept apart. Unlike gbuild it looks at everything
// first: the error is a *Problems that names all that is wrong in it. file is
// used in messages alone. data is kept in Raw, not copied.
func ParseDescriptor(file string, data []byte) (*Descriptor, error) {
	root, err := readNode(file, data, maxDescriptor, false)
	if err != nil {
		return nil, err
	}
	r := &descriptorReader{walker{findings: newFindings(file, data)}}
	d := &Descriptor{File: file, Raw: data, Distro: "ubuntu"}
	r.descriptor(d, root)
	if err := r.err(); err != nil {
		return nil, err
	}
	return d, nil
}

type descriptorReader struct{ walker }

func (r *descriptorReader) descriptor(d *Descriptor, root *yaml.Node) {
	m, ok := r.mapping(root, "the descriptor")
	if !ok {
		return
	}
	d.Name = r.named(m, "name")
	if n := m.take("distro"); n != nil {
		d.Distro = r.text(n, "distro")
		r.check(n, "distro", CheckName, d.Distro)
	}
	d.Suites = r.suites(m)
	d.Architectures = r.architectures(m)
	d.Packages = r.packages(m, true)
	for _, n := range r.list(m, "multiarch", false) {
		a := r.text(n, "multiarch")
		if !architecture(a) {
			r.add(n.Line, "multiarch: %q is no architecture", shorten(a))
		}
		d.Multiarch = append(d.Multiarch, a)
	}
	d.Repositories = r.repositories(m)
	d.Alternatives = r.alternatives(m)
	d.Sudo = r.flag(m, "sudo")
	d.EnableCache = r.flag(m, "enable_cache")
	if n := m.take("reference_datetime"); n != nil {
		d.Reference = r.text(n, "reference_datetime")
		r.check(n, "reference_datetime", checkDate, d.Reference)
	}
	d.Remotes = r.remotes(m)
	d.Files = []string{}
	for _, n := range r.list(m, "files", true) {
		s := r.text(n, "files")
		r.check(n, "files", CheckFileName, s)
		d.Files = append(d.Files, s)
	}
	d.ImageDigests = r.imageDigests(m, len(d.Suites))
	for _, n := range r.list(m, "optionals", false) {
		d.Optionals = append(d.Optionals, r.printable(n, "optionals"))
	}
	if n := r.must(m, "script"); n != nil {
		d.Script = r.text(n, "script")
		if n.Style&yaml.LiteralStyle != 0 {
			d.ScriptLine = n.Line + 1
		}
	}
	if len(d.Remotes) == 0 { // nothing else to take the time from
		r.must(m, "reference_datetime")
	}
	r.unknown(m, "")
	d.Unknown = slices.Compact(slices.Sorted(slices.Values(r.ignored)))
}

// named reads a required name of gitian's characters.
func (r *descriptorReader) named(m *mapNode, key string) string {
	n := r.must(m, key)
	if n == nil {
		return ""
	}
	s := r.text(n, key)
	r.check(n, key, CheckName, s)
	return s
}

func (r *descriptorReader) suites(m *mapNode) []string {
	all := []string{}
	seen := map[string]bool{}
	items := r.list(m, "suites", true)
	for _, n := range items {
		s := r.text(n, "suites")
		r.check(n, "suites", CheckName, s)
		r.once(n, "suites", seen, s)
		all = append(all, s)
	}
	r.some(m, "suites", items)
	return all
}

func (r *descriptorReader) architectures(m *mapNode) []string {
	all := []string{}
	seen := map[string]bool{}
	items := r.list(m, "architectures", true)
	for _, n := range items {
		s := r.text(n, "architectures")
		if s != "i386" && s != "amd64" && s != "linux64" {
			r.add(n.Line, "architectures: %q is unknown; gitian builds for i386, amd64 and linux64", shorten(s))
		}
		r.once(n, "architectures", seen, s)
		all = append(all, s)
	}
	r.some(m, "architectures", items)
	return all
}

// packages reads a list of packages. An entry may name several, between
// spaces, and an empty one names none: gitian joins all with spaces.
func (r *descriptorReader) packages(m *mapNode, required bool) []string {
	all := []string{}
	for _, n := range r.list(m, "packages", required) {
		if isNull(n) {
			continue
		}
		for _, s := range strings.Fields(r.text(n, "packages")) {
			if err := checkWish(s); err != nil {
				r.add(n.Line, "packages: %v", err)
			}
			all = append(all, s)
		}
	}
	return all
}

func (r *descriptorReader) repositories(m *mapNode) []Repository {
	var all []Repository
	for _, n := range r.list(m, "repositories", false) {
		e, ok := r.mapping(n, "an entry of repositories")
		if !ok {
			continue
		}
		var p Repository
		if n := r.must(e, "source"); n != nil {
			p.Source = strings.TrimSpace(r.text(n, "source"))
			if !clean(p.Source) || !strings.HasPrefix(p.Source, "deb") {
				r.add(n.Line, "source: %q is no line of sources.list", shorten(p.Source))
			}
		}
		if n := r.must(e, "distribution"); n != nil {
			p.Distribution = r.text(n, "distribution")
			if !word(p.Distribution, ".-/") || p.Distribution[0] == '-' {
				r.add(n.Line, "distribution: %q is no suite", shorten(p.Distribution))
			}
		}
		p.Packages = r.packages(e, true)
		if n := e.take("key"); n != nil {
			p.Key = r.text(n, "key")
			r.check(n, "key", checkWebURL, p.Key)
		}
		if n := e.take("name"); n != nil {
			p.Name = r.text(n, "name")
			r.check(n, "name", CheckName, p.Name)
		}
		r.unknown(e, "repositories.")
		all = append(all, p)
	}
	return all
}

func (r *descriptorReader) alternatives(m *mapNode) []Alternative {
	var all []Alternative
	for _, n := range r.list(m, "alternatives", false) {
		e, ok := r.mapping(n, "an entry of alternatives")
		if !ok {
			continue
		}
		var a Alternative
		if n := r.must(e, "package"); n != nil {
			a.Package = r.text(n, "package")
			if !element(a.Package, ".-+") {
				r.add(n.Line, "package: %q is no name of an alternative", shorten(a.Package))
			}
		}
		if n := r.must(e, "path"); n != nil {
			a.Path = r.text(n, "path")
			if !word(a.Path, "/.-+:~") || a.Path[0] != '/' {
				r.add(n.Line, "path: %q is no absolute path", shorten(a.Path))
			}
		}
		r.unknown(e, "alternatives.")
		all = append(all, a)
	}
	return all
}

func (r *descriptorReader) remotes(m *mapNode) []Remote {
	all := []Remote{}
	dirs := map[string]bool{}
	for _, n := range r.list(m, "remotes", true) {
		e, ok := r.mapping(n, "an entry of remotes")
		if !ok {
			continue
		}
		o := Remote{Line: n.Line}
		if n := r.must(e, "url"); n != nil {
			o.URL = r.text(n, "url")
			r.check(n, "url", CheckURL, o.URL)
		}
		if n := r.must(e, "dir"); n != nil {
			o.Dir = r.text(n, "dir")
			r.check(n, "dir", CheckName, o.Dir)
			r.once(n, "dir", dirs, o.Dir)
		}
		if n := e.take("commit"); n != nil {
			o.Commit = r.text(n, "commit")
			r.check(n, "commit", CheckCommit, o.Commit)
		}
		r.unknown(e, "remotes.")
		all = append(all, o)
	}
	return all
}

func (r *descriptorReader) imageDigests(m *mapNode, suites int) []string {
	all := []string{}
	line := m.lineOf("docker_image_digests")
	for _, n := range r.list(m, "docker_image_digests", false) {
		s := r.text(n, "docker_image_digests")
		if _, err := ParseDigest(s); err != nil {
			r.add(n.Line, "docker_image_digests: %v", err)
		}
		all = append(all, s)
	}
	if len(all) > 0 && len(all) != suites {
		r.add(line, "docker_image_digests has %d entries and suites has %d; gitian wants one for each suite", len(all), suites)
	}
	return all
}
