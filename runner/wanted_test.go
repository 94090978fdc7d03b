package runner

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"satchel/manifest"
	"satchel/runner/guest"
)

const wantingDescriptor = `name: "tool"
suites: ["bookworm"]
architectures: ["amd64"]
packages: []
remotes: []
files: []
reference_datetime: "2020-01-01 00:00:00"
script: |

  fetch() {
    wget -q "$1"
  }
  # wget is called below
  fetch https://files.example.org/a/x-1.tar.gz
  for i in 1 2; do
    make -C depends
  done
`

func TestWantedOf(t *testing.T) {
	d, err := manifest.ParseDescriptor("tool.yml", []byte(wantingDescriptor))
	if err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/bash\nset -e\ncd build\n" + d.Script
	url := "https://files.example.org/a/x-1.tar.gz"
	seen := []guest.Wanted{
		{Name: "files.example.org", Line: 3 + 6, Commands: []string{"wget -q " + url}},
		{Name: "cpan.example.org", Line: 3 + 9, Commands: []string{"make -C depends", "/usr/bin/perl ./get\x1b[31m it"}},
		{Address: "192.0.2.1:9418", Line: 3 + 9, Commands: []string{"make -C depends", "git fetch"}},
		{Name: "early.example.org", Line: 2, Commands: []string{"wget x"}},
		{Name: "nobody.example.org"},
		{Name: "late.example.org", Line: 400, Commands: []string{"odd"}},
		{Name: "pypi.example.org", Line: 400, Commands: []string{"/usr/bin/python3.11 -m pip install x"}},
	}
	const files = "name the files that come from there under files: in the descriptor, say in satchel.yaml beside it where they are, and gather again"
	want := []Wanted{
		{Name: "files.example.org", Ends: 6, Line: 3, Place: "tool.yml:11", Commands: seen[0].Commands, URL: url,
			Remedy: "name x-1.tar.gz under files: in the descriptor, give satchel.yaml beside it files: {x-1.tar.gz: {url: \"" + url + "\", sha256: …}}, and gather again"},
		{Name: "cpan.example.org", Ends: 9, Line: 8, Place: "tool.yml:16", Commands: []string{"make -C depends", "/usr/bin/perl ./get\uFFFD[31m it"}, Remedy: files},
		{Address: "192.0.2.1:9418", Ends: 9, Line: 8, Place: "tool.yml:16", Commands: seen[2].Commands,
			Remedy: "name the repository under remotes: in the descriptor (its submodules come along), and gather again"},
		{Name: "early.example.org", Commands: seen[3].Commands, Remedy: files},
		{Name: "nobody.example.org", Remedy: files},
		{Name: "late.example.org", Ends: 9, Line: 9, Place: "tool.yml:17", Commands: seen[5].Commands, Remedy: files},
		{Name: "pypi.example.org", Ends: 9, Line: 9, Place: "tool.yml:17", Commands: seen[6].Commands,
			Remedy: "name the packages' files under files: in the descriptor, install them with pip --no-index --find-links=$HOME/build, and gather again"},
	}
	got := wantedOf(d, script, seen)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	text := (&ScriptError{Target: "bookworm-amd64", Exit: 1, Log: "x.log", Wanted: got}).Error()
	for _, line := range []string{
		"\n  files.example.org, by \"wget -q " + url + "\", in line 3 of the script (tool.yml:11), run by the command that ends in line 6\n    name x-1.tar.gz under",
		"\n  192.0.2.1:9418, by \"git fetch\" for \"make -C depends\", in line 8 of",
		"\n  nobody.example.org\n",
	} {
		if !strings.Contains(text+"\n", line) {
			t.Errorf("the error lacks %q:\n%s", line, text)
		}
	}
	if n := strings.Count(text, files); n != 1 {
		t.Errorf("one remedy stands there %d times:\n%s", n, text)
	}
}

// Lines of a script that is folded or quoted are not the file's.
func TestWantedWithoutPlace(t *testing.T) {
	d, err := manifest.ParseDescriptor("tool.yml", []byte(strings.Replace(wantingDescriptor, "script: |", "script: >", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if w := wantedOf(d, d.Script, []guest.Wanted{{Name: "x.example", Line: 2}}); w[0].Place != "" || w[0].Line != 2 {
		t.Errorf("got %+v", w[0])
	}
}
