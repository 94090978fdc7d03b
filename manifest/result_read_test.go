package manifest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// styles write one text as YAML in every style that a reader of asserts meets.
// Each returns what stands behind "key:", or "" where the style cannot hold s.
var styles = []func(r *rand.Rand, s string, indent int) string{
	literalStyle, foldedStyle, singleStyle, singleStyle, doubleStyle,
	func(r *rand.Rand, s string, indent int) string {
		return strings.Replace(singleStyle(r, s, indent), " '", " ! '", 1)
	},
	func(_ *rand.Rand, s string, indent int) string {
		return " !binary |\n" + strings.Repeat(" ", indent) + base64.StdEncoding.EncodeToString([]byte(s))
	},
	func(_ *rand.Rand, s string, _ int) string { return " " + quoteYAML(s) },
	func(_ *rand.Rand, s string, _ int) string {
		return ` !!str "` + strings.ReplaceAll(s, "\n", `\n`) + `"`
	},
}

// blockHead is the header of a block scalar that ends as s does.
func blockHead(kind string, s string, step int) string {
	if s == "" || strings.HasPrefix(s, " ") || strings.HasPrefix(s, "\n") {
		kind += fmt.Sprint(step)
	}
	switch {
	case !strings.HasSuffix(s, "\n"):
		return kind + "-"
	case strings.HasSuffix(s, "\n\n") || s == "\n":
		return kind + "+"
	}
	return kind
}

func literalStyle(r *rand.Rand, s string, indent int) string {
	if s == "" || strings.Contains(s, "\t") {
		return ""
	}
	var b strings.Builder
	b.WriteString(" " + blockHead("|", s, indent) + []string{"", " ", " # text"}[r.IntN(3)])
	for _, line := range strings.Split(strings.TrimSuffix(s, "\n"), "\n") {
		b.WriteString("\n")
		if line != "" {
			b.WriteString(strings.Repeat(" ", indent) + line)
		}
	}
	return b.String()
}

func foldedStyle(r *rand.Rand, s string, indent int) string {
	if s == "" || strings.Contains(s, "\t") || strings.HasPrefix(s, " ") || strings.Contains(s, "\n ") {
		return ""
	}
	head := blockHead(">", s, indent)
	if strings.HasSuffix(head, "+") {
		return ""
	}
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	for i := range lines {
		if lines[i] != "" {
			lines[i] = strings.Repeat(" ", indent) + lines[i]
		}
	}
	return " " + head + "\n" + strings.Join(lines, "\n\n")
}

func singleStyle(_ *rand.Rand, s string, indent int) string {
	if strings.Contains(s, " \n") || strings.Contains(s, "\n ") || strings.Contains(s, "\t") {
		return ""
	}
	pad := "\n\n" + strings.Repeat(" ", indent)
	return " '" + strings.ReplaceAll(strings.ReplaceAll(s, "'", "''"), "\n", pad) + "'"
}

// doubleStyle breaks lines behind some escaped line ends.
func doubleStyle(r *rand.Rand, s string, indent int) string {
	var b strings.Builder
	b.WriteString(` "`)
	for i, c := range s {
		switch {
		case c == '\n':
			b.WriteString(`\n`)
			if r.IntN(3) == 0 && i+1 < len(s) && s[i+1] != ' ' {
				b.WriteString("\\\n" + strings.Repeat(" ", indent))
			}
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		case c == '\t':
			b.WriteString(`\t`)
		default:
			b.WriteRune(c)
		}
	}
	return b.String() + `"`
}

// styled writes a result as somebody's gitian might have: an ordered map under
// either tag or a plain map, each text in a style of its own.
func styled(r *rand.Rand, res *Result) string {
	text := func(s string, indent int) string {
		for {
			if out := styles[r.IntN(len(styles))](r, s, indent); out != "" {
				return out
			}
		}
	}
	tag := []string{"!omap", "!!omap", "!<tag:yaml.org,2002:omap>"}[r.IntN(3)]
	dash, in := "- ", 4
	head := "--- " + tag + []string{"", " "}[r.IntN(2)] + "\n"
	if r.IntN(5) == 0 {
		dash, in, head, tag = "", 2, "---\n", ""
	}
	var entries []string
	add := func(key, value string) { entries = append(entries, dash+key+":"+value+"\n") }
	add("out_manifest", text(sumLines(res.Out, nil), in))
	add("in_manifest", text(res.In.text(), in))
	base := " " + tag + "\n"
	for _, b := range res.Base {
		base += "  " + dash + quoteYAML(b.Target) + ":" + text(sumLines(b.Sums, b.Noise), in+2) + "\n"
	}
	if len(res.Base) == 0 {
		base = " []"
	}
	entries = append(entries, dash+"base_manifests:"+strings.TrimSuffix(base, "\n")+"\n")
	add("cache_common_manifest", text(sumLines(res.CacheCommon, nil), in))
	if res.Release != "" {
		add("release", " "+quoteYAML(res.Release))
		add("name", " "+quoteYAML(res.Name))
		add("type", " build")
		add("optionals", []string{"", " ", " ~", " []"}[r.IntN(4)])
	}
	if dash == "" {
		r.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	}
	all := head + strings.Join(entries, "")
	if r.IntN(6) == 0 {
		all = strings.ReplaceAll(all, "\n", "\r\n")
	}
	if r.IntN(6) == 0 {
		all = strings.TrimSuffix(all, "\n")
	}
	return all
}

