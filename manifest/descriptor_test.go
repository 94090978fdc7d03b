package manifest

import (
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// minimal is a descriptor that has nothing to complain about.
const minimal = `---
name: "hello"
suites:
- "bookworm"
architectures:
- "amd64"
packages:
- "gcc"
reference_datetime: "2024-01-02 03:04:05"
remotes: []
files: []
script: |
  make
`

func TestParseDescriptor(t *testing.T) {
	const text = `---
name: 1.0
distro: debian   # a comment
enable_cache: Yes
sudo: on
suites: [bookworm, "bullseye"]
architectures:
- amd64
- i386
packages:
- gcc-12
- libc6:i386
- "zlib1g=1:1.2.13.dfsg-1"
-
- make  patch
multiarch: [i386]
repositories:
- distribution: bookworm-backports
  source: deb http://deb.example.org/debian bookworm-backports main
  packages: [cmake]
alternatives:
- {package: x86_64-w64-mingw32-g++, path: /usr/bin/x86_64-w64-mingw32-g++-posix}
reference_datetime: 2024-01-02 03:04:05
remotes:
- dir: one
  url: https://example.org/~me/one.git
  branch: x
- url: "git@example.org:two.git"
  dir: "two"
  commit: 0123456
files:
- noscript@noscript.net.xpi
- i686-w64-mingw32-g++
- 12
optionals: [a.txt]
backports_packages: []
script: |
  # first
  make
`
	got, err := ParseDescriptor("x.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := &Descriptor{
		File: "x.yml", Raw: []byte(text), ScriptLine: 38, Name: "1.0", Distro: "debian",
		Suites: []string{"bookworm", "bullseye"}, Architectures: []string{"amd64", "i386"},
		Packages:     []string{"gcc-12", "libc6:i386", "zlib1g=1:1.2.13.dfsg-1", "make", "patch"},
		Multiarch:    []string{"i386"},
		Repositories: []Repository{{Source: "deb http://deb.example.org/debian bookworm-backports main", Distribution: "bookworm-backports", Packages: []string{"cmake"}}},
		Alternatives: []Alternative{{Package: "x86_64-w64-mingw32-g++", Path: "/usr/bin/x86_64-w64-mingw32-g++-posix"}},
		Sudo:         true, EnableCache: true, Reference: "2024-01-02 03:04:05",
		Remotes: []Remote{
			{URL: "https://example.org/~me/one.git", Dir: "one", Line: 25},
			{URL: "git@example.org:two.git", Dir: "two", Commit: "0123456", Line: 28},
		},
		Files:        []string{"noscript@noscript.net.xpi", "i686-w64-mingw32-g++", "12"},
		ImageDigests: []string{}, Optionals: []string{"a.txt"},
		Script: "# first\nmake\n", Unknown: []string{"backports_packages", "remotes.branch"},
	}
	if !reflect.DeepEqual(got, want) {
		got.Raw, want.Raw = nil, nil
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	targets := []TargetName{{"bookworm", "amd64"}, {"bookworm", "i386"}, {"bullseye", "amd64"}, {"bullseye", "i386"}}
	if got := got.Targets(); !reflect.DeepEqual(got, targets) {
		t.Errorf("got targets %v, want %v", got, targets)
	}
}

func TestParseDescriptorLineEnds(t *testing.T) {
	want, err := ParseDescriptor("x", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"CRLF":          strings.ReplaceAll(minimal, "\n", "\r\n"),
		"BOM":           "\xef\xbb\xbf" + minimal,
		"BOM and CRLF":  "\xef\xbb\xbf" + strings.ReplaceAll(minimal, "\n", "\r\n"),
		"no ---":        strings.TrimPrefix(minimal, "---\n"),
		"two documents": minimal + "---\nname: other\n",
		"comments":      strings.ReplaceAll(minimal, "- \"gcc\"", "- gcc # the compiler\n# and no other"),
	} {
		got, err := ParseDescriptor("x", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if string(got.Raw) != text {
			t.Errorf("%s: Raw is not what was read", name)
		}
		if line := strings.Split(text, "\n")[got.ScriptLine-1]; strings.TrimSpace(line) != "make" {
			t.Errorf("%s: the script begins in line %d, %q", name, got.ScriptLine, line)
		}
		got.Raw, got.ScriptLine = want.Raw, want.ScriptLine
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// TestParseDescriptorProblems changes one thing of a sound descriptor.
func TestParseDescriptorProblems(t *testing.T) {
	for _, tt := range []struct{ old, new, want string }{
		{`name: "hello"`, `name: "he llo"`, `x.yml:2: name: "he llo" may hold only`},
		{`name: "hello"`, `name: ".."`, `x.yml:2: name: ".." may hold`},
		{`name: "hello"`, `nam: hello`, `x.yml:2: name is missing; is "nam" meant to be it?`},
		{`name: "hello"`, `name:`, `x.yml:2: name is empty`},
		{`name: "hello"`, `name: [a]`, `x.yml:2: name: must be text, not a list`},
		{`name: "hello"`, "name: a\nname: b", `x.yml:3: key "name" stands here and in line 2; keep one`},
		{`name: "hello"`, "name: !ruby/object:X a", `x.yml:2: name: the tag "!ruby/object:X" means nothing here`},
		{`name: "hello"`, "name: a\n<<: {distro: debian}", `x.yml:3: the descriptor: merging with <<`},
		{`name: "hello"`, "name: a\n? [x]\n: y", `x.yml:3: the descriptor: a key must be a word, not a list`},
		{`name: "hello"`, "name: a\ndistro: a/b", `x.yml:3: distro: "a/b" may hold only`},
		{`name: "hello"`, "name: a\nsudo: maybe", `x.yml:3: sudo: write true or false`},
		{`name: "hello"`, "name: a\nenable_cache: \"false\"", `x.yml:3: enable_cache: write true or false, without quotes`},
		{`name: "hello"`, "name: a\nmultiarch: [\"i386; reboot\"]", `x.yml:3: multiarch:`},
		{`name: "hello"`, "name: a\ndocker_image_digests: [\"" + strings.Repeat("ab", 32) + "\", \"" + strings.Repeat("cd", 32) + "\"]", `x.yml:3: docker_image_digests has 2 entries and suites has 1`},
		{`name: "hello"`, "name: a\ndocker_image_digests: [latest]", `x.yml:3: docker_image_digests: reading digest "latest"`},
		{`name: "hello"`, "name: a\nrepositories: [{source: \"deb x\"}]", `x.yml:3: distribution is missing`},
		{`name: "hello"`, "name: a\nalternatives: [{package: x, path: \"/a b\"}]", `x.yml:3: path: "/a b" is no absolute path`},
		{`- "bookworm"`, `- "book/worm"`, `x.yml:4: suites: "book/worm" may hold only`},
		{`- "bookworm"`, "- a\n- a", `x.yml:5: suites: "a" is listed twice`},
		{"suites:\n- \"bookworm\"", `suites: bookworm`, `x.yml:3: suites must be a list`},
		{"suites:\n- \"bookworm\"", `suites: []`, `x.yml:3: suites is empty`},
		{"suites:\n- \"bookworm\"\n", ``, `x.yml:2: suites is missing`},
		{`- "amd64"`, `- "arm64"`, `x.yml:6: architectures: "arm64" is unknown`},
		{`- "amd64"`, `- `, `x.yml:6: architectures: "" is unknown`},
		{`packages:`, `ipackages:`, `x.yml:7: packages is missing; is "ipackages" meant to be it?`},
		{`- "gcc"`, `- "gcc;reboot"`, `x.yml:8: packages: package "gcc;reboot"`},
		{`- "gcc"`, `- "$(reboot)"`, `x.yml:8: packages: package "$(reboot)"`},
		{`- "gcc"`, `- "--reinstall"`, `x.yml:8: packages: package "--reinstall"`},
		{`- "gcc"`, `- "gcc-"`, `x.yml:8: packages: package "gcc-": apt-get would remove it`},
		{`- "gcc"`, `- "gcc=`, `x.yml:`},
		{`- "gcc"`, `- gcc: 1`, `x.yml:8: packages: must be text, not a mapping`},
		{`"2024-01-02 03:04:05"`, `"2024-13-02 03:04:05"`, `x.yml:9: reference_datetime: "2024-13-02 03:04:05" is no time`},
		{`"2024-01-02 03:04:05"`, `2024-01-02`, `x.yml:9: reference_datetime: "2024-01-02" is no time`},
		{"reference_datetime: \"2024-01-02 03:04:05\"\n", ``, `x.yml:2: reference_datetime is missing`},
		{`"2024-01-02 03:04:05"`, ``, `x.yml:9: reference_datetime is empty`},
		{`remotes: []`, "remotes:\n- url: a\n  dir: a/b", `x.yml:12: dir: "a/b" may hold only`},
		{`remotes: []`, "remotes:\n- url: \"ext::sh -c x\"\n  dir: a", `x.yml:11: url: "ext::sh -c x" is no URL`},
		{`remotes: []`, "remotes:\n- url: ext::x\n  dir: a", `x.yml:11: url: "ext::x" is no URL`},
		{`remotes: []`, "remotes:\n- url: a\n  dir: a\n  commit: \"--upload-pack=x\"", `x.yml:13: commit: "--upload-pack=x" names no`},
		{`remotes: []`, "remotes:\n- {url: a, dir: a}\n- {url: b, dir: a}", `x.yml:12: dir: "a" is listed twice`},
		{`remotes: []`, "remotes:\n- nothing", `x.yml:11: an entry of remotes must be a mapping (key: value), not a text`},
		{`remotes: []`, "remotes:\n- dir: a", `x.yml:11: url is missing`},
		{`files: []`, `files: [../x]`, `x.yml:11: files: "../x" may hold only`},
		{`files: []`, `files: [a b]`, `x.yml:11: files: "a b" may hold only`},
		{"files: []\n", ``, `x.yml:2: files is missing`},
		{"script: |\n  make\n", ``, `x.yml:2: script is missing`},
		{minimal, ``, `x.yml:1: it is empty`},
		{minimal, `# nothing`, `x.yml:1: it is empty`},
		{minimal, `- a`, `x.yml:1: the descriptor must be a mapping (key: value), not a list`},
		{minimal, "a: b\nc: \x00", `x.yml:2: control character \x00`},
		{minimal, "a: b\nc: \xff", `x.yml:2: byte \xff is not UTF-8`},
		{minimal, "a: b\r\nc: \"\r\nd: e\r\n", `x.yml:2: not valid YAML`},
		{minimal, "a: *b\n", `x.yml:1: not valid YAML: unknown anchor 'b' referenced`},
	} {
		text := strings.Replace(minimal, tt.old, tt.new, 1)
		if text == minimal {
			t.Fatalf("%q is not in the sound descriptor", tt.old)
		}
		d, err := ParseDescriptor("x.yml", []byte(text))
		var p *Problems
		if d != nil || !errors.As(err, &p) || p.File != "x.yml" || len(p.List) == 0 {
			t.Errorf("with %q: got %v, %v, want nothing and *Problems", tt.new, d, err)
			continue
		}
		if !strings.Contains("\n"+err.Error(), "\n"+tt.want) {
			t.Errorf("with %q: got\n%v\nwant a line that begins with\n%s", tt.new, err, tt.want)
		}
	}
}

func TestParseDescriptorSaysAll(t *testing.T) {
	_, err := ParseDescriptor("x.yml", []byte("name: a b\nsuites: []\narchitectures: [sparc]\nscript: make\nfiles: [a/b, c/d]\n"))
	var p *Problems
	if !errors.As(err, &p) {
		t.Fatalf("got %v", err)
	}
	var lines []int
	for _, q := range p.List {
		lines = append(lines, q.Line)
	}
	// packages, remotes and reference_datetime are missing: line 1, where the mapping is.
	if want := []int{1, 1, 1, 1, 2, 3, 5, 5}; !reflect.DeepEqual(lines, want) {
		t.Errorf("got lines %v, want %v:\n%v", lines, want, err)
	}
}

func TestCorpusDescriptors(t *testing.T) {
	// GITIAN.md calls these two invalid although they are YAML.
	invalid := map[string]string{
		"litecoin-project__litecoin__gitian-win32__7c5ea66d.yml": `:2: name: "+ACI-calcoin+ACI-"`,
		"Bitcoin-ABC__bitcoin-abc__gitian-linux__57ce1160.yml":   `:10: packages is missing; is "ipackages" meant to be it?`,
	}
	for name, data := range corpus(t, "descriptors", "*.yml") {
		d, err := ParseDescriptor(name, data)
		if want, ok := invalid[filepath.Base(name)]; ok {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %s", name, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if len(d.Targets()) == 0 || d.Script == "" || d.Name == "" {
			t.Errorf("%s: got %d targets, a script of %d bytes, name %q", name, len(d.Targets()), len(d.Script), d.Name)
		}
	}
}

func TestCorpusBroken(t *testing.T) {
	lines := map[string]int{
		"Bitcoin-ABC__bitcoin-abc__contrib-gitian__fa105b1d.yml":       10,
		"Bitcoin-ABC__bitcoin-abc__gitian-osx__89bbb053.yml":           5,
		"Bitcoin-ABC__bitcoin-abc__gitian-win__89bbb053.yml":           5,
		"ElementsProject__elements__gitian-win-signer__237adde0.yml":   13,
		"ElementsProject__elements__gitian-win-signer__95d75386.yml":   13,
		"KotoDevelopers__koto__gitian-linux__be987cda.yml":             145,
		"Veil-Project__veil__gitian-linux__0befdbb8.yml":               188,
		"yedino__galaxy42__test-TEMP-galaxy-linux__75b6caf0.yml":       31,
		"yedino__galaxy42__test-helloworld-galaxy-linux__ab82dc2a.yml": 25,
		"zcoinofficial__zcoin__gitian-win__4fc3eec6.yml":               2,
	}
	for name, data := range corpus(t, "broken", "*.yml") {
		want, ok := lines[filepath.Base(name)]
		if !ok {
			t.Errorf("%s: nobody has looked where it breaks", name)
			continue
		}
		d, err := ParseDescriptor(name, data)
		var p *Problems
		if d != nil || !errors.As(err, &p) || p.File != name || len(p.List) != 1 {
			t.Errorf("%s: got %v, %v, want one problem", name, d, err)
			continue
		}
		if p.List[0].Line != want {
			t.Errorf("got %v, want line %d", err, want)
		}
	}
}
