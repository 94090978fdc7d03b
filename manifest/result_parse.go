package manifest

import (
	"encoding/base64"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// ParseResult reads a result or an assert in every form that gitian has written
// since 2011: ordered maps under either tag or as plain maps, folded and block
// texts, git lines that run into each other, lines of apt and sudo among the
// packages. Texts are taken as they are written: a release 0.10 without quotes
// is "0.10", where Ruby reads a number. The error is a *Problems. file is used
// in messages alone.
func ParseResult(file string, data []byte) (*Result, error) {
	if why := foreign(data); why != "" {
		return nil, &Problems{File: file, List: []Problem{{Line: 1, Message: why}}}
	}
	root, err := readNode(file, data, maxResult, true)
	if err != nil {
		return nil, err
	}
	r := &resultReader{walker{findings: newFindings(file, data)}}
	var res Result
	r.result(&res, root)
	if err := r.err(); err != nil {
		return nil, err
	}
	return &res, nil
}

// oneBase is what the list of packages is called where there is one, without a name.
const oneBase = "base"

type resultReader struct{ walker }

// text is the walker's, and decodes what Ruby wrote as !binary: a text that was
// no ASCII when its locale was C.
func (r *resultReader) text(n *yaml.Node, what string) string {
	a := r.follow(n)
	if a == nil || a.Kind != yaml.ScalarNode || a.Tag != "!binary" && a.Tag != "!!binary" {
		return r.walker.text(n, what)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(a.Value), ""))
	if err != nil {
		r.add(a.Line, "%s: it is marked as binary and is no base64", what)
	}
	return string(raw)
}

// pairs reads an ordered map: a list of maps of one key, or a plain map.
func (r *resultReader) pairs(n *yaml.Node, what string) *mapNode {
	if n = r.follow(n); n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		m, _ := r.mapping(n, what)
		return m
	}
	if tag := strings.ToLower(n.Tag); !strings.HasSuffix(tag, ":omap") || !strings.HasPrefix(tag, "!") { // !ruby/hash:Psych::Omap and its like
		r.tagged(n, what)
	}
	whole := &yaml.Node{Kind: yaml.MappingNode, Line: n.Line}
	for _, c := range n.Content {
		if c = r.follow(c); c == nil {
			return nil
		}
		if c.Kind != yaml.MappingNode || len(c.Content) != 2 {
			r.add(c.Line, "%s: each entry must be one key: value", what)
			continue
		}
		whole.Content = append(whole.Content, c.Content...)
	}
	m, _ := r.mapping(whole, what)
	return m
}

func (r *resultReader) result(res *Result, root *yaml.Node) {
	m := r.pairs(root, "the result")
	if m == nil {
		return
	}
	res.Out = r.sums(m, "out_manifest", true)
	r.inputs(&res.In, m)
	res.Base = r.base(m)
	res.CacheCommon = r.sums(m, "cache_common_manifest", false)
	res.CachePackage = r.sums(m, "cache_package_manifest", false)
	res.Release = r.word(m, "release")
	res.Name = r.word(m, "name")
	res.Type = r.word(m, "type")
	r.optionals(res, m)
	r.unknown(m, "")
	slices.Sort(r.ignored)
	res.Unknown = r.ignored
	own, ok := strings.CutSuffix(res.In.Descriptor.Path, "-desc.yml")
	switch {
	case len(r.findings.list) > 0:
	case !ok || CheckName(own) != nil:
		r.add(m.lineOf("in_manifest"), "in_manifest: its first line must be the sum of NAME-desc.yml")
	case res.Name == "":
		res.Name = own
	case res.Name != own:
		r.add(m.lineOf("name"), "name: it is %q, but the descriptor is %q", shorten(res.Name), own+"-desc.yml")
	}
}

func (r *resultReader) word(m *mapNode, key string) string {
	n := m.take(key)
	if n == nil {
		return ""
	}
	s := r.text(n, key)
	r.check(n, key, CheckName, s)
	return s
}