// texts are the texts of a result as the parser hands them on, by key.
func texts(data []byte) (map[string]string, error) {
	root, err := readNode("x", data, maxResult, true)
	if err != nil {
		return nil, err
	}
	r := &resultReader{walker{findings: newFindings("x", data)}}
	all := map[string]string{}
	m := r.pairs(root, "the result")
	for _, key := range []string{"out_manifest", "in_manifest", "cache_common_manifest"} {
		if m != nil && m.has(key) {
			if n := m.take(key); n != nil {
				all[key] = r.text(n, key)
			}
		}
	}
	if m != nil && m.take("base_manifests") != nil {
		if b := r.pairs(m.take("base_manifests"), "base_manifests"); b != nil {
			for _, k := range b.keys {
				if n := b.take(k); n != nil {
					all["base "+k] = r.text(n, k)
				}
			}
		}
	}
	return all, r.err()
}

// rubyTexts reads files as gverify does; a file that Ruby refuses has no entry.
const rubyTexts = `require "yaml"
require "json"
ARGV.each { |f|
  y = begin
    YAML.respond_to?(:unsafe_load) ? YAML.unsafe_load(File.read(f, mode: "r:bom|utf-8")) : YAML.load(File.read(f, mode: "r:bom|utf-8"))
  rescue StandardError, Psych::SyntaxError
    next
  end
  flat = lambda { |x| x.is_a?(Array) ? x.reduce({}) { |a, b| a.merge(b) } : (x || {}) }
  y = flat.(y)
  out = {}
  %w[out_manifest in_manifest cache_common_manifest].each { |k| out[k] = y[k].dup.force_encoding("UTF-8") if y[k].is_a?(String) }
  flat.(y["base_manifests"]).each { |k, v| out["base " + k.to_s] = v.dup.force_encoding("UTF-8") if v.is_a?(String) }
  puts JSON.generate([File.basename(f), out.select { |_, v| v.valid_encoding? }])
}`

