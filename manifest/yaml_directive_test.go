package manifest

import (
	"fmt"
	"strings"
	"testing"
)

// TestDirectives: documents that begin with directives are read as Ruby reads them, and
// refused where it refuses them.
func TestDirectives(t *testing.T) {
	body := "!!omap\n- out_manifest: |\n    " + hexSum + "  a.tar\n- in_manifest: " + hexSum + "  p-desc.yml\n- base_manifests: !!omap []\n- cache_common_manifest: ''\n"
	docs := map[string]string{}
	for _, head := range []string{
		"%YAML 1.1\n", "%YAML 1.2\n", "%YAML  1.2 \n", "%YAML 1.2 # text\n", "%YAML\t1.2\n", "%YAML 01.02\n", "\n# text\n%YAML 1.2\n", "%YAML 1.2\n# text\n\n",
		"%TAG !x! tag:example.org,2000:\n%YAML 1.2\n", "%YAML 1.2\n%TAG !x! tag:example.org,2000:\n", "%YAML 1.2\r\n", "\xef\xbb\xbf%YAML 1.2\n",
		"%YAML 1.0\n", "%YAML 1.3\n", "%YAML 1.20\n", "%YAML 1.12\n", "%YAML 2.2\n", "%YAML 1.2.2\n", "%YAML 1.2\n%YAML 1.2\n", "%YAML 1.2\n%YAML 1.1\n", "%YAML1.2\n", "%YAML 1.2x\n", "%YAML 1.\n",
		" %YAML 1.2\n", "%YAML 1.2\n...\n",
	} {
		docs[fmt.Sprintf("%02d", len(docs))] = head + "--- " + body
		docs[fmt.Sprintf("%02d", len(docs))] = head + body
	}
	read, both := askRuby(t, docs), 0
	for name, doc := range docs {
		got, err := texts([]byte(doc))
		want, theirs := read[name]
		switch {
		case theirs != (err == nil):
			t.Errorf("Ruby reads it: %v, we: %v\n%q", theirs, err, doc)
		case theirs && (got["out_manifest"] != want["out_manifest"] || got["in_manifest"] != want["in_manifest"]):
			t.Errorf("we read %q, Ruby %q\n%q", got, want, doc)
		case theirs:
			both++
		}
	}
	if both < 10 {
		t.Errorf("only %d were read", both)
	}
	for _, version := range []string{"1.1", "1.2"} {
		head := "%YAML " + version + "\n---\n"
		if _, err := ParseDescriptor("x", []byte("%YAML "+version+"\n"+minimal)); err != nil {
			t.Errorf("a descriptor: %v", err)
		}
		r, err := ParseResult("x", []byte(head+body[len("!!omap\n"):]))
		if err != nil || r.Name != "p" {
			t.Errorf("a result: %v", err)
		}
		_, err = ParseResult("x", []byte(head+strings.Replace(body[len("!!omap\n"):], "- in_manifest", "- - in_manifest", 1)))
		if err == nil || !strings.Contains(err.Error(), "x:5: the result: each entry") {
			t.Errorf("an error in line 5: got %v", err)
		}
	}
}
