package manifest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const (
	hexSum = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	aaaa   = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	bbbb   = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func fileSums(names ...string) []FileSum {
	all := []FileSum{}
	for _, n := range names {
		d, err := ParseDigest(hexSum)
		if err != nil {
			panic(err)
		}
		all = append(all, FileSum{d, n})
	}
	return all
}

// goldens are the results whose YAML psych-golden.txt shows, or parts of it.
func goldens() map[string]*Result {
	one := func() *Result {
		return &Result{Name: "p", Out: fileSums(), In: Inputs{Descriptor: fileSums("p-desc.yml")[0], Files: fileSums(), Git: []GitCommit{}},
			Base: []BaseManifest{}, CacheCommon: fileSums(), CachePackage: fileSums()}
	}
	multi := one()
	multi.Out = fileSums("x.tar.gz", "y.zip")
	multi.In.Git = []GitCommit{{aaaa, "dir"}}
	multi.Base = []BaseManifest{
		{Target: "bionic-amd64", Sums: fileSums("a.deb", DebName("b", "1:2", "all"))},
		{Target: "focal-i386", Sums: fileSums("one.deb")},
		{Target: "empty-amd64", Sums: fileSums()},
	}
	multi.CachePackage = fileSums("very-long-file-name-to-exceed-the-fold-width-of-psych-emission.tar.gz")
	remotes := one()
	remotes.In.Git = []GitCommit{{aaaa, "one"}, {bbbb, "two"}}
	return map[string]*Result{"multi": multi, "two remotes": remotes}
}

// TestResultGolden compares with what Ruby wrote.
func TestResultGolden(t *testing.T) {
	if corpusDir() == "" {
		t.Skip("the corpus of real documents is not beside this checkout")
	}
	data, err := os.ReadFile(filepath.Join(corpusDir(), "psych-golden.txt"))
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for _, part := range strings.Split("\n"+string(data), "\n### ")[1:] {
		title, text, _ := strings.Cut(part, "\n")
		parts[title] = strings.TrimSuffix(text, "\n") + "\n"
	}
	all := goldens()
	got, err := all["multi"].Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if want := parts["multi"]; string(got) != want || want == "" {
		t.Errorf("multi: got\n%s\nwant\n%s", got, want)
	}
	if got, err = all["two remotes"].Marshal(); err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimPrefix(parts["two remotes"], "--- !!omap\n"); !strings.Contains(string(got), want) || want == "" {
		t.Errorf("two remotes: got\n%s\nwant in it\n%s", got, want)
	}
	r := all["two remotes"]
	for title, a := range map[string]Result{
		"gsign":                       {Release: "0.21.2-linux"},
		"gsign-empty-array":           {Release: "0.21.2-linux", Optionals: []string{}},
		"gsign-list, numeric release": {Release: "22.0", Optionals: []string{"a.txt", "b"}},
	} {
		r.Name, r.In.Descriptor.Path = "n", "n-desc.yml"
		r.Release, r.Type, r.Optionals = a.Release, "build", a.Optionals
		got, err := r.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		_, want, ok := strings.Cut(parts[title], "- release")
		want, _, _ = strings.Cut("- release"+want, "\nPsych::Omap")
		if want = strings.TrimSuffix(want, "\n") + "\n"; !ok || !strings.HasSuffix(string(got), "\n"+want) {
			t.Errorf("%s: got\n%s\nwant at its end\n%s", title, got, want)
		}
	}
}

func TestResultReadsItself(t *testing.T) {
	for name, want := range goldens() {
		data, err := want.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseResult("x.yml", data)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

func TestResultForms(t *testing.T) {
	const text = `--- !omap
- out_manifest: ! '` + hexSum + `  a b.zip

'
- in_manifest: ! '` + hexSum + `  p-desc.yml

    ` + hexSum + `  sdk.tar.gz

    git:` + aaaa + ` onegit:` + bbbb + ` two'
- base_manifests: !omap
  - precise-i386: |
      Reading package lists...
      ` + hexSum + `  z_1%3a2_all.deb
      Hit:1 http://10.0.3.1:3142/ubuntu bionic InRelease
      ` + hexSum + ` *a_1_i386.deb
- release: 0.9
- name: p
- type: build
- optionals:
- extra: 1
`
	got, err := ParseResult("x", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	sdk := fileSums("p-desc.yml", "sdk.tar.gz")
	want := &Result{
		Name: "p", Out: fileSums("a b.zip"),
		In: Inputs{Descriptor: sdk[0], Files: sdk[1:], Git: []GitCommit{{aaaa, "one"}, {bbbb, "two"}}},
		Base: []BaseManifest{{Target: "precise-i386", Sums: fileSums("z_1%3a2_all.deb", "a_1_i386.deb"),
			Noise: []Noise{{0, "Reading package lists..."}, {1, "Hit:1 http://10.0.3.1:3142/ubuntu bionic InRelease"}}}},
		CacheCommon: fileSums(), CachePackage: fileSums(), Release: "0.9", Type: "build", Unknown: []string{"extra"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestResultRefuses(t *testing.T) {
	good := "out_manifest: ''\nin_manifest: '" + hexSum + "  p-desc.yml'\nbase_manifests: {}\n"
	if _, err := ParseResult("x", []byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ old, new, want string }{
		{"out_manifest: ''", "out_manifest: 'Segmentation fault'", `x:1: out_manifest: "Segmentation fault" is no line of sha256sum`},
		{"out_manifest: ''", "out_manifest: '" + strings.Repeat("0", 64) + "  a'", `x:1: out_manifest:`},
		{"out_manifest: ''", "out_manifest: []", `x:1: out_manifest: must be text, not a list`},
		{"out_manifest: ''\n", "", `x:1: out_manifest is missing`},
		{"p-desc.yml", "p.yml", `x:2: in_manifest: its first line must be the sum of NAME-desc.yml`},
		{"p-desc.yml", "p-desc.yml\nname: q", `x:`},
		{"base_manifests: {}\n", "base_manifests: {\"\\e[2J\": ''}\n", `x:3: base_manifests: "\x1b[2J" may hold only`},
		{"base_manifests: {}\n", "optionals: [\"\\e[2J\"]\n", `x:3: optionals: "\x1b[2J" is no readable text`},
		{"base_manifests: {}\n", "base_manifests: {\"a/b\": ''}\n", `x:3: base_manifests: "a/b" may hold only`},
		{"base_manifests: {}\n", "base_manifests: {}\nname: q\n", `x:4: name: it is "q", but the descriptor is "p-desc.yml"`},
		{"base_manifests: {}\n", "base_manifests: {}\nrelease: a/b\n", `x:4: release: "a/b" may hold only`},
		{"base_manifests: {}\n", "base_manifests: !ruby/object:X {}\n", `x:3: base_manifests: the tag "!ruby/object:X"`},
		{"base_manifests: {}\n", "base_manifests: {}\nout_manifest: ''\n", `x:4: key "out_manifest" stands here and in line 1`},
		{good, "- a: 1\n  b: 2\n", `x:1: the result: each entry must be one key: value`},
		{good, "x", `x:1: the result must be a mapping`},
	} {
		text := strings.Replace(good, tt.old, tt.new, 1)
		r, err := ParseResult("x", []byte(text))
		var p *Problems
		if r != nil || !errors.As(err, &p) || !strings.Contains("\n"+err.Error(), "\n"+tt.want) {
			t.Errorf("with %q: got %v, %v, want %s", tt.new, r, err, tt.want)
		}
	}
}

func TestResultMarshalRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Result){
		"zero":               func(r *Result) { *r = Result{} },
		"no descriptor":      func(r *Result) { r.In.Descriptor = FileSum{} },
		"other descriptor":   func(r *Result) { r.In.Descriptor.Path = "q-desc.yml" },
		"no hash":            func(r *Result) { r.Out[0].SHA256 = Digest{} },
		"newline":            func(r *Result) { r.Out[0].Path = "a\nb" },
		"no name":            func(r *Result) { r.Out[0].Path = "" },
		"short commit":       func(r *Result) { r.In.Git[0].Commit = "abc" },
		"directory":          func(r *Result) { r.In.Git[0].Dir = "a/b" },
		"target":             func(r *Result) { r.Base[0].Target = "a b" },
		"same target":        func(r *Result) { r.Base[1].Target = r.Base[0].Target },
		"release":            func(r *Result) { r.Release, r.Type = "a/b", "build" },
		"type":               func(r *Result) { r.Release = "1" },
		"type alone":         func(r *Result) { r.Type = "build" },
		"optionals":          func(r *Result) { r.Release, r.Type, r.Optionals = "1", "build", []string{"a\nb"} },
		"noise of two lines": func(r *Result) { r.Base[0].Noise = []Noise{{0, "a\nb"}} },
		"empty noise":        func(r *Result) { r.Base[0].Noise = []Noise{{0, ""}} },
		"noise like a sum":   func(r *Result) { r.Base[0].Noise = []Noise{{0, hexSum + "  a"}} },
		"noise out of place": func(r *Result) { r.Base[0].Noise = []Noise{{9, "a"}} },
		"unsorted noise":     func(r *Result) { r.Base[0].Noise = []Noise{{1, "a"}, {0, "b"}} },
		"noise like git":     func(r *Result) { r.In.Noise = []Noise{{0, "git:" + aaaa + " x"}} },
		"unknown":            func(r *Result) { r.Unknown = []string{"x"} },
	} {
		r := goldens()["multi"]
		spoil(r)
		if b, err := r.Marshal(); err == nil || b != nil {
			t.Errorf("%s: got %s, want an error", name, b)
		}
	}
}

func TestCorpusAsserts(t *testing.T) {
	all := corpus(t, "asserts", "*/*/*.assert")
	for name, data := range all {
		r, err := ParseResult(name, data)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if len(r.Out) == 0 || len(r.In.Git) != 1 || len(r.Base) != 1 || r.Release == "" || r.Type != "build" || r.Unknown != nil {
			t.Errorf("%s: got %d outputs, git %v, %d bases, release %q, type %q, unknown %q", name, len(r.Out), r.In.Git, len(r.Base), r.Release, r.Type, r.Unknown)
		}
		again, err := r.Marshal()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r2, err := ParseResult(name, again); err != nil || !reflect.DeepEqual(r2, r) {
			t.Errorf("%s: what is written reads as something else: %v", name, err)
		}
		// The youngest form differs from ours in a space at most.
		if strings.Contains(string(data), "\n- cache_common_manifest: |\n") {
			if old := strings.Replace(string(data), "optionals: \n", "optionals:\n", 1); old != string(again) {
				t.Errorf("%s: what is written is not what was read", name)
			}
		}
	}
}

// randomResult makes a result of words that are awkward in YAML.
func randomResult(r *rand.Rand) *Result {
	words := []string{"a", "n", "y", "N", "Y", "1.0", "1", "0x1f", "1e5", "2024-01-02", "12:30:45", "yes", "No", "null", "_x", ".a", "..b", "@a", "+1", "~a", "%3a", ":a", "a:", "0.17.1", "022", "089", "0.1",
		"1.", "1_0", "true", "x/y", "x@y", "git", strings.Repeat("long", 30), "1:2", "0b1", "0o7", "1e3", "9.e5", "1.5e+3", "3-4", "2001-1-1", "190:20:30.15", "x:y"}
	word := func() string { return words[r.IntN(len(words))] }
	name := func() string {
		for {
			if s := word(); CheckName(s) == nil {
				return s
			}
		}
	}
	list := func() []FileSum {
		all := []FileSum{}
		for range r.IntN(4) {
			all = append(all, fileSums(word())[0])
		}
		return all
	}
	noise := func(sums int) []Noise {
		var all []Noise
		texts := []string{"Reading package lists...", "Hit:1 http://10.0.3.1:3142/u x", "  indented", "ends in space ", "tab\there", "# comment", "- item", "it's", `say "x"`, "ünïcode", "a: b", "non\u00a0break", "\"quoted\"", "x # y", "%", "😀 smile",
			strings.Repeat("words ", 30) + "end", "a  b", "--- x", "'", strings.Repeat("w", 90) + " " + strings.Repeat("v", 90)}
		for at := 0; at <= sums; at++ {
			if r.IntN(4) == 0 {
				all = append(all, Noise{at, texts[r.IntN(len(texts))]})
			}
		}
		return all
	}
	n := name()
	res := &Result{Name: n, Out: list(), In: Inputs{Descriptor: fileSums(n + "-desc.yml")[0], Files: list(), Git: []GitCommit{}}, Base: []BaseManifest{}, CacheCommon: list(), CachePackage: list()}
	for range r.IntN(3) {
		res.In.Git = append(res.In.Git, GitCommit{aaaa, name()})
	}
	if r.IntN(4) == 0 {
		res.In.Noise = noise(0)
	}
	for i := range r.IntN(3) {
		sums := list()
		res.Base = append(res.Base, BaseManifest{Target: name() + strings.Repeat("-x", i), Sums: sums, Noise: noise(len(sums))})
	}
	if r.IntN(2) == 0 {
		res.Release, res.Type = name(), "build"
		if r.IntN(2) == 0 {
			res.Optionals = []string{}
			for range r.IntN(3) {
				odd := []string{`-"a`, `:"a`, `'"`, `"x"`, ` "x" `, `#"`, `?"x`, `? "x`, `- "x`, `!"`, `a "b"`, `é"`, `a #b`, `,"`, `..."x`, `---"`, `a: b`, `a  `, `%"`, `\"`, `~"`, "é", "a é b", strings.Repeat("é e ", 40), strings.Repeat("'é' ", 40), `:`, `-`, `?`, `=`, `<<`, `*a`, `2024-01-02 03:04:05`, `1,000`, `1:2:3`}
				res.Optionals = append(res.Optionals, word(), odd[r.IntN(len(odd))])
			}
		}
	}
	return res
}

// TestResultAgainstRuby writes awkward results and lets Ruby read them and write
// them again: the bytes must be ours.
func TestResultAgainstRuby(t *testing.T) {
	ruby := needTool(t, "ruby")
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	count := 0
	rounds := 600
	if os.Getenv("SATCHEL_FULL") == "1" {
		rounds = 6000
	}
	for i := range rounds {
		res := randomResult(r)
		data, err := res.Marshal()
		if err != nil {
			continue // two targets of one name, mostly
		}
		count++
		if got, err := ParseResult("x", data); err != nil || !reflect.DeepEqual(got, res) {
			t.Fatalf("reads back as something else: %v\n%s\ngot  %+v\nwant %+v", err, data, got, res)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d", i)), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if count < rounds/2 {
		t.Errorf("got only %d results of %d tries", count, rounds)
	}
	const script = `require "yaml"
Dir[ARGV[0] + "/*"].sort.each { |f|
  text = File.read(f, encoding: "UTF-8")
  y = YAML.respond_to?(:unsafe_load) ? YAML.unsafe_load(text) : YAML.load(text)
  again = y.to_yaml
  next if again == text
  puts "#{f}: ours", text, "ruby", again
}`
	out, err := exec.Command(ruby, "-W0", "-e", script, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("ruby: %v\n%s", err, out)
	}
	if len(out) > 0 {
		t.Errorf("Ruby writes it in another way:\n%s", out[:min(len(out), 4000)])
	}
}