func (r *resultReader) optionals(res *Result, m *mapNode) {
	n := m.take("optionals")
	if n == nil || n.Kind == yaml.ScalarNode && n.Value == "" {
		return
	}
	res.Optionals = []string{}
	for _, n := range r.list(m, "optionals", false) {
		res.Optionals = append(res.Optionals, r.printable(n, "optionals"))
	}
}

// sums reads a manifest that holds nothing but sums.
func (r *resultReader) sums(m *mapNode, key string, required bool) []FileSum {
	n := m.take(key)
	if n == nil {
		if required {
			r.missing(m, key)
		}
		return []FileSum{}
	}
	all, noise := splitSums(r.text(n, key))
	for _, x := range noise {
		r.add(n.Line, "%s: %q is no line of sha256sum", key, shorten(x.Text))
	}
	return all
}

func (r *resultReader) base(m *mapNode) []BaseManifest {
	all := []BaseManifest{}
	n := m.take("base_manifests")
	if n == nil {
		if n = m.take("base_manifest"); n != nil { // of one build, before there were several
			one := BaseManifest{Target: oneBase}
			one.Sums, one.Noise = splitSums(r.text(n, "base_manifest"))
			all = append(all, one)
		}
		return all
	}
	b := r.pairs(n, "base_manifests")
	if b == nil {
		return all
	}
	for _, k := range b.keys {
		r.check(&yaml.Node{Kind: yaml.ScalarNode, Line: b.at[k]}, "base_manifests", CheckName, k)
		one := BaseManifest{Target: k, Sums: []FileSum{}}
		if v := b.take(k); v != nil {
			one.Sums, one.Noise = splitSums(r.text(v, "base_manifests"))
		}
		all = append(all, one)
	}
	return all
}

// inputs reads in_manifest: sums, then git lines.
func (r *resultReader) inputs(in *Inputs, m *mapNode) {
	n := r.must(m, "in_manifest")
	if n == nil {
		return
	}
	in.Git = []GitCommit{}
	text := r.text(n, "in_manifest")
	var sums []FileSum
	sums, in.Noise = splitSums(text)
	if len(sums) > 0 {
		in.Descriptor, sums = sums[0], sums[1:]
	}
	in.Files = sums
	var noise []Noise
	for _, x := range in.Noise {
		git, rest := splitGit(x.Text)
		in.Git = append(in.Git, git...)
		if rest != "" {
			noise = append(noise, Noise{At: x.At, Text: rest})
		}
	}
	in.Noise = noise
}

// splitSums takes the lines of sha256sum out of a text; other lines but empty
// ones are noise.
func splitSums(text string) (sums []FileSum, noise []Noise) {
	sums = []FileSum{}
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		if len(line) > 66 && (line[64:66] == "  " || line[64:66] == " *") && clean(line[66:]) {
			if d, err := ParseDigest(line[:64]); err == nil {
				sums = append(sums, FileSum{d, line[66:]})
				continue
			}
		}
		if line != "" {
			noise = append(noise, Noise{At: len(sums), Text: line})
		}
	}
	return sums, noise
}

// splitGit takes git lines apart: "git:COMMIT one" and, since gbuild writes no
// newline behind them, "git:COMMIT onegit:COMMIT two". What is none is rest.
func splitGit(line string) (all []GitCommit, rest string) {
	at := nextGit(line, 0)
	if at < 0 {
		return nil, line
	}
	rest = line[:at]
	for at >= 0 {
		next := nextGit(line, at+gitHead)
		end := next
		if next < 0 {
			end = len(line)
		}
		g := GitCommit{Commit: line[at+4 : at+gitHead-1], Dir: line[at+gitHead : end]}
		if CheckName(g.Dir) != nil {
			return nil, line
		}
		all = append(all, g)
		at = next
	}
	return all, rest
}

// gitHead is the length of "git:COMMIT ".
const gitHead = len("git:") + 40 + len(" ")

// nextGit returns where in line, at from or behind, a git line begins, or -1.
func nextGit(line string, from int) int {
	for {
		i := strings.Index(line[from:], "git:")
		if i < 0 || len(line) < from+i+gitHead {
			return -1
		}
		i += from
		if hexDigits(line[i+4:i+gitHead-1], 40) && line[i+gitHead-1] == ' ' {
			return i
		}
		from = i + 1
	}
}
