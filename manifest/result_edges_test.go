package manifest

import (
	"strings"
	"testing"
)

// edges are what has stood before, around and behind a result, or may have: editors,
// mailers and other YAML libraries put it there.
func edges() map[string]string {
	const plain = "out_manifest: |\n  " + hexSum + "  a\nin_manifest: |\n  " + hexSum + "  p-desc.yml\n"
	const omap = "- out_manifest: |\n    " + hexSum + "  a\n- in_manifest: |\n    " + hexSum + "  p-desc.yml\n"
	all := map[string]string{}
	add := func(name, text string) { all[name] = text }
	for name, start := range map[string]string{
		"no start": "", "start": "---\n", "start and blank": "--- \n", "start and tab": "---\t\n", "start and comment": "--- # gitian\n", "two dashes": "--\n", "four dashes": "----\n",
		"a number before": "1---\n", "blank lines": "\n\n---\n", "comment": "# by hand\n---\n", "comment after": "---\n# by hand\n", "directive": "%YAML 1.0\n---\n", "directive 1.1": "%YAML 1.1\n---\n",
		"directive 1.2": "%YAML 1.2\n---\n", "directive 2.0": "%YAML 2.0\n---\n", "tag directive": "%TAG ! tag:example.org,2000:\n---\n", "directive alone": "%YAML 1.1\n", "end before": "...\n---\n",
		"blank before": " ---\n", "BOM": "\xef\xbb\xbf---\n", "BOM, no start": "\xef\xbb\xbf", "two BOMs": "\xef\xbb\xbf\xef\xbb\xbf---\n", "BOM after": "---\n\xef\xbb\xbf",
	} {
		add("plain, "+name, start+plain)
		if strings.Contains(start, "---") {
			add("omap, "+name, strings.Replace(start, "---", "--- !omap", 1)+omap)
			add("!!omap, "+name, strings.Replace(start, "---", "--- !!omap", 1)+omap)
		}
	}
	for name, end := range map[string]string{
		"end": "...\n", "end, no line end": "...", "end and blank": "... \n", "end and comment": "... # done\n", "end twice": "...\n...\n", "comment": "# done\n", "blank lines": "\n\n\n", "blanks": "   \n", "tab": "\t\n",
		"next start": "---\n", "next document": "---\na: b\n", "next after an end": "...\n---\na: b\n", "rubbish after an end": "...\nrubbish\n", "rubbish": "rubbish\n", "end of a mail": "-- \nalice\n", "text after": "release: x: y\n", "nul": "\x00", "ctrl-Z": "\x1a",
	} {
		add("then "+name, "---\n"+plain+end)
	}
	doc := "--- !omap \n" + omap + "- base_manifests: !omap\n  - bionic-amd64: |\n      " + hexSum + "  x_1_all.deb\n- release: 0.9\n- name: p\n"
	add("CR LF", strings.ReplaceAll(doc, "\n", "\r\n"))
	add("CR", strings.ReplaceAll(doc, "\n", "\r"))
	add("CR LF in part", strings.Replace(doc, "  a\n", "  a\r\n", 1))
	add("CR CR LF", strings.ReplaceAll(doc, "\n", "\r\r\n"))
	add("NEL", strings.Replace(doc, "  a\n", "  a\u0085", 1))
	add("LS", strings.Replace(doc, "  a\n", "  a\u2028", 1))
	add("tab in a text", strings.Replace(doc, hexSum+"  a", hexSum+"\ta", 1))
	add("tab as indentation", strings.Replace(doc, "    "+hexSum+"  a", "\t"+hexSum+"  a", 1))
	add("tab behind a key", strings.Replace(doc, "name: p", "name:\tp", 1))
	add("tab behind a dash", strings.Replace(doc, "- name: p", "-\tname: p", 1))
	add("tab behind a value", strings.Replace(doc, "name: p", "name: p\t", 1))
	add("trailing blanks", strings.ReplaceAll(doc, "\n", "  \n"))
	add("Latin-1", strings.Replace(doc, "  a\n", "  caf\xe9\n", 1))
	add("Latin-1 in noise", strings.Replace(doc, "      "+hexSum+"  x", "      Geh\xf6rt\n      "+hexSum+"  x", 1))
	add("UTF-8", strings.Replace(doc, "      "+hexSum+"  x", "      Gehört\n      "+hexSum+"  x", 1))
	add("UTF-8, escaped", strings.Replace(doc, "name: p", "name: \"\\x70\"", 1))
	add("UTF-16", "\xff\xfe"+strings.Join(strings.Split(doc, ""), "\x00")+"\x00")
	add("a lone surrogate", strings.Replace(doc, "  a\n", "  \xed\xa0\x80\n", 1))
	add("an emoji", strings.Replace(doc, "name: p", "name: p # 😀", 1))
	add("a control character", strings.Replace(doc, "  a\n", "  \x01\n", 1))
	add("an escape sequence", strings.Replace(doc, "      "+hexSum+"  x", "      \x1b[1mx\n      "+hexSum+"  x", 1))
	add("a comment in a text", strings.Replace(doc, "  a\n", "  a # b\n", 1))
	add("a number as a name", strings.Replace(doc, "bionic-amd64", "12", 1))
	add("a release with an exponent", strings.Replace(doc, "0.9", "1e3", 1))
	add("a release that is a date", strings.Replace(doc, "0.9", "2013-01-02", 1))
	add("a release in base 60", strings.Replace(doc, "0.9", "1:20:30", 1))
	add("a key twice", doc+"- name: q\n")
	return all
}

// edgesApart are the documents about which Ruby and we disagree, and why.
var edgesApart = map[string]string{
	"then next document":        "Ruby reads the first of several documents; a signature is over them all",
	"then next start":           "likewise",
	"then next after an end":    "likewise",
	"then rubbish after an end": "likewise",
	"a key twice":               "Ruby takes the last, and who looks at the text sees the first",
	"plain, BOM after":          "a mark that nobody sees",
	"omap, BOM after":           "likewise",
	"!!omap, BOM after":         "likewise",
	"omap, four dashes":         "it makes another tag, which Ruby does not know either, and passes over",
	"!!omap, four dashes":       "likewise",
	"omap, tag directive":       "likewise",
}

// TestEdgesAgainstRuby: what stands around a result is read, or refused, as Ruby does;
// and where both read, every text is the same.
func TestEdgesAgainstRuby(t *testing.T) {
	docs := edges()
	theirs := askRuby(t, docs)
	apart, both := map[string]bool{}, 0
	for name, text := range docs {
		want, read := theirs[name]
		read = read && want["out_manifest"] != ""
		got, err := texts([]byte(text))
		if (err == nil && got["out_manifest"] != "") != read {
			apart[name] = true
			if edgesApart[name] == "" {
				t.Errorf("%s: Ruby reads it: %v, we: %v %q\n%q", name, read, err, got, text)
			}
			continue
		}
		if !read {
			continue
		}
		both++
		for k, w := range want {
			if got[k] != w {
				t.Errorf("%s: %s: we read %q, Ruby %q\n%q", name, k, got[k], w, text)
			}
		}
	}
	for name := range edgesApart {
		if !apart[name] {
			t.Errorf("%s: there is no difference any more", name)
		}
	}
	if both < 30 {
		t.Errorf("only %d documents were read by both", both)
	}
}