// askRuby lets Ruby read documents, by names that may be files', and returns the texts
// of those that it reads.
func askRuby(t *testing.T, docs map[string]string) map[string]map[string]string {
	t.Helper()
	ruby, dir := needTool(t, "ruby"), t.TempDir()
	args := []string{"-W0", "-e", rubyTexts}
	for name, text := range docs {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	out, err := exec.Command(ruby, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ruby: %v\n%s", err, out)
	}
	all := map[string]map[string]string{}
	for line := range strings.Lines(string(out)) {
		var name string
		var read map[string]string
		if err := json.Unmarshal([]byte(line), &[]any{&name, &read}); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all[name] = read
	}
	return all
}

// TestReadingAgainstRuby writes results in all historical styles, some of them
// damaged, and compares what we read with what Ruby reads: where both read a
// file, every text is the same, and a file that is whole is read by both.
func TestReadingAgainstRuby(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	docs := map[string]string{}
	whole := map[string]*Result{}
	for i := range 1200 {
		res := randomResult(r)
		if res.validate() != nil {
			continue
		}
		name := fmt.Sprintf("%04d", i)
		text := styled(r, res)
		if i%3 == 0 {
			text = damaged(r, text)
		} else {
			whole[name] = res
		}
		docs[name] = text
	}
	read := 0
	for name, want := range askRuby(t, docs) {
		got, err := texts([]byte(docs[name]))
		if err != nil {
			if whole[name] != nil {
				t.Errorf("%s: Ruby reads it, we do not: %v\n%s", name, err, docs[name])
			}
			continue
		}
		read++
		for k, w := range want {
			if _, ok := got[k]; !ok && whole[name] == nil && strings.HasPrefix(k, "base ") {
				continue // a damaged name that is a number to Ruby
			}
			if got[k] != w {
				t.Errorf("%s: %s: we read %q, Ruby %q\n%s", name, k, got[k], w, docs[name])
			}
		}
		if res := whole[name]; res != nil {
			checkStyled(t, name, docs[name], res)
		}
	}
	if read < 700 {
		t.Errorf("only %d documents were read by both", read)
	}
}

// TestCorpusAgainstRuby: every text of the real asserts is what Ruby reads.
func TestCorpusAgainstRuby(t *testing.T) {
	docs := map[string]string{}
	for name, data := range corpus(t, "asserts", filepath.Join("*", "*", "*.assert")) {
		docs[strings.ReplaceAll(name, string(filepath.Separator), " ")] = string(data)
	}
	read := askRuby(t, docs)
	if len(read) != len(docs) {
		t.Errorf("Ruby reads %d of %d", len(read), len(docs))
	}
	for name, want := range read {
		got, err := texts([]byte(docs[name]))
		for k, text := range want {
			if got[k] == "" && text == "" { // an empty list, or none
				delete(got, k)
				delete(want, k)
			}
		}
		if err != nil || !maps.Equal(got, want) || len(want) < 3 {
			t.Errorf("%s: %v, we read %d texts, Ruby %d, and they are not the same", name, err, len(got), len(want))
		}
	}
}

// checkStyled: the result of a whole document is the one that was written.
func checkStyled(t *testing.T, name, doc string, want *Result) {
	t.Helper()
	got, err := ParseResult(name, []byte(doc))
	if err != nil {
		t.Errorf("%v\n%s", err, doc)
		return
	}
	if !slices.Equal(got.Out, want.Out) || !slices.Equal(got.In.Git, want.In.Git) || !slices.Equal(got.In.Files, want.In.Files) ||
		len(got.Base) != len(want.Base) || got.Release != want.Release {
		t.Errorf("%s: got %+v\nwant %+v\n%s", name, got, want, doc)
	}
	for i := range got.Base {
		if !slices.Equal(got.Base[i].Sums, want.Base[i].Sums) || !slices.Equal(got.Base[i].Noise, want.Base[i].Noise) {
			t.Errorf("%s: base %d: got %+v, want %+v\n%s", name, i, got.Base[i], want.Base[i], doc)
		}
	}
}

// damaged changes a document in one place.
func damaged(r *rand.Rand, s string) string {
	at := r.IntN(len(s))
	switch r.IntN(4) {
	case 0:
		return s[:at]
	case 1:
		return s[:at] + s[min(len(s), at+1+r.IntN(20)):]
	case 2:
		return s[:at] + []string{" ", "\n", "'", `"`, ":", "#", "- ", "  "}[r.IntN(8)] + s[at:]
	}
	to := min(len(s), at+r.IntN(80))
	return s[:to] + s[at:]
}

// TestForeign: what is no result is refused with what it is.
func TestForeign(t *testing.T) {
	for text, want := range map[string]string{
		"<!DOCTYPE html>\n<html lang=\"en\">\n  <head><title>404</title>": "web page",
		"\n\n<html>":            "web page",
		"\xef\xbb\xbf<HTML>":    "web page",
		"<?xml version='1.0'?>": "web page",
		"version https://git-lfs.github.com/spec/v1\noid sha256:00": "git lfs pull",
		"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n":        "give the assert itself",
		"\x88\x5d\x04\x00": "OpenPGP signature",
		"<<<<<<< HEAD\n--- !!omap\n=======\n>>>>>>> x\n":         "conflict",
		"--- !!omap\n<<<<<<< HEAD\n- a: b\n=======\n>>>>>>> x\n": "conflict",
	} {
		if _, err := ParseResult("x.assert", []byte(text)); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "x.assert:1: ") {
			t.Errorf("%.40q: got %v, want %q", text, err, want)
		}
	}
}

// TestRareForms: tags and values that some Ruby or hand has written.
func TestRareForms(t *testing.T) {
	const body = "- out_manifest: ''\n- in_manifest: !str \"" + hexSum + "  p-desc.yml\"\n- release: '1'\n- name: p\n- optionals: "
	for _, form := range []string{"--- !ruby/hash:Psych::Omap\n" + body, "--- !ruby/array:YAML::Omap\n" + body + "''", "--- !map:Omap\n" + body + "~", "---\n" + body + "\"\"\n"} {
		got, err := ParseResult("x", []byte(form))
		if err != nil || got.Optionals != nil || got.Name != "p" {
			t.Errorf("%q: got %+v, %v", form, got, err)
		}
	}
	if _, err := ParseResult("x", []byte("--- !ruby/object:Thing\n"+body)); err == nil {
		t.Error("an object was read")
	}
}

// TestResultOfOneBuild reads the very first form.
func TestResultOfOneBuild(t *testing.T) {
	got, err := ParseResult("x", []byte("--- !omap \n- out_manifest: |\n    "+hexSum+"  a\n\n- in_manifest: |\n    "+hexSum+"  p-desc.yml\n\n- base_manifest: |\n    "+hexSum+"  x_1_all.deb\n\n- release: 0.3.21\n- name: p\n- type: build\n- optionals: \n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Base) != 1 || got.Base[0].Target != "base" || len(got.Base[0].Sums) != 1 || got.Release != "0.3.21" {
		t.Errorf("got %+v", got)
	}
}
