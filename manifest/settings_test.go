package manifest

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

const soundSettings = `# where things are
files:
  hello_2.10.orig.tar.gz:
    source-package: hello
    version: "2.10-3"
  MacOSX.sdk.tar.gz:
    sha256: ` + hexSum + `
    private: true
  a.zip: {url: "https://example.org/a.zip", sha256: ` + hexSum + `}
keyrings: {vendor: keys/vendor.gpg}
mirrors:
  debian: ["http://mirror.example.org/debian", "file:///media/cdrom"]
remotes:
  tool:
    url: /srv/git/tool.git
    commit: release/1.0
`

func TestParseSettings(t *testing.T) {
	got, err := ParseSettings("satchel.yaml", []byte(soundSettings))
	if err != nil {
		t.Fatal(err)
	}
	sum := fileSums("x")[0].SHA256
	want := &Settings{
		Files: map[string]FileSource{
			"hello_2.10.orig.tar.gz": {SourcePackage: "hello", Version: "2.10-3"},
			"MacOSX.sdk.tar.gz":      {SHA256: &sum, Private: true},
			"a.zip":                  {URL: "https://example.org/a.zip", SHA256: &sum},
		},
		Mirrors:  map[string][]string{"debian": {"http://mirror.example.org/debian", "file:///media/cdrom"}},
		Keyrings: map[string]string{"vendor": "keys/vendor.gpg"},
		Remotes:  map[string]RemoteSource{"tool": {URL: "/srv/git/tool.git", Commit: "release/1.0"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, err := ParseSettings("x", []byte("remotes: {}\n")); err != nil || got.Files != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestParseSettingsRefuses(t *testing.T) {
	for _, tt := range []struct{ old, new, want string }{
		{"files:\n", "file:\n", `x:2: the document: unknown key "file"`},
		{"    source-package: hello\n", "    source-package: hello\n    url: http://example.org/\n", `x:3: files[hello_2.10.orig.tar.gz]: source-package stands alone`},
		{"    source-package: hello\n", "", `x:3: files[hello_2.10.orig.tar.gz]: version stands only beside source-package`},
		{"source-package: hello", "source-package: Hello!", `x:3: files[hello_2.10.orig.tar.gz]: "Hello!" is no name`},
		{"    private: true", "    sha: x", `x:8: files[MacOSX.sdk.tar.gz]: unknown key "sha"`},
		{"    sha256: " + hexSum + "\n", "", `x:6: files[MacOSX.sdk.tar.gz]: sha256 is missing`},
		{", sha256: " + hexSum + "}", "}", `x:9: files[a.zip]: sha256 is missing`},
		{"https://example.org/a.zip", "ftp://example.org/a.zip", `x:9: files[a.zip]: "ftp://example.org/a.zip" is no URL`},
		{"  a.zip:", "  ../a.zip:", `x:9: files[../a.zip]: "../a.zip" may hold only`},
		{"  a.zip:", "  MacOSX.sdk.tar.gz:", `x:9: key "MacOSX.sdk.tar.gz" stands here and in line 6`},
		{"http://mirror.example.org/debian", "mirror", `x:12: mirrors[debian][0]: "mirror" is no URL`},
		{"    url: /srv/git/tool.git", "    url: ext::x", `x:14: remotes[tool]: "ext::x" is no URL`},
		{"    commit: release/1.0", "    commit: -x", `x:14: remotes[tool]: "-x" names no`},
		{"    url: /srv/git/tool.git\n    commit: release/1.0\n", "    {}\n", `x:14: remotes[tool]: it says nothing`},
		{"  tool:", "  a/b:", `x:14: remotes[a/b]: "a/b" may hold only`},
		{"  tool:", "  \"\\e[2J\":", `x:14: remotes["\x1b[2J"]: "\x1b[2J" may hold only`},
		{"  tool:", "  &a tool:", `x:14: remotes: a key must be a word, without anchor`},
		{"keys/vendor.gpg", "../vendor.gpg", `x:10: keyrings[vendor]: "../vendor.gpg" is no clean relative path`},
		{"vendor:", "a/b:", `x:10: keyrings[a/b]: "a/b" may hold only`},
		{"mirrors:", "!!str mirrors:", `x:11: the document: a key must be a word, without anchor`},
		{soundSettings, "- a", `x:1: the document must be a mapping`},
	} {
		text := strings.Replace(soundSettings, tt.old, tt.new, 1)
		if text == soundSettings {
			t.Fatalf("%q is not in the sound settings", tt.old)
		}
		s, err := ParseSettings("x", []byte(text))
		var p *Problems
		if s != nil || !errors.As(err, &p) || !strings.Contains("\n"+err.Error(), "\n"+tt.want) {
			t.Errorf("with %q: got %v, %v, want %s", tt.new, s, err, tt.want)
		}
	}
}
